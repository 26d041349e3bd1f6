"""Whether lists of known failures hide planted faults: each is tried with every list and without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.faults.registry import Fault
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.excuses import Excuses
from gradlaws.conformance.judgement.law_run import Failing, LawRun
from gradlaws.conformance.known_failures.entry import Known
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.laws import LAWS

#: To see whether a fault is a listed defect: so many programs more of the law, drawn under another seed.
PROGRAMS, SEED = 500, 1000


@dataclass
class Tried:
    """One fault before one law that must catch it, with one list.

    name:    of the list.
    without, within: under how many seeds it was caught without the list, and with it.
    excused: the law has an entry of its own in the list.
    entries: what excused it where it was not caught with the list.
    itself:  it is what these entries say, planted: each of them says by its deviation all that the engine does, and in
             every program of the law that was tried the faulty engine did what it should, or what the reference with
             these deviations does. The law cannot tell such an engine with the fault from one without, so nothing is
             hidden; where else the fault shows, the other laws that must catch it are asked.
    """

    name: str
    fault: str
    law: str
    excused: bool
    without: int = 0
    within: int = 0
    entries: dict[Known, None] = field(default_factory=dict)
    itself: bool = False

    @property
    def masked(self) -> bool:
        """Whether the list hides it, under some seed."""
        return self.within < self.without and not self.itself


def tried(
    lists: Mapping[str, KnownFailures],
    examples: int,
    seeds: Iterable[int],
    laws: Iterable[str] = LAWS,
    faults: Iterable[str] = FAULTS,
) -> Iterator[Tried]:
    """These planted faults before each of these laws that must catch them, with each of the lists and without."""
    # Whichever release and adapter an entry is about, the faults are those of the reference.
    known = {
        name: KnownFailures(replace(e, versions="", capabilities=frozenset()) for e in listed.entries)
        for name, listed in lists.items()
    }
    chosen, numbers = frozenset(laws), list(seeds)
    for name in faults:
        fault = FAULTS[name]
        for law in fault.breaks:
            if law not in chosen:
                continue
            found = {name: Tried(name, fault.name, law, law in some.laws) for name, some in known.items()}
            for number in numbers:
                run = _ran(fault, law, Effort(examples, seed=number, shrink=0.0, strict=fault.strict))
                if run.failure is None:
                    continue
                for name, some in known.items():
                    found[name].without += 1
                    _try(run, run.failure, some, fault, found[name])
            for one in found.values():
                if one.within < one.without:
                    one.itself = _is_listed(fault, law, one.entries)
                yield one


def _ran(fault: Fault, law: str, effort: Effort, known: KnownFailures | None = None) -> LawRun:
    engine = fault.make()
    run = LawRun(LAWS[law], engine, effort, known or KnownFailures())
    with engine.session():
        run.go()
    return run


def _try(run: LawRun, failing: Failing, known: KnownFailures, fault: Fault, found: Tried) -> None:
    """Whether a fault that one program shows is caught with a list: by that one, or by another."""
    if Excuses(run.law, run.backend, run.effort, known).cover(failing.program, failing.error, failing.data):
        run = _ran(fault, run.law.id, run.effort, known)
        if run.failure is None:
            found.entries |= run.count.excuses.covered
            return
    found.within += 1


def _is_listed(fault: Fault, law: str, entries: Iterable[Known]) -> bool:
    """Whether all that the law sees of a fault is what these entries say, which say all that the engine does."""
    known = KnownFailures(entries)
    if not known or not all(entry.executable for entry in known.entries):
        return False
    effort = Effort(PROGRAMS, seed=SEED, shrink=0.0, strict=fault.strict)
    return _ran(fault, law, effort, known).failure is None
