"""Where programs run if not in this process: what a backend has whose engine is in another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol


class RemoteEngine(Protocol):
    """Runs whole programs on an engine in another process.

    What cannot be run, or ends the process, raises `EngineBroke`, of which `ProcessEnded` is one.
    """

    def observed(self, program: Any) -> Any:
        """The trace of a program (`execution.interpreter.run`)."""

    def watched(self, program: Any) -> Any:
        """The trace of a whole program (`execution.whole_program_run.watch`)."""

    def followed(self, program: Any, plan: Any) -> Any:
        """The trace of a program that is looked at by a plan (`execution.planned_run.followed`)."""

    def many(self, programs: Sequence[Any], whole: bool, before: Callable[[int], None]) -> list[Any]:
        """The traces of many programs, sent at once; where there is none, what was raised instead.

        before: called with the number of each program before its trace is waited for.
        """

    def unclaimed(self) -> list[tuple[str, str]]:
        """What the other side does not claim and could: (capability, what it would have to answer to)."""

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the other side: (what it is about, what is wrong), found by programs of a few steps."""
