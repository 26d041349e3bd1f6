"""Failures grouped by root cause: what one explanation is enough for is told once.

Where the record says what a failure comes from (an op, a dtype, a few steps; see
`gradlaws.conformance.whole_programs.diagnosis`), that is the explanation. Elsewhere it is the law that is blamed, and
the ops of the smallest program.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gradlaws.conformance.judgement.verdict import BREAKS, Verdict
from gradlaws.reports.record import Finding, LawResult


@dataclass(frozen=True)
class Cause:
    """Failures that have one explanation: the law that is broken, and a minimal program that shows it.

    shown:   the failure whose program is the shortest.
    laws:    all laws that fail because of it, the shown one's first.
    finding: what was seen, in the smallest program of all.
    owner:   whose fault it is, in a line; empty where the law says it best.
    """

    law: str
    sentence: str
    source: str
    shown: LawResult
    laws: tuple[str, ...]
    finding: Finding | None
    owner: str = ""

    @property
    def title(self) -> str:
        """What is wrong, in a line."""
        return self.owner or f"{self.law}: {self.sentence.rstrip('.')}"

    @property
    def message(self) -> str:
        """What is and what is expected."""
        finding = self.finding
        if finding is None or finding is self.shown.finding:
            return self.shown.message
        return f"{finding.thing} is {finding.got}, expected {finding.expected}"

    @property
    def others(self) -> list[str]:
        """The laws that fail because of it, but for the one that it is named by."""
        return [law for law in self.laws if self.owner or law != self.law]


def causes_of(results: Iterable[LawResult]) -> tuple[Cause, ...]:
    """The root causes of what fails, the one that explains most first."""
    failing = {r.law: r for r in results if r.verdict in BREAKS - {Verdict.STALE}}
    known = _told(failing.values())
    keys = {result.law: key for key, group in reversed(known.items()) for result, _ in group}
    groups: dict[str, list[LawResult]] = {}
    for result in failing.values():
        if result.law in keys:
            continue
        root = _root(result, failing)
        if root in keys:
            known[keys[root]].append((result, result.finding))  # it follows from that
        else:
            groups.setdefault(root, []).append(result)
    causes = [_owned(group) for group in known.values()]
    causes += [cause for law, group in groups.items() for cause in _split(law, group)]
    return tuple(sorted(causes, key=lambda cause: (-len(cause.laws), cause.law)))


#: Failures of one cause, each with the finding that belongs there.
Group = list[tuple[LawResult, Finding | None]]


def _told(failing: Iterable[LawResult]) -> dict[str, Group]:
    """What fails, by what the record says that it comes from.

    What comes from several ops, one of which is known to be wrong by itself, comes from that.
    """
    groups: dict[str, Group] = {}
    for result in failing:
        for finding in result.findings:
            if finding.cause is not None:
                groups.setdefault(finding.cause.key, []).append((result, finding))
    for key in sorted(groups, key=lambda key: -len(key.split())):
        alone = next((k for k in groups if k != key and set(k.split()) < set(key.split())), None)
        if key.startswith("op ") and alone is not None and alone.startswith("op "):
            groups[alone] += groups.pop(key)
    return groups


def _owned(group: Group) -> Cause:
    """A cause that the record tells of, by the smallest of its programs."""
    told = [(r, f.cause) for r, f in group if f is not None and f.cause is not None]
    shown, cause = min(told, key=lambda item: _size(item[1].finding))
    finding = cause.finding
    laws = dict.fromkeys([shown.law, *(result.law for result, _ in group)])
    return Cause(finding.law, finding.sentence, finding.source, shown, tuple(laws), finding, cause.title)


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
    laws = tuple(r.law for r in group)
    return Cause(law if blamed else shown.law, sentence, source, shown, laws, finding)


def _size(finding: Finding | None) -> tuple[int, int, int]:
    """Fewest ops first, so that a program which shows the bare thing leads; then the shortest."""
    return (0, 0, 0) if finding is None else (len(finding.used), len(finding.steps), len(finding.program))
