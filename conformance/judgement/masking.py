"""Whether a list of known failures hides planted faults: each is tried with the list and without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.laws import LAWS


@dataclass(frozen=True)
class Tried:
    """One fault before one law that must catch it: under how many seeds it was caught without and with the list.

    excused: the law has an entry of its own in the list.
    """

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
    listed: KnownFailures, examples: int, seeds: Iterable[int], laws: Iterable[str] = LAWS
) -> Iterator[Tried]:
    """Every planted fault before each of these laws that must catch it, with the list and without."""
    # Whichever release and adapter an entry is about, the faults are those of the reference.
    entries = [replace(entry, versions="", capabilities=frozenset()) for entry in listed.entries]
    known, chosen, numbers = KnownFailures(entries), frozenset(laws), list(seeds)
    for fault in FAULTS.values():
        for law in fault.breaks:
            if law not in chosen:
                continue
            caught = [0, 0]
            for seed in numbers:
                effort = Effort(examples=examples, seed=seed, shrink=0.0, strict=fault.strict)
                for k, some in enumerate((KnownFailures(), known)):
                    result = judge(LAWS[law], fault.make(), effort, some)
                    caught[k] += result.verdict in (Verdict.FAIL, Verdict.ERROR)
            yield Tried(fault.name, law, caught[0], caught[1], law in known.laws)
