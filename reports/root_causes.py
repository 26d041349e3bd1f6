"""Failures grouped by root cause: what one explanation is enough for is told once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.reports.record_reader import Finding, LawResult

#: Verdicts with which an engine does not conform.
BREAKS = frozenset({Verdict.FAIL, Verdict.ERROR, Verdict.CRASH, Verdict.TIMEOUT, Verdict.STALE})


@dataclass(frozen=True)
class Cause:
    """Failures that have one explanation: the law that is broken, and a minimal program that shows it.

    shown: the failure whose program is the shortest.
    laws:  all laws that fail because of it, the shown one's first.
    """

    law: str
    sentence: str
    source: str
    shown: LawResult
    laws: tuple[str, ...]

    @property
    def title(self) -> str:
        """What is wrong, in a line."""
        return f"{self.law}: {self.sentence.rstrip('.')}"

    @property
    def others(self) -> list[str]:
        """The laws that fail because of it, but for the one that it is named by."""
        return [law for law in self.laws if law != self.law]

    @property
    def finding(self) -> Finding | None:
        """What was seen."""
        return self.shown.finding


def causes_of(results: Iterable[LawResult]) -> tuple[Cause, ...]:
    """The root causes of what fails, the one that explains most first."""
    failing = {r.law: r for r in results if r.verdict in BREAKS - {Verdict.STALE}}
    groups: dict[str, list[LawResult]] = {}
    for result in failing.values():
        groups.setdefault(_root(result, failing), []).append(result)
    causes = [cause for law, group in groups.items() for cause in _split(law, group)]
    return tuple(sorted(causes, key=lambda cause: (-len(cause.laws), cause.law)))


def _root(result: LawResult, failing: dict[str, LawResult]) -> str:
    """The law that explains this failure, followed to its own explanation."""
    seen = {result.law}
    while True:
        blamed = result.finding.law if result.finding else result.law
        causes = [blamed] if blamed != result.law else [law for law in result.after if law in failing]
        if not causes or causes[0] in seen:
            return blamed if blamed != result.law else result.law
        if causes[0] not in failing:
            return causes[0]
        result = failing[causes[0]]
        seen.add(result.law)


def _split(law: str, results: list[LawResult]) -> list[Cause]:
    """Failures blamed on one law, taken apart where their minimal programs use different ops.

    A program that uses all the ops of a smaller one shows nothing new. What the law explains without being
    blamed for it (a consequence) goes with the first.
    """
    direct = [r for r in results if r.finding is not None and r.finding.law == law]
    direct.sort(key=lambda r: _size(r.finding))
    leaders: list[list[LawResult]] = []
    for result in direct:
        used = result.finding.used if result.finding else frozenset()
        home = next((g for g in leaders if g[0].finding and g[0].finding.used <= used), None)
        if home is None:
            leaders.append([result])
        else:
            home.append(result)
    others = [r for r in results if r not in direct]
    if leaders:
        leaders[0] += others
    else:
        leaders = [others]
    return [_cause(law, group) for group in leaders]


def _cause(law: str, group: list[LawResult]) -> Cause:
    shown, finding = group[0], group[0].finding
    blamed = finding is not None and finding.law == law
    sentence, source = (
        (finding.sentence, finding.source) if finding and blamed else (shown.sentence, shown.source)
    )
    return Cause(law if blamed else shown.law, sentence, source, shown, tuple(r.law for r in group))


def _size(finding: Finding | None) -> tuple[int, int, int]:
    """Fewest ops first, so that a program which shows the bare thing leads; then the shortest."""
    return (0, 0, 0) if finding is None else (len(finding.used), len(finding.steps), len(finding.program))
