"""An engine is imported, made and checked within a time limit, and whoever watches over the process is told.

What hangs in Python is interrupted. For what never comes back to Python there is a watcher, another process that is
told what begins and what ends (`told_to`); where there is none, the process is ended.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gradlaws.conformance.engines.time_limit import time_limit

#: Seconds that it may take to import an engine, or to check its adapter; another number is taken from the variable.
LIMIT, VARIABLE = 60.0, "GRADLAWS_START_TIMEOUT"
#: Seconds after which a process is ended that could not be interrupted.
GRACE = 2.0

_watcher: int | None = None
_depth = 0


def limit() -> float:
    """Seconds that a preparation may take."""
    with suppress(ValueError):
        if 0 < (value := float(os.environ.get(VARIABLE, ""))) < float("inf"):
            return value
    return LIMIT


def told_to(descriptor: int) -> None:
    """From here on, write to this file descriptor what begins, a line each, and an empty line when it ends."""
    global _watcher
    _watcher = descriptor


@contextmanager
def preparing(what: str) -> Iterator[None]:
    """A block in which an engine is imported, made or checked; raises `Endless` if that does not end in time."""
    global _depth
    if _depth:
        yield
        return
    _depth += 1
    seconds = limit()
    _tell(what)
    if _watcher is None and sys.__stderr__ is not None:
        with suppress(OSError, ValueError):  # somebody may have closed it
            faulthandler.dump_traceback_later(seconds + GRACE, exit=True, file=sys.__stderr__)
    try:
        with time_limit(seconds):
            yield
    finally:
        _depth -= 1
        if _watcher is None:
            faulthandler.cancel_dump_traceback_later()
        _tell("")


def _tell(what: str) -> None:
    global _watcher
    if _watcher is not None:
        try:
            os.write(_watcher, " ".join(what.split()).encode("utf-8", "backslashreplace") + b"\n")
        except OSError:
            _watcher = None  # the engine may have closed it
