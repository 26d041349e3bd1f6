"""The report as Markdown, for a step summary on GitHub or a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gradlaws.conformance.judgement.verdict import BREAKS
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.finding_script import script
from gradlaws.reports.gate import Decision, decide, regressed
from gradlaws.reports.reach import reaching
from gradlaws.reports.terminal import again, cell, covered
from gradlaws.reports.view import Cause, State, View, worst_of
from gradlaws.reports.wording import plural, ratio, short, some

#: Step summaries hold a mebibyte; a person reads less.
CAUSES = 25
SIGNS = {State.HOLDS: "✅", State.BROKEN: "❌", State.PARTIAL: "🟡", State.OPEN: "❔"}
GATE = {Exit.CONFORMS: "✅", Exit.FAILS: "❌", Exit.UNKNOWN: "❔"}


def markdown(views: Sequence[View], decision: Decision | None = None) -> str:
    """The report on one engine, or on several side by side; decision and root causes first."""
    return "\n".join(_lines(views, decision or decide(views))) + "\n"


def _head(views: Sequence[View], decision: Decision) -> Iterator[str]:
    """What whoever is asked to release looks for."""
    yield f"## {GATE[decision.code]} gradlaws: {decision.word} (exit code {decision.code})"
    yield ""
    yield from (f"- {_escaped(line)}" for line in decision.told)
    for difference in decision.differences:
        yield f"- baseline {_escaped(f'{difference.old.name}, {difference.old.record.name}: {difference.counts}')}"
        if worse := regressed(difference):
            yield f"  - regressed: {', '.join(f'**{c.name}** ({c.old} → {c.new})' for c in worse)}"
    for view in views:
        yield f"- verdicts{f' on {_escaped(view.name)}' * (len(views) > 1)}: {view.counts or 'none'}"
    yield ""
    for view in views:
        for cause in view.causes[:CAUSES]:
            yield from _cause(cause, view, len(views) > 1)
        if len(view.causes) > CAUSES:
            yield f"and {len(view.causes) - CAUSES} more root causes; the HTML report has them all."
            yield ""


def _lines(views: Sequence[View], decision: Decision) -> Iterator[str]:
    yield from _head(views, decision)
    yield "## Gradient access (.grad), law by law"
    yield ""
    yield from _row(["", *(_escaped(view.name) for view in views)])
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
    yield f"### {_escaped(view.name)}"
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
    if far := reaching(view):
        yield f"- {far}"
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


def _cause(cause: Cause, view: View, several: bool) -> Iterator[str]:
    yield f"#### ❌ {_escaped(cause.title)}{f' (on {_escaped(view.name)})' * several}"
    yield ""
    finding = cause.finding
    step = f"After {_code(finding.step)}: " if finding and finding.step else ""
    yield f"{step}{_escaped(short(cause.message, 400))} ([source]({cause.source}))"
    yield ""
    if cause.others:
        yield f"Explains {some(cause.others)}{'' if cause.owner else ' too'}."
        yield ""
    if finding is not None and (text := script(finding, view.name)):
        yield "<details open><summary>Minimal program</summary>"
        fence = _fence(text, 3)
        yield from ("", f"{fence}python", text.rstrip(), fence, "", "</details>", "")
    yield f"Again: {_code(again(cause.shown, view.record.path))}"
    yield ""


def _laws(view: View) -> Iterator[str]:
    yield f"<details><summary>All laws of {_escaped(view.name)}</summary>"
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
                ratio(worst_of(result)),
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
    yield "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\|", _line(text)) for text in cells) + " |"


def _escaped(text: str) -> str:
    """A text of somebody else's, in which nothing is markup."""
    text = _line(text).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*\[\]|~]|(?<!\w)_|_(?!\w))", r"\\\1", text)


def _code(text: str) -> str:
    """A text as a code span, whatever it holds."""
    line, fence = _line(text), _fence(text, 1)
    pad = " " * ("`" in line)
    return f"{fence}{pad}{line}{pad}{fence}"


def _fence(text: str, least: int) -> str:
    """More backticks than there are in a row in a text."""
    return "`" * max([least, *(len(run) + 1 for run in re.findall("`+", text))])


def _line(text: str) -> str:
    return " ".join(text.split())
