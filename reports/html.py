"""The report as one self-contained HTML file. Layout, style and behaviour are in `page/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from gradlaws.conformance.judgement.verdict import BREAKS, Verdict
from gradlaws.reports.finding_script import script
from gradlaws.reports.gate import Decision, decide, regressed
from gradlaws.reports.page_templates import source, templates
from gradlaws.reports.reach import Cell, Reach
from gradlaws.reports.record import LawResult
from gradlaws.reports.terminal import again, covered
from gradlaws.reports.view import Cause, Family, State, View, side_by_law, worst_of
from gradlaws.reports.wording import plural, ratio

#: Verdicts as a cell of the matrix names them, worst first.
KINDS = {
    Verdict.FAIL: "fail",
    Verdict.ERROR: "error",
    Verdict.CRASH: "crash",
    Verdict.TIMEOUT: "timeout",
    Verdict.STALE: "stale",
    Verdict.UNKNOWN: "unknown",
    Verdict.KNOWN: "known",
    Verdict.DECLARED: "declared",
    Verdict.UNSUPPORTED: "unsup",
}


@dataclass(frozen=True)
class Row:
    """One law, with its result for each engine (None where it was not tried)."""

    law: str
    family: str
    level: str
    sentence: str
    source: str
    results: tuple[LawResult | None, ...]

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The distinct verdicts, for the filter."""
        return tuple(dict.fromkeys(str(result.verdict) if result else "untried" for result in self.results))


def html(views: Sequence[View], decision: Decision | None = None) -> str:
    """The page."""
    decision = decision or decide(views)
    environment = templates()
    environment.filters.update(ratio=ratio, shown=_shown, worst_of=worst_of)
    environment.globals.update(
        plural=plural, again=again, covered=covered, regressed=regressed, reach=Reach.of, square=_square
    )
    rows = _rows(views)
    return environment.get_template("page.html.jinja").render(
        style=Markup(source("page.css")),
        behaviour=Markup(source("page.js")),
        views=views,
        decision=decision,
        kind={"green": "kept", "yellow": "known", "red": "broken"}[decision.colour],
        several=len(views) > 1,
        rows=rows,
        families=sorted({row.family for row in rows}),
        levels=[level for level in ("core", "full", "torch") if any(row.level == level for row in rows)],
        verdicts=[v for v in (*Verdict, "untried") if any(v in row.verdicts for row in rows)],
        heat=_heat,
        kinds=KINDS,
        longest=max((family.seconds for view in views for family in view.families), default=0.0) or 1.0,
        script=_script,
        broken=BREAKS,
        holds=State.HOLDS,
        known=Verdict.KNOWN,
        unsupported=Verdict.UNSUPPORTED,
    )


def _square(cell: Cell) -> Markup:
    """A square of a picture, as dark as its share, which it says in percent; empty where there is nothing to reach."""
    if cell.share is None:
        return Markup("<td></td>")
    percent = round(100 * cell.share)
    lacking = Markup(' title="{}"').format(cell.title) if percent < 100 else ""
    return Markup('<td style="--share:{}%"{}>{}</td>').format(percent, lacking, percent)


def _rows(views: Sequence[View]) -> list[Row]:
    rows = []
    for results in side_by_law(views).values():
        said = next(result for result in reversed(results) if result is not None)
        rows.append(Row(said.law, said.family, said.level, said.sentence, said.source, results))
    return rows


def _heat(view: View, name: str) -> tuple[str, int, Family | None]:
    """How a cell of the matrix is coloured: its kind, and how strongly, in percent; worst kinds first."""
    family = next((f for f in view.families if f.name == name), None)
    if family is None:
        return "untried", 0, None
    total = len(family.results)
    failing = sum(family.verdicts[v] for v in BREAKS)
    for kind, count in (
        ("broken", failing),
        ("unknown", family.verdicts[Verdict.UNKNOWN]),
        ("known", family.verdicts[Verdict.KNOWN]),
        ("declared", family.verdicts[Verdict.DECLARED]),
        ("unsupported", family.verdicts[Verdict.UNSUPPORTED]),
    ):
        if count:
            return kind, 25 + 75 * count // total, family
    return "kept", 100, family


def _script(cause: Cause, view: View) -> str:
    return script(cause.finding, view.name) if cause.finding else ""


def _shown(number: float) -> str:
    return f"{number:,.{2 if number < 10 else 0}f}"
