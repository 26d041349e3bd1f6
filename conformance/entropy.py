"""Where random decisions come from: a string of bytes, read in fixed chunks.

A generator that reads bytes makes a whole program out of one Hypothesis draw (a draw costs about 65
microseconds, and a program needs a hundred decisions), and serves a seeded bulk mode as well. Each step
reads from a chunk of its own, so that changing one step leaves the others as they were. Bytes that are
missing read as zero, and zero is always the simplest choice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gradlaws.conformance.drawn_values import VALUES

T = TypeVar("T")
Array = npt.NDArray[Any]


def stretched(seed: bytes, size: int = 480) -> bytes:
    """`size` bytes that follow from a short seed: Hypothesis draws bytes one by one, at a microsecond each."""
    return hashlib.shake_128(seed).digest(size)


class Entropy:
    """Decisions read from `data`, chunk by chunk of `chunk` bytes.

    `below`, `pick`, `chance` and `values` consume bytes of the current chunk; `turn(i)` moves to the start
    of chunk `i`. Reading past the end of the data yields zeros.
    """

    __slots__ = ("_at", "_chunk", "_data", "_size")

    def __init__(self, data: bytes, chunk: int = 24) -> None:
        self._data = data
        self._size = len(data)
        self._chunk = chunk
        self._at = 0

    def turn(self, chunk: int) -> None:
        """Continue reading at the start of chunk number `chunk`."""
        self._at = chunk * self._chunk

    def byte(self) -> int:
        """The next byte, 0 past the end."""
        at = self._at
        self._at = at + 1
        return self._data[at] if at < self._size else 0

    def below(self, n: int) -> int:
        """An integer in [0, n), for n up to 256."""
        at = self._at
        self._at = at + 1
        return self._data[at] * n >> 8 if at < self._size else 0

    def pick(self, options: Sequence[T]) -> T:
        """One of `options`; the first is the simplest."""
        at = self._at
        self._at = at + 1
        return options[self._data[at] * len(options) >> 8 if at < self._size else 0]

    def chance(self, percent: int) -> bool:
        """True in about `percent` of a hundred cases; False is the simplest."""
        at = self._at
        self._at = at + 1
        return at < self._size and self._data[at] >= 256 - percent * 256 // 100

    def values(self, count: int, table: Array = VALUES) -> Array:
        """`count` float64 numbers, one byte each, looked up in `table`."""
        at = self._at
        self._at = at + count
        raw = self._data[at : at + count]
        if len(raw) < count:
            raw += bytes(count - len(raw))
        return table[np.frombuffer(raw, dtype=np.uint8)]
