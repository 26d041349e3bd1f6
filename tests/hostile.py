"""Engines that do what no engine should: each may cost the verdicts of the laws that met it, and nothing else.

Each is the reference with one method that misbehaves from its hundredth call on, so that the adapter check, which is
about honest mistakes, lets it pass; or one that misbehaves before anything is judged.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import locale
import os
import random
import signal
import sys
import threading
import time
import unittest
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import hypothesis
import numpy as np
import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.whole_programs import soak

#: Calls that go well: as many as the adapter check makes, and some.
PEACE = 100


class Unspeakable(Exception):
    """Raises when it is put in words."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class Everything:
    """Equal to everything, and true."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return True


class Agreeing(np.ndarray):
    """An array that is equal to all others."""

    def __eq__(self, other: object) -> Any:
        return np.ones(self.shape, bool)


def raising(make: Callable[[], BaseException]) -> Callable[[], None]:
    def act() -> None:
        raise make()

    return act


def _thread() -> None:
    if not kept:
        kept.append(threading.Thread(target=time.sleep, args=(3,)))
        kept[0].start()


def _fork() -> None:
    if not kept:
        kept.append("a child")
        if os.fork() == 0:
            time.sleep(3)
            os._exit(0)


def _many_file_descriptors() -> None:
    kept.extend(os.dup(0) for _ in range(20) if len(kept) < 200)


def _all_descriptors() -> Iterator[int]:
    with suppress(OSError):
        while True:
            yield os.dup(0)


def hang_deeply() -> None:
    """Waits for itself, with the interpreter's lock held: no signal wakes it."""
    lock, process = ctypes.create_string_buffer(128), ctypes.PyDLL(None)
    for _ in range(2):
        process.pthread_mutex_lock(lock)


kept: list[Any] = []

#: What is raised in `apply`, by name.
RAISING: dict[str, Callable[[], Any]] = {
    "exits": raising(lambda: SystemExit(0)),
    "exits_with_words": raising(lambda: SystemExit("good bye")),
    "interrupts": raising(KeyboardInterrupt),
    "generator_exit": raising(GeneratorExit),
    "bare_base_exception": raising(lambda: BaseException("base")),
    "cancelled": raising(asyncio.CancelledError),
    "pytest_skip": raising(lambda: pytest.skip.Exception("not today")),
    "pytest_exit": raising(lambda: pytest.exit.Exception("enough")),
    "pytest_fail": raising(lambda: pytest.fail.Exception("failed")),
    "unittest_skip": raising(lambda: unittest.SkipTest("not today")),
    "assumes": lambda: hypothesis.assume(False),
    "stop_iteration": raising(StopIteration),
    "memory_error": raising(MemoryError),
    "recursion_error": raising(RecursionError),
    "unspeakable": raising(Unspeakable),
    "megabytes": raising(lambda: ValueError("x" * 3_000_000)),
    "surrogates": raising(lambda: ValueError("\ud800 lone \udfff")),
    "escape_codes": raising(lambda: ValueError("\x1b[2J\x1b[31mred\x07\x00")),
    "markup": raising(lambda: ValueError("<script>alert(1)</script> | `x` |")),
    "empty_error": raising(lambda: ValueError("")),
    "assertion": raising(lambda: AssertionError("mine")),
    "os_exit": lambda: os._exit(0),
}
#: What is changed in `apply`, by name, of what a process shares.
CHANGING: dict[str, Callable[[], Any]] = {
    "numpy_raises": lambda: np.seterr(all="raise"),
    "reseeds": lambda: (random.seed(0), np.random.seed(0)),
    "moves_away": lambda: os.chdir("/"),
    "warns": lambda: warnings.warn("careful", stacklevel=1),
    "filters_warnings": lambda: warnings.simplefilter("error"),
    "collects_nothing": gc.disable,
    "opens_files": _many_file_descriptors,
    "traces": lambda: sys.settrace(lambda *_: None),
    "replaces_our_code": lambda: setattr(soak, "verdict", lambda *_: None),
}
#: What is taken away or left behind.
LASTING: dict[str, Callable[[], Any]] = {
    "silences_output": lambda: setattr(sys, "stdout", None),
    "steals_alarms": lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN),
    "steals_interrupts": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    "low_recursion_limit": lambda: sys.setrecursionlimit(400),
    "leaves_threads": _thread,
    "leaves_children": _fork,
}
#: What takes a thing that all of a process needs; each in every call.
GREEDY: dict[str, Callable[[], Any]] = {
    "closes_the_streams": lambda: os.closerange(0, 3),
    "closes_all_files": lambda: os.closerange(3, 256),
    "floods_files": lambda: kept.extend(_all_descriptors()),
    "speaks_german": lambda: locale.setlocale(
        locale.LC_ALL, "C" if len(locale.setlocale(locale.LC_ALL)) > 1 else "POSIX"
    ),
    "clears_the_environment": os.environ.clear,
}
#: What ends the process, or never comes back; only where another process watches.
DEADLY: dict[str, Callable[[], Any]] = {
    "aborts": os.abort,
    "segfaults": lambda: ctypes.string_at(0),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "really_exits": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "hangs": lambda: time.sleep(3600),
    "hangs_deeply": lambda: hang_deeply(),
}
#: What takes memory without end; only where there is a limit.
HUNGRY: dict[str, Callable[[], Any]] = {"takes_all_memory": lambda: kept.append(bytearray(1 << 24))}


def hostile(act: Callable[[], Any], name: str) -> type[ReferenceBackend]:
    """An engine that acts in `apply`."""

    class Hostile(ReferenceBackend):
        calls = 0

        def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
            self.calls += 1
            if self.calls > PEACE:
                act()
            return self.engine.apply(op, *inputs, **params)

    Hostile.name = name.replace("_", "-")
    return Hostile


def __getattr__(name: str) -> Any:
    act = {**RAISING, **CHANGING, **LASTING, **GREEDY, **DEADLY, **HUNGRY}.get(name)
    if act is None:
        raise AttributeError(name)
    return hostile(act, name)


class Sound(ReferenceBackend):
    """Does nothing wrong."""

    name = "sound"


class Subclassed(ReferenceBackend):
    """Its arrays agree with all others, and its gradients are twice too large."""

    name = "subclassed"

    def numpy(self, x: Any) -> Any:
        return super().numpy(x).view(Agreeing)

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> Any:
        super().backward(root, gradient, **options)
        return super().backward(root, gradient, **options) if options.get("retain_graph") else None


class Truthful(ReferenceBackend):
    """Its flags are equal to everything."""

    name = "truthful"

    def requires_grad(self, x: Any) -> Any:
        return Everything()


class Versionless(ReferenceBackend):
    name = "versionless"

    def version(self) -> str:
        raise OSError("no such file")


class Unversioned(ReferenceBackend):
    name = "unversioned"

    def version(self) -> Any:
        return None


class Surrogate(ReferenceBackend):
    name = "lone \ud800"


class Speechless(ReferenceBackend):
    name = "speechless"

    def __init__(self) -> None:
        super().__init__()
        self.dialect = "torch"  # type: ignore[assignment]


class Sessionless(ReferenceBackend):
    name = "sessionless"

    def session(self) -> Any:
        raise KeyboardInterrupt


class Opless(ReferenceBackend):
    name = "opless"

    def ops(self) -> Any:
        raise SystemExit(0)


class Unmade(ReferenceBackend):
    name = "unmade"

    def __init__(self) -> None:
        raise SystemExit(0)


class HangsInTheCheck(ReferenceBackend):
    name = "hangs-in-the-check"

    def detach(self, x: Any) -> Any:
        hang_deeply()


class DiesInTheCheck(ReferenceBackend):
    name = "dies-in-the-check"

    def detach(self, x: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


class FaultsInTheCheck(ReferenceBackend):
    name = "faults-in-the-check"

    def detach(self, x: Any) -> Any:
        ctypes.string_at(0)


class HangsWhenMade(ReferenceBackend):
    name = "hangs-when-made"

    def __init__(self) -> None:
        time.sleep(3600)


class HangsInWorkers(ReferenceBackend):
    name = "hangs-in-workers"

    def __init__(self) -> None:
        super().__init__()
        if "PYTEST_XDIST_WORKER" in os.environ:
            hang_deeply()


#: What is told before anything is judged.
REFUSED = (
    "Subclassed", "Truthful", "Versionless", "Unversioned", "Surrogate", "Speechless", "Sessionless", "Opless", "Unmade"
)  # fmt: skip
