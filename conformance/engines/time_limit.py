"""Limits to how long an engine may take: over one call, or over all programs of a law."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Endless(TimeoutError):
    """A call did not end in time; that is never taken for a refusal."""


class EndlessProgram(Endless):
    """A program did not end in time: a TIMEOUT of its law, with the step at which it hung."""


class LawTimeout(BaseException):
    """A law takes longer than it may; passes everything that handles what an engine raises."""


class EndlessScene(LawTimeout):
    """A scene of an exhibit did not end in time; whatever the exhibit makes of what its calls raise, it ends."""


@contextmanager
def time_limit(seconds: float, late: type[BaseException] = Endless) -> Iterator[None]:
    """A block that goes on for longer than `seconds` raises `late` from within it; 0 for no limit.

    For adapters of engines that hang: an error costs a program, a hang the law. Main thread, POSIX only: elsewhere
    there is no limit, and what never comes back to Python is not ended. Limits may be nested: the one that ends first
    counts.
    """
    if not seconds or threading.current_thread() is not threading.main_thread():
        yield
        return

    if 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= seconds:
        yield
        return

    def ring(*_: object) -> None:
        raise late(f"no end after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    start = time.monotonic()
    outer, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        if outer:
            signal.setitimer(signal.ITIMER_REAL, max(outer - (time.monotonic() - start), 1e-3))
