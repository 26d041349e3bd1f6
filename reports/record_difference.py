"""What has changed between two records of an engine, law by law."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.reports.record_file import RecordError
from gradlaws.reports.view import View
from gradlaws.reports.wording import plural, some

#: How good a verdict is for an engine. Listing a failure, or taking one off the list, does not change an engine.
RANKS = {
    Verdict.PASS: 5,
    Verdict.STALE: 5,
    Verdict.DECLARED: 4,
    Verdict.UNSUPPORTED: 3,
    Verdict.UNKNOWN: 2,
    Verdict.FAIL: 1,
    Verdict.KNOWN: 1,
    Verdict.ERROR: 0,
    Verdict.TIMEOUT: 0,
    Verdict.CRASH: 0,
}


@dataclass(frozen=True)
class Change:
    """One law or documented example in both records; None where it is not in one of them.

    name: what to call it: the law that is broken, where the programs of another show it.
    """

    law: str
    old: Verdict | None
    new: Verdict | None
    why: str
    name: str

    @property
    def step(self) -> int:
        """Positive if the engine has become better, negative if worse."""
        return 0 if self.old is None or self.new is None else RANKS[self.new] - RANKS[self.old]


class Difference:
    """Two views of an engine."""

    def __init__(self, old: View, new: View) -> None:
        self.old, self.new = old, new
        before, after = _verdicts(old), _verdicts(new)
        laws = sorted({*before, *after})
        self.changes = tuple(
            Change(law, before.get(law, (None, "", ""))[0], *after.get(law, (None, "", law))) for law in laws
        )

    @cached_property
    def added(self) -> list[Change]:
        """Only in the new record."""
        return [c for c in self.changes if c.old is None]

    @cached_property
    def deleted(self) -> list[Change]:
        """Only in the old record."""
        return [c for c in self.changes if c.new is None]

    @cached_property
    def changed(self) -> list[Change]:
        """With another verdict."""
        return [c for c in self.changes if c.old is not None and c.new is not None and c.old is not c.new]

    @cached_property
    def unchanged(self) -> list[Change]:
        """With the same verdict."""
        return [c for c in self.changes if c.old is c.new]

    @cached_property
    def improved(self) -> list[Change]:
        """Changed for the better."""
        return [c for c in self.changed if c.step > 0]

    @cached_property
    def regressed(self) -> list[Change]:
        """Changed for the worse."""
        return [c for c in self.changed if c.step < 0]

    @property
    def counts(self) -> str:
        """The numbers in a line."""
        return (
            f"{plural(len(self.changes), 'law')} and examples: {len(self.added)} added, {len(self.deleted)} deleted, "
            f"{len(self.changed)} changed ({len(self.improved)} improved, {len(self.regressed)} regressed), "
            f"{len(self.unchanged)} unchanged"
        )

    @property
    def notes(self) -> Iterator[str]:
        """What else differs, and so may explain a change."""
        old, new = self.old.record, self.new.record
        for name in ("gradlaws", "level", "judged", "seed", "examples", "python", "platform"):
            if getattr(old, name) != getattr(new, name):
                yield f"{name}: {getattr(old, name)} in the old record, {getattr(new, name)} in the new one"
        both = old.wordings.keys() & new.wordings.keys()
        if reworded := sorted(law for law in both if old.wordings[law] != new.wordings[law]):
            yield f"with another wording in the new record: {some(reworded)}"
        for record, which in ((old, "old"), (new, "new")):
            if record.laws_of:
                yield f"the {which} record: {record.laws_of}"
        yield from self._listed

    @property
    def _listed(self) -> Iterator[str]:
        """Where the list of known failures says something else, or an entry excuses programs of other laws."""
        before = {result.law: result.known for result in self.old.known}
        for result in self.new.known:
            if (was := before.get(result.law, result.known)) != result.known:
                yield f"{result.law} is KNOWN for another reason: {was} in the old record, now {result.known}"
        for label in sorted(self.old.excused.keys() & self.new.excused.keys()):
            laws = [sorted(view.excused[label][1]) for view in (self.old, self.new)]
            if laws[0] != laws[1]:
                yield f"another extent of {label}: programs of {', '.join(laws[0])}, now of {', '.join(laws[1])}"


def compare(old: Sequence[View], new: Sequence[View]) -> list[Difference]:
    """Pairs the engines of two records by name, or the only two; raises RecordError if that cannot be done."""
    if len(old) == len(new) == 1:
        return [Difference(old[0], new[0])]
    by_name = {view.engine.name: view for view in old}
    for view in new:
        if view.engine.name not in by_name:
            raise RecordError(
                f"{old[0].record.name}: does not judge {view.engine.name}; it judges {', '.join(by_name)}"
            )
    return [Difference(by_name[view.engine.name], view) for view in new]


def as_text(differences: Sequence[Difference]) -> Iterator[str]:
    """For a terminal."""
    for difference in differences:
        yield f"----- {difference.old.name} to {difference.new.name} -----"
        yield from (f"note: {note}" for note in difference.notes)
        for title, changes in _groups(difference):
            for change in changes:
                yield f"{title:10} {change.name:10} {_said(change)}"
        yield difference.counts


def as_markdown(differences: Sequence[Difference]) -> Iterator[str]:
    """For a step summary or a comment."""
    for difference in differences:
        yield f"### {difference.old.name} → {difference.new.name}"
        yield ""
        yield difference.counts
        yield ""
        yield from (f"- {note}" for note in difference.notes)
        rows = [(title, change) for title, changes in _groups(difference) for change in changes]
        if rows:
            yield from ("", "| | law | verdict |", "|---|---|---|")
            yield from (f"| {title} | {change.name} | {_said(change)} |" for title, change in rows)
        yield ""


def _groups(difference: Difference) -> Iterator[tuple[str, list[Change]]]:
    yield "regressed", difference.regressed
    yield "improved", difference.improved
    yield "changed", [c for c in difference.changed if not c.step]
    yield "added", difference.added
    yield "deleted", difference.deleted


def _said(change: Change) -> str:
    verdicts = " → ".join(str(v) for v in (change.old, change.new) if v is not None)
    why = change.why.splitlines()[0][:120].replace("|", "\\|") if change.why else ""
    return f"{verdicts}: {why}" if why else verdicts


def _verdicts(view: View) -> dict[str, tuple[Verdict, str, str]]:
    laws = {r.law: (r.verdict, r.message or ", ".join(r.missing), r.name) for r in view.results}
    return laws | {e.name: (e.verdict, e.message, e.name) for e in view.documented}
