"""Whether lists of known failures hide planted faults: each is tried with every list and without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.faults.registry import Fault
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.excuses import Excuses
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.law_run import Failing, LawRun
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
            without, within = 0, Counter[str]()
            for number in numbers:
                effort = Effort(examples, seed=number, shrink=0.0, strict=fault.strict)
                engine = fault.make()
                run = LawRun(LAWS[law], engine, effort, KnownFailures())
                with engine.session():
                    run.go()
                if run.failure is None:
                    continue
                without += 1
                for name, some in known.items():
                    within[name] += _caught(run, run.failure, some, fault)
            for name, some in known.items():
                yield Tried(name, fault.name, law, without, within[name], law in some.laws)


def _caught(run: LawRun, failing: Failing, known: KnownFailures, fault: Fault) -> bool:
    """Whether a fault that one program shows is caught with a list: by that one, or by another."""
    if not Excuses(run.law, run.backend, run.effort, known).cover(failing.program, failing.error):
        return True
    verdict = judge(run.law, fault.make(), run.effort, known).verdict
    return verdict in (Verdict.FAIL, Verdict.ERROR)
