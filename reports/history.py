"""What records of many releases tell together: which keeps which law, and in which a defect was seen.

One view stands for a release: of several records of one, the last that came to its end. Releases are in the order of
their versions (PEP 440), or, where one has none of that kind, of the days on which they were judged.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, pairwise

from packaging.version import InvalidVersion, Version

from gradlaws.conformance.judgement.verdict import SILENT
from gradlaws.conformance.known_failures.entry import Known
from gradlaws.conformance.known_failures.toml_parser import shipped
from gradlaws.reports.finding_script import script
from gradlaws.reports.record import LawResult, Record
from gradlaws.reports.record_difference import Difference
from gradlaws.reports.view import View, side_by_law, views
from gradlaws.reports.wording import short


@dataclass(frozen=True)
class Span:
    """Releases that follow one another and are alike in something.

    value:  what they are alike in.
    begins: whether an earlier release is known, which differs.
    ends:   whether a later one is.
    """

    value: object
    first: str
    last: str
    begins: bool
    ends: bool

    @property
    def releases(self) -> str:
        """Which ones, in words."""
        if not self.ends:
            return f"from {self.first} on" if self.begins else "in all releases"
        if not self.begins:
            return f"up to {self.last}"
        return f"in {self.first}" if self.first == self.last else f"from {self.first} to {self.last}"


def spans(values: Sequence[object], versions: Sequence[str]) -> tuple[Span, ...]:
    """Values by release, like ones together; those that are None are left out."""
    known = [(value, version) for value, version in zip(values, versions, strict=True) if value is not None]
    runs = [(value, [version for _, version in run]) for value, run in groupby(known, lambda pair: pair[0])]
    return tuple(
        Span(value, run[0], run[-1], number > 1, number < len(runs))
        for number, (value, run) in enumerate(runs, 1)
    )


@dataclass(frozen=True)
class Defect:
    """One thing that is wrong in releases of an engine.

    law:    the promise that is broken.
    title:  what is wrong: the reason of a known failure, or the root cause.
    link:   where to read on; empty where nothing is known.
    script: what shows it, to be run by itself; empty where the list has none.
    listed: whether it is a known failure.
    seen:   by release: whether it was seen; None where its law was not judged.
    """

    engine: str
    law: str
    title: str
    link: str
    script: str
    listed: bool
    seen: tuple[bool | None, ...]

    @property
    def name(self) -> str:
        """What its page is called, for good: it depends on nothing but engine, law and title."""
        return f"{plain_name(self.engine)}-{self.law}-{zlib.crc32(self.title.encode()):08x}"


class EngineHistory:
    """The releases of one engine, oldest first."""

    def __init__(self, name: str, releases: Sequence[View]) -> None:
        self.name = name
        self.releases = tuple(releases)

    @cached_property
    def versions(self) -> tuple[str, ...]:
        """What the releases are called."""
        return tuple(view.engine.version or "unnamed" for view in self.releases)

    @cached_property
    def laws(self) -> dict[str, tuple[LawResult | None, ...]]:
        """By law, what became of it in each release."""
        return side_by_law(self.releases)

    def verdicts(self, law: str) -> tuple[Span, ...]:
        """The verdicts on a law, by release."""
        results = self.laws.get(law, (None,) * len(self.releases))
        return spans([None if r is None else str(r.verdict) for r in results], self.versions)

    @property
    def changed(self) -> list[str]:
        """The laws on which releases have different verdicts."""
        return [law for law in self.laws if len(self.verdicts(law)) > 1]

    @property
    def steps(self) -> list[Difference]:
        """What each release changed."""
        return [Difference(old, new) for old, new in pairwise(self.releases)]

    @cached_property
    def defects(self) -> tuple[Defect, ...]:
        """Known failures that were seen in some release, and root causes of what is not listed."""
        listed = [found for entry in shipped(self.name).entries if any((found := self._listed(entry)).seen)]
        return tuple(sorted([*listed, *self._unlisted()], key=lambda d: (d.law, d.title)))

    def _listed(self, entry: Known) -> Defect:
        seen = tuple(
            True
            if any(
                entry.label in r.entries or (r.law == entry.law and entry.reason in r.known)
                for r in view.results
            )
            else _judged(view, entry.law)
            for view in self.releases
        )
        return Defect(self.name, entry.law, entry.reason, entry.link, entry.script, True, seen)

    def _unlisted(self) -> list[Defect]:
        found: dict[tuple[str, str], tuple[Defect, set[int]]] = {}
        for number, view in enumerate(self.releases):
            for cause in view.causes:
                text = script(cause.finding, view.name) if cause.finding else ""
                defect = Defect(self.name, cause.law, cause.title, cause.source, text, False, ())
                found.setdefault((cause.law, cause.title), (defect, set()))[1].add(number)
        return [
            replace(
                d, seen=tuple(k in numbers or _judged(view, d.law) for k, view in enumerate(self.releases))
            )
            for d, numbers in found.values()
        ]


def _judged(view: View, law: str) -> bool | None:
    """False where the law was judged, so that a defect would have been seen; None where it was not."""
    results = [result for result in view.results if result.law == law]
    # What only whole programs show is looked for in every run that has them.
    judged = any(r.verdict not in SILENT for r in results or [r for r in view.results if r.law == "WHOLE-01"])
    return False if judged else None


def histories(records: Iterable[Record]) -> list[EngineHistory]:
    """One history for each engine that the records judge, by name."""
    chosen: dict[tuple[str, str], View] = {}
    for view in sorted(views(records), key=lambda v: (v.record.finished, v.record.started)):
        chosen[view.engine.name, view.engine.version] = view
    names = sorted({name for name, _ in chosen})
    return [
        EngineHistory(name, _ordered([v for (own, _), v in chosen.items() if own == name])) for name in names
    ]


def _ordered(releases: list[View]) -> list[View]:
    try:
        return sorted(releases, key=lambda view: Version(view.engine.version))
    except InvalidVersion:
        return sorted(releases, key=lambda view: view.record.started)


def plain_name(text: str) -> str:
    """A text as part of a link or of the name of a file."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", text).strip("-.") or "unnamed"


def as_text(found: Sequence[EngineHistory]) -> Iterable[str]:
    """For a terminal: what changed from release to release, law by law and defect by defect."""
    for history in found:
        yield f"----- {history.name}: {', '.join(history.versions)} -----"
        for step in history.steps:
            yield f"{step.old.engine.version} to {step.new.engine.version}: {step.counts}"
        for law in history.changed:
            yield f"{law:10} " + ", ".join(f"{span.value} {span.releases}" for span in history.verdicts(law))
        for defect in history.defects:
            there = [span.releases for span in spans(defect.seen, history.versions) if span.value]
            yield f"{defect.law:10} {', '.join(there)}: {short(defect.title, 110)}"
