"""A failing program is run again, and made small as far as what it shows recurs.

What fails every time is made small where it was found. What fails every time only in a process that has run nothing
else is made small there. Whatever else there is, is told as it was found: it is a failure still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Protocol

from gradlaws.conformance.judgement.definedness import Contents
from gradlaws.conformance.judgement.recurrence import Recurrence
from gradlaws.conformance.judgement.shrinker import Shrinker, Subject, same_failure
from gradlaws.conformance.language.program import Program

#: How often a failing program runs again: here (twice at least, else for so many seconds), and in fresh processes.
TRIES, SECONDS, FRESH = 10, 1.0, 3
#: How often a smaller program has to fail where one that failed once did not fail again.
CAREFUL = 3


@dataclass(frozen=True)
class Small:
    """A small program, and what is wrong with it.

    minimal:    whether nothing that the shrinker knows makes it smaller; False where the time was up before.
    recurrence: how often it failed; None where it was not run again.
    """

    program: Program
    error: Exception
    minimal: bool = True
    recurrence: Recurrence | None = None


class Reducer(Protocol):
    """What makes programs small: of one kind, on one engine, here or in fresh processes."""

    def error(self, program: Program) -> Exception | None:
        """What is wrong with a program, if anything, past what is listed."""

    def reduce(self, program: Program, error: Exception) -> Small:
        """The smallest program found in time that fails as this one does."""


class Reduction:
    """The shrinker, as it makes the programs of a subject small for a law.

    seconds: the time for one program; 0 leaves it as it is.
    runs:    whether whole runs of steps are dropped first.
    """

    def __init__(self, subject: Subject, seconds: float, runs: bool = False) -> None:
        self._subject = subject
        self._shrinker = Shrinker(subject, seconds)
        self._runs = runs

    def error(self, program: Program) -> Exception | None:
        """What is wrong with a program, if anything, past what is listed."""
        return self._subject.error(program)

    def reduce(self, program: Program, error: Exception) -> Small:
        """The smallest program found in time that fails as this one does."""
        small, minimal = self._shrinker.shrink(program, error, self._runs)
        again = self._subject.error(small)
        return Small(small, again, minimal) if again is not None else Small(program, error, False)


class Steadily:
    """Programs of a subject that fail alike several times in a row."""

    def __init__(self, subject: Subject, times: int = CAREFUL) -> None:
        self._subject = subject
        self._times = times
        self.sound, self.contents, self.possible = subject.sound, subject.contents, subject.possible

    def error(self, program: Program) -> Exception | None:
        """What is wrong with a program every time."""
        first = self._subject.error(program)
        for _ in range(self._times - 1):
            if first is None:
                break
            again = self._subject.error(program)
            if again is None or not same_failure(first, again):
                return None
        return first

    sound: Callable[[Program], bool]
    contents: Callable[[Program], Contents]
    possible: Callable[[Program], bool]


def repeated(fails: Callable[[], Exception | None], seconds: float = SECONDS) -> Recurrence:
    """How often something that failed once fails, in so many seconds at most, but for two tries."""
    seen = tries = 1
    start = monotonic()
    while tries <= TRIES and (tries < 3 or monotonic() - start < seconds):
        tries += 1
        seen += fails() is not None
    return Recurrence(seen, tries)


def afresh(found: Recurrence, fresh: Reducer | None, program: Program) -> Recurrence:
    """The same, with how often it fails in fresh processes."""
    if fresh is None:
        return found
    return replace(
        found, fresh_seen=sum(fresh.error(program) is not None for _ in range(FRESH)), fresh_tries=FRESH
    )


def reduced(
    program: Program,
    error: Exception,
    here: Reducer,
    careful: Reducer,
    fresh: Reducer | None = None,
    seconds: float = SECONDS,
) -> Small:
    """A program that failed once, run again, and made small as far as it recurs.

    careful: takes nothing for smaller that does not fail several times.
    fresh:   runs programs in fresh processes; None where there are none.
    seconds: for how long each program is run again.
    """
    found = repeated(lambda: here.error(program), seconds)
    if not found.here:
        found = afresh(found, fresh, program)
        if fresh is not None and found.fresh_seen == found.fresh_tries:
            return replace(fresh.reduce(program, fresh.error(program) or error), recurrence=found)
        return Small(program, error, False, found)
    small = here.reduce(program, error)
    again = found if small.program == program else repeated(lambda: here.error(small.program), seconds)
    if not again.here:
        small = careful.reduce(program, error)
        again = repeated(lambda: here.error(small.program), seconds)
    return replace(small, recurrence=afresh(again, fresh, small.program))
