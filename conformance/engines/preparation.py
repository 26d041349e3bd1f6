"""An engine is imported, made and checked within a time limit, and whoever watches over the process is told.

What hangs in Python is interrupted. For what never comes back to Python there is a watcher, another process that is
told what begins and what ends (`told_to`); where nobody watches yet, one is started. It ends the process with the
exit code for wrong usage.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gradlaws.conformance.engines import watchdog
from gradlaws.conformance.engines.time_limit import Endless, time_limit
from gradlaws.conformance.engines.watchdog import GRACE, VARIABLE

#: Seconds that it may take to import an engine, or to check its adapter; another number is taken from the variable.
LIMIT = 60.0
#: Signals by which the system ends a process for what it did.
FATAL = (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, getattr(signal, "SIGBUS", signal.SIGSEGV))

_watcher: int | None = None
#: The process that is watched: one that is forked from it is not.
_watched = 0
#: Whether nobody but the watcher will hear how this process ended.
_alone = False
_depth = 0


class Unprepared(Endless):
    """An engine was not imported, or its adapter not checked, in time."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text} ({VARIABLE}=SECONDS allows more)")


def limit() -> float:
    """Seconds that a preparation may take."""
    with suppress(ValueError):
        if 0 < (value := float(os.environ.get(VARIABLE, ""))) < float("inf"):
            return value
    return LIMIT


def told_to(descriptor: int) -> None:
    """From here on, write to this file descriptor what begins, a line each, and an empty line when it ends."""
    global _watcher, _watched, _alone
    _watcher, _watched, _alone = descriptor, os.getpid(), False


@contextmanager
def preparing(what: str) -> Iterator[None]:
    """A block in which an engine is imported, made or checked; raises `Unprepared` if that does not end in time."""
    global _depth
    if _depth:
        yield
        return
    _depth += 1
    seconds = limit()
    try:
        with time_limit(seconds, Unprepared), _told(what, seconds):
            yield
    finally:
        _depth -= 1


@contextmanager
def _told(what: str, seconds: float) -> Iterator[None]:
    """A block of which the watcher is told; where there can be none, it ends the process if it goes on for too long."""
    if _watcher is None:
        with suppress(OSError, AttributeError):
            _start_watcher(seconds)
    if _watcher is not None and _watched == os.getpid():
        _tell(what)
        try:
            with _mortal(what):
                yield
        finally:
            _tell("")
        return
    if sys.__stderr__ is not None:
        with suppress(OSError, ValueError):  # somebody may have closed it
            faulthandler.dump_traceback_later(seconds + GRACE, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _start_watcher(seconds: float) -> None:
    """Have a process watch over this one."""
    global _alone
    reading, writing = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, reading, 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    command = [sys.executable, "-I", "-S", watchdog.__file__, str(seconds)]
    try:
        os.posix_spawn(sys.executable, command, os.environ, file_actions=actions)
    except OSError:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    told_to(writing)
    _alone = True


@contextmanager
def _mortal(what: str) -> Iterator[None]:
    """A block that `watchdog.SIGNAL` ends with its number as exit code, even where the interpreter is locked.

    What is fatal ends it with that code, too, unless another process is there to make sense of how this one died.
    """

    def died(number: int) -> None:
        with suppress(Exception):
            faulthandler.dump_traceback(2, all_threads=False)
            name = signal.Signals(number).name
            os.write(2, f"\nerror: {what} ended the process ({name}); no law was tried\n".encode())
        _tell("")  # all is said
        os.kill(os.getpid(), watchdog.SIGNAL)

    process = ctypes.CDLL(None)
    process.signal.argtypes, process.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    fatal = ctypes.CFUNCTYPE(None, ctypes.c_int)(died)
    handlers = {watchdog.SIGNAL: process._exit, **(dict.fromkeys(FATAL, fatal) if _alone else {})}
    before = {number: ctypes.create_string_buffer(512) for number in handlers}
    for number, handler in handlers.items():
        process.sigaction(number, None, before[number])
        process.signal(number, ctypes.cast(handler, ctypes.c_void_p))
    try:
        yield
    finally:
        now = ctypes.create_string_buffer(512)
        for number, handler in handlers.items():
            process.sigaction(number, None, now)
            # An engine may live by a handler of its own, as a Java virtual machine does.
            if ctypes.c_void_p.from_buffer(now).value == ctypes.cast(handler, ctypes.c_void_p).value:
                process.sigaction(number, before[number], None)


def _tell(what: str) -> None:
    global _watcher
    if _watcher is not None:
        try:
            os.write(_watcher, " ".join(what.split()).encode("utf-8", "backslashreplace") + b"\n")
        except OSError:
            _watcher = None  # the engine may have closed it
