"""Runs a command in a child of this process, which imports no engine, so that one message remains whatever happens.

An engine may end the process that imports it or checks its adapter, or hang there for ever, before any worker process
could contain it. Forked before anything is imported, the child costs a millisecond, and no engine is loaded twice.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from gradlaws.conformance.engines import preparation
from gradlaws.conformance.engines.watchdog import Watch
from gradlaws.reports.exit_codes import Exit

#: What ends the command in good order, and is handed on to it.
HANDED_ON = (signal.SIGTERM, signal.SIGHUP)


def supervised(command: Callable[[], int]) -> int:
    """The exit code of a command; 4 where preparing an engine ended its process, or did not end."""
    if not hasattr(os, "fork"):
        return command()
    sys.stdout.flush()
    reading, writing = os.pipe()
    parent, child = os.getpid(), os.fork()
    if child == 0:
        os.close(reading)
        _end_with(parent)
        preparation.told_to(writing)
        return command()
    os.close(writing)
    if hasattr(signal, "sigtimedwait"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    else:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells the child, too
    for number in HANDED_ON:
        signal.signal(number, lambda number, _: _hand_on(child, number))
    return _watched(child, reading)


def _hand_on(child: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, number)


def _interrupted(child: int) -> None:
    """Hand on an interrupt that was sent to this process; a terminal's goes to the child, too."""
    if hasattr(signal, "sigtimedwait"):
        came = signal.sigtimedwait({signal.SIGINT}, 0)
        if came is not None and came.si_pid:
            _hand_on(child, signal.SIGINT)


def _end_with(parent: int) -> None:
    """Have this process ended when its parent is (Linux)."""
    with suppress(Exception):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(Exit.INTERNAL)


def _watched(child: int, reading: int) -> int:
    """The exit code of the child; told what it prepares, this ends it where that takes too long."""
    watch = Watch(reading, preparation.limit())
    while True:
        watch.listen(0.05)
        _interrupted(child)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return _told(watch.what, status)
        if watch.late:
            _end(child)
            return _refused(watch.late)


def _end(child: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _told(what: str, status: int) -> int:
    """The exit code of a child that ended, with a word on one that died."""
    code = os.waitstatus_to_exitcode(status)
    how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
    if what:
        return _refused(f"{what} ended the process ({how})")
    if code < 0:
        print(
            f"error: the process died ({how}); a record that it was writing is incomplete. Worker processes contain "
            f"what an engine does (--workers 1)",
            file=sys.stderr,
        )
        return Exit.UNKNOWN
    return code


def _refused(said: str) -> int:
    print(f"error: {said}; no law was tried", file=sys.stderr)
    return Exit.USAGE
