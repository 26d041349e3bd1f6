"""Limits to how long an engine may take over one call."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Endless(TimeoutError):
    """A call did not end in time; that is never taken for a refusal."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """A block that goes on for longer than `seconds` raises `Endless` from within it.

    For adapters of engines that hang: an error costs a program, a hang the law. Main thread, POSIX only.
    """

    def late(*_: object) -> None:
        raise Endless(f"no end after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
