"""Whether lists of known failures hide planted faults: each is tried with every list and without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.faults.registry import Fault
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.laws import LAWS


@dataclass(frozen=True)
class Tried:
    """One fault before one law that must catch it, with one list.

    name:    of the list.
    without, within: under how many seeds it was caught without the list, and with it.
    excused: the law has an entry of its own in the list.
    """

    name: str
    fault: str
    law: str
    without: int
    within: int
    excused: bool

    @property
    def masked(self) -> bool:
        """Whether the list hides it, under some seed."""
        return self.within < self.without


def tried(
    lists: Mapping[str, KnownFailures], examples: int, seeds: Iterable[int], laws: Iterable[str] = LAWS
) -> Iterator[Tried]:
    """Every planted fault before each of these laws that must catch it, with each of the lists and without."""
    # Whichever release and adapter an entry is about, the faults are those of the reference.
    known = {
        name: KnownFailures(replace(e, versions="", capabilities=frozenset()) for e in listed.entries)
        for name, listed in lists.items()
    }
    chosen, numbers = frozenset(laws), list(seeds)
    for fault in FAULTS.values():
        for law in fault.breaks:
            if law not in chosen:
                continue

            def caught(some: KnownFailures, fault: Fault = fault, law: str = law) -> int:
                efforts = (Effort(examples, seed=n, shrink=0.0, strict=fault.strict) for n in numbers)
                verdicts = (judge(LAWS[law], fault.make(), effort, some).verdict for effort in efforts)
                return sum(verdict in (Verdict.FAIL, Verdict.ERROR) for verdict in verdicts)

            without = caught(KnownFailures())
            for name, some in known.items():
                yield Tried(name, fault.name, law, without, caught(some), law in some.laws)
