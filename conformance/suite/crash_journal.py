"""What each process is about to run, so that a crash does not take its cause along.

Before each program its law and its bytes are copied into a small memory-mapped file per process, which costs a
microsecond and survives the process.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.judgement.draws import SIZE, drawn, given, vocabulary_of
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.laws import Law
from gradlaws.conformance.whole_programs.run_item import WHOLE, program_from

_NAME = 64
_TIME = struct.Struct("d")
_HEAD = 2 * _NAME + _TIME.size
_WHY = 160
_WHOLE = _HEAD + SIZE + _WHY


class Last(NamedTuple):
    """What ran last: its program (None for an exhibit), for how many seconds, and why it ended, where that is known."""

    program: Program | None
    lasted: float
    why: str = ""


class Journal:
    """The journals of one run: this process's own, and (in the controller) those of the workers."""

    def __init__(self, folder: Path | None, is_worker: bool, config: Any) -> None:
        #: What was given to be judged first, by engine and law.
        self.given: Callable[[Backend, str], Sequence[Program]] = lambda backend, law: ()
        self._folder = folder
        self._map: mmap.mmap | None = None
        self._backend = self._latest = b""
        if folder is None:
            return
        if is_worker:
            place = folder / f"journal-{config.workerinput['workerid']}-{os.getpid()}"
            place.write_bytes(bytes(_WHOLE))
            with place.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), _WHOLE)
            self._place: Path | None = place
        else:
            self._place = None
            for stale in folder.glob("journal-*"):
                stale.unlink(missing_ok=True)

    def begin(self, backend: Backend) -> None:
        """Programs from here on are for `backend`."""
        self._backend = backend.name.encode()[:_NAME].ljust(_NAME, b"\0") + _TIME.pack(time.time())

    def write(self, law: str, data: bytes) -> None:
        """Note what runs next."""
        self._latest = law.encode().ljust(_NAME, b"\0") + self._backend + data.ljust(SIZE, b"\0")
        self._latest += bytes(_WHY)
        if self._map is not None:
            self._map[:_WHOLE] = self._latest

    def last_words(self, why: str) -> None:
        """Note why this process is about to end."""
        if self._map is not None:
            self._map[_WHOLE - _WHY : _WHOLE] = why.encode()[:_WHY].ljust(_WHY, b"\0")

    def running(self, law: Law, backend: Backend, seed: int, known: KnownFailures) -> Last | None:
        """What this process was about to run for this law on this backend, in a run under this seed and list."""
        return self._last(self._latest, law, backend, seed, known)

    def last_of(self, law: Law, backend: Backend, seed: int, known: KnownFailures) -> Last | None:
        """What a dead worker was about to run for this law on this backend, in a run under this seed and list."""
        places = [] if self._folder is None else self._folder.glob("journal-*")
        for place in sorted(places, key=lambda p: p.stat().st_mtime):
            if (last := self._last(place.read_bytes(), law, backend, seed, known)) is not None:
                return last
        return None

    def _last(self, data: bytes, law: Law, backend: Backend, seed: int, known: KnownFailures) -> Last | None:
        key = law.id.encode().ljust(_NAME, b"\0") + backend.name.encode()[:_NAME].ljust(_NAME, b"\0")
        if not data.startswith(key):
            return None
        draw = data[_HEAD : _HEAD + SIZE]
        program = given(draw, self.given(backend, law.id))
        if program is None and law.id == WHOLE.id:
            program = program_from(backend, seed, draw, known)
        elif program is None and law.leaning is not None:
            program = drawn(law, vocabulary_of(law, backend, known), draw)
        why = data[_WHOLE - _WHY : _WHOLE].rstrip(b"\0").decode("utf-8", "replace")
        return Last(program, time.time() - _TIME.unpack_from(data, 2 * _NAME)[0], why)

    def close(self) -> None:
        """Remove this process's journal: it ended in good order."""
        if self._map is not None:
            self._map.close()
            self._map = None
            if self._place is not None:
                self._place.unlink(missing_ok=True)
