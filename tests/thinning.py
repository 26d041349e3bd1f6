"""How much of a large matrix of tests is tried: all of it where GRADLAWS_WHOLE_MATRIX is set, and else every n-th."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def every(n: int, items: Iterable[T], start: int = 0) -> tuple[T, ...]:
    """Every n-th of the items, from one of the first n on."""
    return (
        tuple(items) if os.environ.get("GRADLAWS_WHOLE_MATRIX") else tuple(islice(items, start % n, None, n))
    )
