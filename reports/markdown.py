"""The report as Markdown, for a step summary on GitHub or a comment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradlaws.reports.finding_script import script
from gradlaws.reports.terminal import again, cell, covered, ratio, short, some
from gradlaws.reports.view import BREAKS, Cause, State, View, plural

#: Step summaries hold a mebibyte; a person reads less.
CAUSES = 25
SIGNS = {State.HOLDS: "✅", State.BROKEN: "❌", State.PARTIAL: "🟡", State.OPEN: "❔"}


def markdown(views: Sequence[View]) -> str:
    """The report on one engine, or on several side by side."""
    return "\n".join(_lines(views)) + "\n"


def _lines(views: Sequence[View]) -> Iterator[str]:
    yield "## gradlaws: gradient access (.grad)"
    yield ""
    yield from _row(["", *(view.name for view in views)])
    yield "|" + "---|" * (len(views) + 1)
    yield from _row(["**level reached**", *(_level(view) for view in views)])
    for name in sorted({family.name for view in views for family in view.families}):
        yield from _row([name, *(_family(view, name) for view in views)])
    yield from _row(["**all**", *(f"**{cell(view.total)}**" for view in views)])
    yield from _row(["programs", *(f"{view.total.programs:,}" for view in views)])
    yield from _row(["assertions", *(f"{view.total.assertions:,}" for view in views)])
    yield from _row(["worst error to bound", *(ratio(view.total.worst) for view in views)])
    yield from _row(["seconds", *(f"{view.total.seconds:.1f}" for view in views)])
    yield ""
    for view in views:
        yield from _engine(view)


def _level(view: View) -> str:
    best = view.reached
    return "❌ none" if best is None else f"✅ {best.level}{best.but}"


def _family(view: View, name: str) -> str:
    family = next((f for f in view.families if f.name == name), None)
    return "" if family is None else ("🔴 " if any(family.verdicts[v] for v in BREAKS) else "") + cell(family)


def _engine(view: View) -> Iterator[str]:
    record = view.record
    yield f"### {view.name}"
    yield ""
    if not record.finished:
        yield f"> **Incomplete**: the run was cut short; {plural(len(view.untried), 'law')} not tried."
        yield ""
    for claim in view.claims:
        yield f"- {SIGNS[claim.state]} {claim.sentence}"
        for verdict, laws in claim.grouped.items():
            yield f"  - {verdict}: {some(laws)}"
    for one in view.declared:
        behind = f" (behind {some(one.laws)})" if one.laws else ""
        yield f"- declared otherwise than PyTorch: `{one.convention}` = `{one.value}`: {one.meaning}{behind}"
    if coverage := covered(view):
        yield f"- {coverage}"
    yield ""
    for cause in view.causes[:CAUSES]:
        yield from _cause(cause, view)
    if len(view.causes) > CAUSES:
        yield f"and {len(view.causes) - CAUSES} more root causes; the HTML report has them all."
        yield ""
    yield from _listed("Known failures", [(r.law, r.known) for r in view.known])
    excused = [
        (f"{plural(programs, 'program')} of {some(laws)}", label)
        for label, (programs, laws) in view.excused.items()
    ]
    yield from _listed("What the list excused", excused)
    yield from _listed("Stale: take these off the list", [(r.law, r.known) for r in view.stale])
    broken = [(e.name, e.message) for e in view.documented if e.verdict in BREAKS]
    yield from _listed("Documented examples that come out otherwise", broken)
    yield from _laws(view)
    yield (
        f"<sub>gradlaws {record.gradlaws}, profile {record.profile}: {record.examples} programs a law, seed "
        f"{record.seed}, Python {record.python} on {record.platform}, {record.started}"
        f"{'' if record.sealed else ', not sealed'}</sub>"
    )
    yield ""


def _cause(cause: Cause, view: View) -> Iterator[str]:
    yield f"#### ❌ {cause.law}: {cause.sentence}"
    yield ""
    finding = cause.finding
    step = f"After `{finding.step}`: " if finding and finding.step else ""
    yield f"{step}{_escaped(short(cause.shown.message, 400))} ([source]({cause.source}))"
    yield ""
    if others := [law for law in cause.laws if law != cause.law]:
        yield f"Explains {some(others)} too."
        yield ""
    if finding is not None and (text := script(finding, view.name)):
        yield "<details open><summary>Minimal program</summary>"
        yield from ("", "```python", text.rstrip(), "```", "", "</details>", "")
    yield f"Again: `{again(cause.shown, view.record.path)}`"
    yield ""


def _laws(view: View) -> Iterator[str]:
    yield f"<details><summary>All laws of {view.name}</summary>"
    yield from (
        "",
        "| law | verdict | promise | programs | assertions | worst | s |",
        "|---|---|---|---|---|---|---|",
    )
    for result in view.ordered:
        yield from _row(
            [
                f"[{result.law}]({result.source.split(' ')[0]})",
                str(result.verdict),
                result.sentence,
                f"{result.programs:,}",
                f"{result.assertions:,}",
                ratio(result.worst),
                f"{result.seconds:.2f}",
            ]
        )
    yield from ("", "</details>", "")


def _listed(title: str, entries: Sequence[tuple[str, str]]) -> Iterator[str]:
    if entries:
        yield f"<details><summary>{title} ({len(entries)})</summary>"
        yield ""
        yield from (f"- {law}: {_escaped(why)}" for law, why in entries)
        yield from ("", "</details>", "")


def _row(cells: Sequence[str]) -> Iterator[str]:
    yield "| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |"


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("[", "\\[").replace("*", "\\*")
