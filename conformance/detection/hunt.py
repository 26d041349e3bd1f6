"""One bug hunted as a run at profile ci would meet it, but with the laws that may well catch it first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.execution.judging_standard import Standard
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.finding import Finding
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.whole_programs.judge import WHOLE_PROGRAMS
from gradlaws.conformance.whole_programs.run_item import FACTOR
from gradlaws.conformance.whole_programs.soak import Soak
from gradlaws.conformance.zoo import Bug

#: Seconds for making a program small.
SHRINK = 0.2


@dataclass(frozen=True)
class Kill:
    """The first failure of a hunt.

    item:     what was on trial: a law, or whole programs.
    law:      the law that was blamed.
    examples: programs and scenes judged until then, this one included.
    steps:    of the smallest program; None where there is none, as for an exhibit.
    """

    item: str
    law: str
    examples: int
    steps: int | None


def hunt(bug: Bug, effort: Effort, everything: bool = False) -> Kill | None:
    """The first failure of a bug at this effort; None where it survives.

    Laws that the bug names are asked first, then whole programs; then, where `everything` is wanted, all others.
    """
    return first_failure(bug.make(), bug.laws, effort, everything)


def first_failure(
    engine: ReferenceBackend, laws: tuple[str, ...], effort: Effort, everything: bool = False
) -> Kill | None:
    """The first failure of an engine, some laws asked first."""
    examples = 0
    for item in _order(laws, everything):
        if item == WHOLE_PROGRAMS:
            soak = Soak(engine, effort.seed, KnownFailures(), Standard(), effort.shrink, one_in=1 << 30)
            tally = soak.run(effort.examples * FACTOR, enough=1)
            for found in soak.found.values():
                return _kill(item, found.finding, examples + (found.number or 0) + 1)
            examples += tally.programs
            continue
        result = judge(LAWS[item], engine, effort, KnownFailures())
        examples += result.programs
        if result.finding is not None and result.verdict in (Verdict.FAIL, Verdict.ERROR):
            return _kill(item, result.finding, examples)
    return None


def _order(laws: tuple[str, ...], everything: bool) -> Iterator[str]:
    yield from laws
    yield WHOLE_PROGRAMS
    if everything:
        yield from (law for law in LAWS if law not in laws)


def _kill(item: str, finding: Finding, examples: int) -> Kill:
    steps = None if finding.steps is None else len(finding.steps)
    return Kill(item, finding.law, examples, steps)
