"""Known failures: what one entry of a list says; which breaches it covers is in `matching`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import date
from functools import cache
from subprocess import TimeoutExpired, run
from typing import Protocol

from packaging.specifiers import SpecifierSet  # what pytest needs, too
from packaging.version import InvalidVersion, Version

from gradlaws.conformance.known_failures.program_marks import MARKS

#: What stands behind the law of a broad entry, in records.
BROAD = " (broad)"
#: How scripts for Node begin, and those in C++, which somebody has to compile; all others are in Python.
JAVASCRIPT, CPP = '"use strict"', "#include"
#: Whichever law: what an op breaks, it breaks wherever it is drawn.
ANY = "*"


class KnownFailuresError(Exception):
    """A known-failures file cannot be used; the message says why."""


@dataclass(frozen=True)
class Known:
    """One entry.

    also:   further laws that the defect breaks; only with a script, which is what says that it is the same one.
            With ops, or one of `MARKS` among the steps, "*" stands for whichever law draws such a program.
    ops, dtypes, modes: if given, the entry covers only programs with one of these ops (dtypes, grad modes).
    steps:  if given, the entry covers only programs with steps of all these kinds.
    capabilities:       if given, the entry is only about an adapter that claims all of these.
    versions: if given, the entry is only about releases of the engine that this specifier admits, as in `<0.14`.
    until:  the last day on which the entry excuses anything.
    deviation: what the engine does instead, by the name of a deviation of the reference engine. The entry excuses,
        of whatever law, what the engine does as the reference with all listed deviations does, and nothing else.
    seen:   what the breach looks like, as in `SEEN`; if given, the entry covers only breaches that look so.
    things: if given, the entry covers only breaches of an exhibit in which one of these was looked at, in the words of
        the finding: an exhibit has no program, and looks at few things.
    broad:  why the entry names no relation, and so may excuse a total breach of its law; empty for a narrow entry.
    apart:  the ops break whatever is computed with them: programs of laws that the entry is not about, and whole
        programs, are drawn without these ops, so that nothing else is excused because of them.
    calls:  with `apart`: only calls that are one of these, as in `CALLS`, are kept out of the others.
    script: raises AssertionError as long as the defect is there; ends otherwise, or is refused, when it is gone. In
        Python, or for Node, where it begins with "use strict", or in C++: that is not run.
    inherited: it stands in the list of an engine that this one is built on.
    """

    law: str
    reason: str
    link: str
    ops: frozenset[str] = frozenset()
    modes: frozenset[str] = frozenset()
    steps: frozenset[str] = frozenset()
    script: str = ""
    dtypes: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()
    until: date | None = None
    also: frozenset[str] = frozenset()
    versions: str = ""
    inherited: bool = False
    deviation: str = ""
    seen: frozenset[str] = frozenset()
    broad: str = ""
    things: frozenset[str] = frozenset()
    apart: bool = False
    calls: frozenset[str] = frozenset()

    @property
    def narrow(self) -> bool:
        """Whether a total breach of the law would be found past the entry.

        By a deviation; or by what is seen together with a relation, ops or things; or where something is accepted,
        since what must be refused is what the law says.
        """
        related = bool(self.ops) or bool(self.things) or not MARKS.keys().isdisjoint(self.steps)
        return bool(self.deviation) or (bool(self.seen) and (related or self.seen <= {"accepted"}))

    @property
    def executable(self) -> bool:
        """Whether it says all that the engine does: by a deviation, or since nothing follows.

        Nothing follows what is accepted, and what an exhibit looks at.
        """
        return bool(self.deviation) or bool(self.things) or self.seen == {"accepted"}

    @property
    def laws(self) -> frozenset[str]:
        """All laws that the entry is about by name."""
        return (self.also | {self.law}) - {ANY}

    @property
    def label(self) -> str:
        """What the entry goes by in records."""
        return f"{self.law}{BROAD if self.broad else ''}: {self.reason}"

    @property
    def expired(self) -> bool:
        """Whether its day is over."""
        return self.until is not None and self.until < date.today()

    def admits(self, version: str) -> bool:
        """Whether the entry is about this release; of an unheard-of one none is that names versions."""
        try:
            return not self.versions or SpecifierSet(self.versions).contains(Version(version), True)
        except InvalidVersion:
            return False

    def reproduces(self) -> bool | None:
        """Whether the script still shows the defect; None without one, or where it cannot run."""
        return _shows(self.script) if self.script else None


@cache  # an entry may be about several laws, and a script may take a process of its own
def _shows(script: str) -> bool | None:
    if script.lstrip().startswith(CPP):
        return None
    if script.lstrip().startswith(JAVASCRIPT):
        return _shows_in_node(script)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # which would look like a refusal where warnings are errors
            exec(compile(script, "<known failure>", "exec"), {"__name__": "known_failure"})
    except AssertionError:
        return True
    except Exception:
        return False  # what used to be accepted is refused now
    return False


def _shows_in_node(script: str) -> bool | None:
    """Whether a script for Node ends with an AssertionError; None where Node, or a package of it, is not here."""
    try:
        done = run(["node", "-"], input=script, capture_output=True, text=True, timeout=100)
    except (OSError, TimeoutExpired):
        return None
    return None if "Cannot find module" in done.stderr else "AssertionError" in done.stderr


class Engine(Protocol):
    """What an entry may depend on: a `Backend`, which this module stands below."""

    name: str

    @property
    def capabilities(self) -> frozenset[str]:
        """What the adapter claims."""

    def version(self) -> str:
        """The engine's release."""
