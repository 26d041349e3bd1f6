"""The ledger of a soak: what came of its programs, in the order of their numbers.

A program that shows something is settled by itself, wherever it runs; what that makes of the whole (a new finding,
another time of an old one, one too many) depends on what was before it. So parts of a soak that ran side by side are
joined by going through what each has settled, and come to what one soak comes to.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from gradlaws.conformance.judgement.finding import Finding
from gradlaws.conformance.whole_programs.likeness import skeleton

#: How many different minimal programs are kept per law; what comes after is counted.
MOST_PER_LAW = 12
#: Of the programs excused by a known failure, the first so many per law, and one in so many of the rest, are made
#: small all the same, to see whether it is that failure.
AUDITED, ONE_IN = 3, 50


@dataclass
class Found:
    """One finding: a law, or an error of the engine, and the smallest program that shows it.

    number: of the first program that showed it, where that is known.
    times:  how many did.
    """

    id: str
    finding: Finding
    number: int | None = None
    times: int = 1


@dataclass
class Tally:
    """How far a soak has come.

    number:   the next program.
    listed:   programs that showed known failures, and nothing else.
    ended:    those of them that were not judged to their end.
    excused:  programs that showed a known failure, by law.
    crashes:  programs that ended the process, or did not end.
    passed:   those of them that are still to come, by number: they are passed over.
    seconds:  processor seconds by part: draw, run, predict, compare, reduce.
    lost:     ranges of programs, [first, one past the last], of which nothing is known: who ran them was lost.
    """

    number: int = 0
    programs: int = 0
    steps: int = 0
    assertions: int = 0
    worst: float = 0.0
    listed: int = 0
    ended: int = 0
    crashes: int = 0
    passed: list[int] = field(default_factory=list)
    excused: Counter[str] = field(default_factory=Counter)
    unreduced: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    wall: float = 0.0
    lost: list[list[int]] = field(default_factory=list)

    def count(self, other: Tally) -> None:
        """Add what the programs of another part took, and how many they were; not what they showed."""
        self.programs += other.programs
        self.steps += other.steps
        self.assertions += other.assertions
        self.worst = max(self.worst, other.worst)
        self.crashes += other.crashes
        self.wall += other.wall
        self.lost += other.lost
        for part, seconds in other.seconds.items():
            self.seconds[part] = self.seconds.get(part, 0.0) + seconds


@dataclass(frozen=True)
class Settled:
    """What came of one program that showed something.

    number:  of the program; negative for one that was given.
    excused: the laws that it breaks as is listed; empty where something is not listed.
    ended:   whether it could not be judged to its end.
    law:     what it breaks, where that is not listed.
    found:   what is left of it, made small; None where it was not made small, or is listed when it is.
    spare:   whether it is kept only where nothing else breaks this law: it could not be made small.
    """

    number: int
    excused: tuple[str, ...] = ()
    ended: bool = False
    law: str = ""
    found: Found | None = None
    spare: bool = False


class Ledger:
    """Findings and tally of a soak.

    tell:  called with each new finding.
    heard: called with whatever is settled.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self.found: dict[str, Found] = {}
        self.tell: Callable[[Found], None] = lambda found: None
        self.heard: Callable[[Settled], None] = lambda settled: None
        #: By law and skeleton: the finding that is like it.
        self._like: dict[tuple[str, tuple[str, ...]], str] = {}

    def alike(self, law: str) -> int:
        """How many findings there are of a law."""
        return sum(found.finding.law == law for found in self.found.values())

    def full(self, law: str) -> bool:
        """Whether there are so many findings of a law that no further one is made small."""
        return self.alike(law) >= MOST_PER_LAW

    def audits(self, number: int, laws: Collection[str]) -> bool:
        """Whether a program that breaks laws as is listed is made small all the same.

        Which of the many that is, is a matter of their numbers alone; whoever knows fewer programs audits more of them.
        """
        first = max(self.tally.excused[law] for law in laws) < AUDITED
        return first or zlib.crc32(number.to_bytes(8, "little", signed=True)) % ONE_IN == 0

    def take(self, settled: Settled) -> None:
        """Go on by one program that showed something."""
        self.heard(settled)
        found = settled.found
        if settled.excused:
            audited = self.audits(settled.number, settled.excused)
            self.tally.excused.update(dict.fromkeys(settled.excused, 1))
            self.tally.listed += 1
            self.tally.ended += settled.ended
            if audited and found is not None:
                self.keep(found)
        elif found is None or self.full(settled.law) or (settled.spare and self.alike(settled.law)):
            self.tally.unreduced[settled.law] += 1
        else:
            self.keep(found)

    def keep(self, found: Found) -> None:
        """Keep a finding, or count it where its like is there."""
        like = None if found.finding.steps is None else self._like.get(self._key(found))
        if like is None:
            self.add(found)
            self.tell(found)
        elif found.number is None or self.found[like].number != found.number:  # else it is judged again
            self.found[like].times += 1

    def add(self, found: Found) -> None:
        """Take up a finding, of this soak or of an earlier one."""
        self.found[found.id] = found
        if found.finding.steps is not None:
            self._like[self._key(found)] = found.id

    @staticmethod
    def _key(found: Found) -> tuple[str, tuple[str, ...]]:
        assert found.finding.steps is not None
        return found.finding.law, skeleton(found.finding.steps)
