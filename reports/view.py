"""What a record says about one engine: the level reached, families, root causes, totals.

Every renderer shows a list of these; none of them counts anything itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from gradlaws.conformance.engines.conventions import meaning
from gradlaws.conformance.judgement.verdict import BREAKS, Verdict
from gradlaws.reports.record import LEVELS, Engine, ExampleResult, LawResult, Record
from gradlaws.reports.root_causes import Cause, causes_of
from gradlaws.reports.wording import plural

__all__ = ["Cause", "Claim", "Family", "State", "View", "side_by_law", "views", "worst_of"]

#: Verdicts with which a claim holds. A stale entry is an error in the list, not in the engine.
KEPT = frozenset({Verdict.PASS, Verdict.DECLARED, Verdict.KNOWN, Verdict.STALE})


#: How the message of a listed failure begins at which the process died or did not end.
DEATHS = tuple(f"{verdict}:" for verdict in (Verdict.CRASH, Verdict.TIMEOUT))

#: What stands in the way of a claim where a law has no verdict.
UNTRIED = "not tried"


class State(StrEnum):
    """What is known of a claim."""

    HOLDS = "holds"
    BROKEN = "does not hold"
    #: Not all of its laws could be tried: the engine does not offer what they need.
    PARTIAL = "not offered in full"
    OPEN = "not known"


@dataclass(frozen=True)
class Obstacle:
    """One thing that stands in the way of a claim."""

    law: str
    verdict: str
    why: str


@dataclass(frozen=True)
class Claim:
    """What is known of one level for one engine."""

    level: str
    state: State
    laws: int
    kept: int
    known: tuple[str, ...]
    declared: tuple[str, ...]
    obstacles: tuple[Obstacle, ...]

    @property
    def grouped(self) -> dict[str, list[str]]:
        """The laws that stand in the way, by verdict."""
        found: dict[str, list[str]] = {}
        for verdict in (*Verdict, UNTRIED):
            laws = [obstacle.law for obstacle in self.obstacles if obstacle.verdict == verdict]
            found |= {str(verdict): laws} if laws else {}
        return found

    @property
    def but(self) -> str:
        """What is counted beside the level, always; empty if there is nothing."""
        known = [plural(len(self.known), "known failure")] if self.known else []
        declared = [plural(len(self.declared), "declared deviation")] if self.declared else []
        return f", but for {' and '.join(known + declared)}" if known or declared else ""

    @property
    def sentence(self) -> str:
        """The claim in a line."""
        if self.state is State.HOLDS:
            return f"{self.level} holds{self.but}: {self.kept} of {plural(self.laws, 'law')}"
        if not self.laws:
            return f"{self.level} not tried: run with --level {self.level}"
        return f"{self.level} {self.state}: {self.kept} of {plural(self.laws, 'law')} kept"


@dataclass(frozen=True)
class Declared:
    """A declared convention: its value, what that means, and the laws that are DECLARED because of it."""

    convention: str
    value: str
    meaning: str
    laws: tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """The laws of one family; `name` is the first part of their ids."""

    name: str
    results: tuple[LawResult | ExampleResult, ...]

    @cached_property
    def verdicts(self) -> Counter[str]:
        """How many laws have each verdict."""
        return Counter(str(result.verdict) for result in self.results)

    @property
    def kept(self) -> int:
        """How many pass."""
        return self.verdicts[Verdict.PASS]

    @property
    def broken(self) -> int:
        """How many break, listed or not."""
        return sum(self.verdicts[v] for v in BREAKS | {Verdict.KNOWN})

    @property
    def programs(self) -> int:
        """How many programs ran."""
        return sum(result.programs for result in self._laws)

    @property
    def assertions(self) -> int:
        """How many claims were examined."""
        return sum(result.assertions for result in self._laws)

    @property
    def worst(self) -> float | None:
        """The worst ratio of error to error bound of the laws that hold; None where that says nothing.

        Of a law that fails only what came before its failure is known, so "exact" is not said beside it.
        """
        return _worst(self._laws)

    @property
    def seconds(self) -> float:
        """Wall time."""
        return sum(result.seconds for result in self._laws)

    @property
    def _laws(self) -> list[LawResult]:
        return [result for result in self.results if isinstance(result, LawResult)]


class View:
    """One engine in one record."""

    def __init__(self, record: Record, engine: Engine) -> None:
        self.record = record
        self.engine = engine
        self.results = tuple(r for r in record.results if r.backend == engine.name)
        self.documented = tuple(e for e in record.documented if e.backend == engine.name)

    @property
    def name(self) -> str:
        """Engine and version."""
        return f"{self.engine.name} {self.engine.version}".strip()

    @cached_property
    def families(self) -> tuple[Family, ...]:
        """The families, in the record's order of first appearance sorted by name."""
        names = sorted({result.family for result in self.results})
        return tuple(Family(n, tuple(r for r in self.ordered if r.family == n)) for n in names)

    @cached_property
    def ordered(self) -> tuple[LawResult, ...]:
        """The results by law."""
        return tuple(sorted(self.results, key=lambda result: result.place))

    @cached_property
    def total(self) -> Family:
        """All laws and documented examples."""
        return Family("all", (*self.results, *self.documented))

    @property
    def untried(self) -> tuple[str, ...]:
        """Laws that were to be tried, and were not: the run ended before."""
        seen = {result.law for result in self.results}
        return tuple(law for law in self.record.tried if law not in seen)

    @property
    def counts(self) -> str:
        """How many laws and examples have which verdict, in a line."""
        return ", ".join(f"{n:,} {v}" for v in Verdict if (n := self.total.verdicts[v]))

    @property
    def known_deaths(self) -> tuple[LawResult, ...]:
        """Listed failures at which the process died, or did not come to an end."""
        return tuple(r for r in self.known if r.message.startswith(DEATHS))

    @property
    def known(self) -> tuple[LawResult, ...]:
        """What fails as listed."""
        return tuple(r for r in self.ordered if r.verdict is Verdict.KNOWN)

    @property
    def excused(self) -> dict[str, tuple[int, list[str]]]:
        """By entry of the list, how many programs it excused, and of which laws; most first."""
        found: dict[str, tuple[int, list[str]]] = {}
        for result in self.ordered:
            for label, programs in result.entries.items():
                before, laws = found.get(label, (0, []))
                found[label] = before + programs, [*laws, result.law]
        return dict(sorted(found.items(), key=lambda item: (-item[1][0], item[0])))

    @property
    def declared(self) -> list[Declared]:
        """What the adapter declares that the engine does otherwise than PyTorch."""
        return [
            Declared(
                name,
                value,
                meaning(name, value),
                tuple(result.law for result in self.ordered if name in result.waived),
            )
            for name, value in self.engine.conventions.items()
        ]

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """What is known of each level, weakest first."""
        return tuple(self._claim(level) for level in LEVELS)

    @property
    def reached(self) -> Claim | None:
        """The strongest claim that holds, with all weaker ones; None if not even the weakest does."""
        best = None
        for claim in self.claims:
            if claim.state is not State.HOLDS:
                break
            best = claim
        return best

    def _claim(self, level: str) -> Claim:
        if LEVELS.index(level) > LEVELS.index(self.record.level):
            return Claim(level, State.OPEN, 0, 0, (), (), ())
        included = LEVELS[: LEVELS.index(level) + 1]
        by_law = {result.law: result for result in self.results}
        levels = self.record.laws or {result.law: result.level for result in self.results}
        apart = {result.law for result in self.undocumented}
        laws = [law for law, its in levels.items() if its in included and law not in apart]
        obstacles = [
            Obstacle(law, result.verdict, _why(result)) if (result := by_law.get(law)) else _untried(law)
            for law in laws
            if law not in by_law or by_law[law].verdict not in KEPT
        ]
        obstacles += [Obstacle(e.name, e.verdict, e.message) for e in self.documented if e.verdict in BREAKS]
        kinds = {obstacle.verdict for obstacle in obstacles}
        if kinds & BREAKS:
            state = State.BROKEN
        elif kinds - {Verdict.UNSUPPORTED} or not laws or not self.record.finished:
            state = State.OPEN
        else:
            state = State.PARTIAL if kinds else State.HOLDS
        verdicts = {law: by_law[law].verdict for law in laws if law in by_law}
        known, declared = (
            tuple(law for law, verdict in verdicts.items() if verdict is kind)
            for kind in (Verdict.KNOWN, Verdict.DECLARED)
        )
        kept = sum(verdict in KEPT for verdict in verdicts.values()) - len(known) - len(declared)
        return Claim(level, state, len(laws), kept, known, declared, tuple(obstacles))

    @cached_property
    def undocumented(self) -> tuple[LawResult, ...]:
        """What no documentation promises: no part of any claim."""
        return tuple(result for result in self.ordered if result.undocumented)

    @cached_property
    def causes(self) -> tuple[Cause, ...]:
        """Failures grouped by root cause, the one that explains most first."""
        return causes_of(self.results)

    @property
    def stale(self) -> tuple[LawResult, ...]:
        """What is listed as known to fail, and does not."""
        return tuple(r for r in self.ordered if r.verdict is Verdict.STALE)


def views(records: Iterable[Record]) -> list[View]:
    """Every engine of every record."""
    return [View(record, engine) for record in records for engine in record.engines]


def worst_of(result: LawResult) -> float | None:
    """The worst ratio of error to error bound of one law; None where it fails, or asserted nothing."""
    return _worst([result])


def _worst(results: Iterable[LawResult]) -> float | None:
    asserting = [result for result in results if result.assertions]
    worst = max((result.worst for result in asserting), default=0.0)
    failing = any(result.verdict in BREAKS | {Verdict.KNOWN} for result in asserting)
    return worst or (None if failing or not asserting else 0.0)


def _why(result: LawResult) -> str:
    return f"needs {', '.join(result.missing)}" if result.missing else result.message


def _untried(law: str) -> Obstacle:
    return Obstacle(law, UNTRIED, "it was not among the laws of this run, or the run ended before")


def side_by_law(shown: Sequence[View]) -> dict[str, tuple[LawResult | None, ...]]:
    """By law, in their order, the result in each of some views; None where it was not tried."""
    found = [{result.law: result for result in view.results} for view in shown]
    every = {result.law: result for own in found for result in own.values()}
    laws = [result.law for result in sorted(every.values(), key=lambda result: result.place)]
    return {law: tuple(own.get(law) for own in found) for law in laws}
