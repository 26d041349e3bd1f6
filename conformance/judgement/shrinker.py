"""Makes a failing program small: named passes, each change of which is kept if the program still fails alike.

Quicker and smaller than shrinking the bytes that the program was drawn from. What a failure is, and on which
engine, is the subject's affair: one kind of subject asks a law, another compares whole programs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain
from time import monotonic
from typing import NamedTuple, Protocol

from gradlaws.conformance.engines.exceptions import EngineBroke, described
from gradlaws.conformance.judgement.definedness import Contents
from gradlaws.conformance.judgement.shrink_passes import STRUCTURE, Pass
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.laws.breach import Broken


class Subject(Protocol):
    """What is made small: failing programs of one kind, on one engine."""

    def error(self, program: Program) -> Exception | None:
        """What is wrong with a program, if anything, past what is listed."""

    def sound(self, program: Program) -> bool:
        """Whether a program asks for nothing that is nowhere defined."""

    def contents(self, program: Program) -> Contents:
        """What the tensors of a program hold when they are made."""

    def possible(self, program: Program) -> bool:
        """Whether each op has a result: cut down, an operand may have become too small, and an engine die of it."""


class Shrunk(NamedTuple):
    """A small program.

    minimal: whether nothing that the passes know makes it smaller; False where the time was up before.
    """

    program: Program
    minimal: bool = True


def same_failure(error: Exception, other: Exception) -> bool:
    """Whether two programs fail in the same way: they break one law, or break the engine alike."""
    if isinstance(error, Broken) and isinstance(other, Broken):
        return (error.law, error.kind) == (other.law, other.kind)
    return type(error) is type(other) and _kind(error) == _kind(other)


def _kind(error: Exception) -> tuple[str, ...]:
    """What broke: as it was said, or the first words, without code and numbers."""
    if isinstance(error, EngineBroke) and error.kind:
        return error.kind
    return tuple(re.findall(r"[^\W\d]+", re.sub(r"`[^`]*`", "", described(error)))[:4])


class Shrinker:
    """Makes programs of a subject small.

    seconds: the time for one program.
    stages:  passes by stage: a later one begins where the ones before it know nothing smaller.
    """

    def __init__(
        self, subject: Subject, seconds: float = 2.0, stages: tuple[tuple[Pass, ...], ...] = (STRUCTURE,)
    ) -> None:
        self.subject = subject
        self.seconds = seconds
        self.stages = stages

    def shrink(self, program: Program, error: Exception, runs: bool = False) -> Shrunk:
        """The smallest program found in time that fails as this one does.

        runs: whether whole runs of steps are dropped first, which long programs want.
        """
        if not self.seconds:
            return Shrunk(program, minimal=False)
        subject, deadline = self.subject, monotonic() + self.seconds
        defined = subject.sound(program)

        def fails(candidate: Program) -> bool:
            again = subject.error(candidate)
            # Where it asks for what is nowhere defined, it would fail for that.
            return (
                again is not None and same_failure(again, error) and (not defined or subject.sound(candidate))
            )

        if runs:
            program = without_runs(program, fails, deadline)
        larger: Program | None = None
        while program is not larger and monotonic() < deadline:
            larger = program
            for k, stage in enumerate(self.stages):
                accepts = fails if not k else lambda p: subject.possible(p) and fails(p)
                program = self._descend(program, accepts, stage, deadline)
            if len(self.stages) == 1:
                break
        return Shrunk(program, monotonic() < deadline)

    def _descend(
        self, program: Program, fails: Callable[[Program], bool], stage: tuple[Pass, ...], deadline: float
    ) -> Program:
        """Go on with the first of the smaller programs that fails, until none does or the time is up."""
        changed = True
        while changed:
            changed = False
            for candidate in self._smaller(program, stage):
                if monotonic() > deadline:
                    return program
                if fails(candidate):
                    program, changed = candidate, True
                    break
        return program

    def _smaller(self, program: Program, stage: tuple[Pass, ...]) -> Iterator[Program]:
        return chain.from_iterable(
            smaller(program, lambda: self.subject.contents(program)) for smaller in stage
        )


def without_runs(program: Program, fails: Callable[[Program], bool], deadline: float) -> Program:
    """The program without runs of steps that it fails without, long ones tried first."""
    size = max(len(program) // 2, 1)
    while size:
        last = len(program)
        while last > 0 and monotonic() < deadline:
            candidate = program.without(max(last - size, 0), last)
            if len(candidate) < len(program) and fails(candidate):
                program = candidate
                last = min(last - size, len(program))
            else:
                last -= size
        size //= 2
    return program
