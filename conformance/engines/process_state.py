"""What all laws of a process share, put back as it was before a law ran: an engine may change any of it.

Grad modes that a program leaves open are the engine's own, and ended by its interpreter.
"""

from __future__ import annotations

import errno
import gc
import locale
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FunctionType
from typing import Any

import numpy as np

#: File descriptors from here on hold what may have to be put back.
HIGH = 512
#: Of the descriptors that a process may have, how many may be open after a law.
FULL = 0.8
#: File descriptors that are the runner's own affair: they may be closed, and opened anew, while a law runs.
OWN: set[int] = set()
#: Errors of ours that are an engine's doing: it has closed our files, or taken all that there is.
STARVED = frozenset({errno.EBADF, errno.EMFILE, errno.ENFILE, errno.ENOMEM})


def starved(error: BaseException) -> bool:
    """Whether an error, wherever it arose, says that the process lacks memory or files."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in STARVED)


@contextmanager
def kept() -> Iterator[None]:
    """A block after which the state of the process is what it was before (POSIX)."""
    if os.name != "posix":
        yield
        return
    files, put_back = _Files(), [*_state(), _code()]
    try:
        yield
    finally:
        files.put_back()
        for put in put_back:
            with suppress(Exception):
                put()


def _state() -> list[Callable[[], Any]]:
    """What puts back, thing by thing, what is now."""
    here, handlers = os.getcwd(), {}
    for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
        handlers[number] = signal.getsignal(number)
    streams = sys.stdin, sys.stdout, sys.stderr
    environment, filters, rules = dict(os.environ), list(warnings.filters), np.geterr()
    recursion, tracing, collects = sys.getrecursionlimit(), (sys.gettrace(), sys.getprofile()), gc.isenabled()
    spoken = locale.setlocale(locale.LC_ALL)

    def put_streams() -> None:
        sys.stdin, sys.stdout, sys.stderr = streams

    def put_handlers() -> None:
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)

    def put_environment() -> None:
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)

    def put_filters() -> None:
        if warnings.filters != filters:
            warnings.filters[:] = filters  # type: ignore[index]
            warnings._filters_mutated()  # type: ignore[attr-defined]

    def put_tracing() -> None:
        if sys.gettrace() is not tracing[0]:
            sys.settrace(tracing[0])
        if sys.getprofile() is not tracing[1]:
            sys.setprofile(tracing[1])

    return [
        lambda: sys.setrecursionlimit(recursion),
        put_streams,
        put_handlers,
        put_environment,
        put_filters,
        put_tracing,
        lambda: os.chdir(here),
        lambda: np.seterr(**rules),
        lambda: gc.enable() if collects else gc.disable(),
        lambda: locale.setlocale(locale.LC_ALL, spoken),
    ]


def _code() -> Callable[[], None]:
    """What puts back functions and classes of ours that an engine has replaced by others."""
    ours = [vars(module) for name, module in list(sys.modules.items()) if name.startswith("gradlaws.")]
    before = [(names, dict(names), list(map(id, names.values()))) for names in ours]

    def put_code() -> None:
        for names, then, identities in before:
            if list(map(id, names.values())) == identities:
                continue  # most modules, after most laws
            for name, value in then.items():
                if isinstance(value, FunctionType | type) and names.get(name) is not value:
                    names[name] = value

    return put_code


class _Files:
    """The open file descriptors, and copies of them out of reach."""

    def __init__(self) -> None:
        import fcntl

        self._copies: dict[int, tuple[int, tuple[int, int], bool]] = {}
        for number in set(_open() or ()) - OWN:
            with suppress(OSError):
                copy = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, HIGH)
                self._copies[number] = copy, _identity(number), os.get_inheritable(number)

    def put_back(self) -> None:
        """Open again what was closed; close what was opened if there is hardly room for more."""
        for number, (copy, identity, inheritable) in self._copies.items():
            with suppress(OSError):
                if number not in OWN and _identity(number) != identity and _identity(copy) == identity:
                    os.dup2(copy, number, inheritable)
        for copy, _, _ in self._copies.values():
            with suppress(OSError):
                os.close(copy)
        now = _open()
        if now is None or len(now) > FULL * _most():
            for number in range(3, _most()):
                if number not in self._copies and number not in OWN:
                    with suppress(OSError):
                        os.close(number)


def _identity(number: int) -> tuple[int, int]:
    try:
        found = os.fstat(number)
    except OSError:
        return -1, -1
    return found.st_dev, found.st_ino


def _open() -> list[int] | None:
    """The open file descriptors; none are known where there is no list of them, None where there is no room for it."""
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError as error:
        return None if error.errno in STARVED else []


def _most() -> int:
    import resource

    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 16)
