"""Whatever an engine raises costs the verdict of what was running, and never the run.

An engine, or its adapter, may raise what ends programs (SystemExit, KeyboardInterrupt, GeneratorExit, pytest's
own outcomes), and may ask for the end of the process. Within `contained` all of that is an `EngineBroke`. What
really ends a run passes: Ctrl-C, or a polite request to end, told by `interrupt`; and `LawTimeout`.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from gradlaws.conformance.engines.exceptions import EngineBroke, described
from gradlaws.conformance.engines.time_limit import LawTimeout


class ProcessExit(BaseException):
    """What `os._exit` raises in the process that judges."""


_asked_to_end = False
_listening = False


def interrupt(number: int = 0, frame: FrameType | None = None) -> NoReturn:
    """A handler of signals: somebody wants the run to end."""
    global _asked_to_end
    _asked_to_end = True
    raise KeyboardInterrupt


class _Contained:
    """See `contained`; a class, since a generator would cost as much as a small op, several times a program."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None or isinstance(error, Exception | LawTimeout):
            return
        if isinstance(error, KeyboardInterrupt) and (_asked_to_end or not _listening):
            return
        raise EngineBroke(_escaped(error), kind=(type(error).__name__,)) from None


_CONTAINED = _Contained()


def contained() -> _Contained:
    """A block in which an engine is called; raises `EngineBroke` for whatever would end the run."""
    return _CONTAINED


def _escaped(error: BaseException) -> str:
    return f"the engine raised {described(error)}, which would have ended the run"


@contextmanager
def listening(mortal: bool = False) -> Iterator[None]:
    """A block in which Ctrl-C is told from a KeyboardInterrupt of an engine, and `os._exit` ends no process.

    mortal: whether the process may die, because another one watches over it.

    In the main thread; elsewhere signals do not arrive.
    """
    global _asked_to_end, _listening
    if threading.current_thread() is not threading.main_thread() or _listening:
        yield
        return
    before, real, process = signal.getsignal(signal.SIGINT), os._exit, os.getpid()

    def refused(status: int) -> NoReturn:
        if mortal or os.getpid() != process:  # a child of the engine's
            real(status)
        raise ProcessExit(f"os._exit({status})")

    _asked_to_end, _listening = False, True
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    os._exit = refused
    try:
        yield
    finally:
        _listening = False
        os._exit = real
        if before is signal.default_int_handler:
            signal.signal(signal.SIGINT, before)
