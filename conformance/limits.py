"""Limits to how long an engine may take over one call."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ended(seconds: float) -> Iterator[None]:
    """A block that goes on for longer than `seconds` is refused: TimeoutError, from within it.

    For adapters of engines that hang: an error costs a program, a hang the law. Main thread, POSIX only.
    """

    def late(*_: object) -> None:
        raise TimeoutError(f"no end after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
