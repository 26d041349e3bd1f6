"""What the terminal shows: a failure that fits a screen, and for each engine level, table and root causes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote

from gradlaws.conformance.judgement.verdict import BREAKS, Verdict
from gradlaws.reports.gate import Decision, regressed
from gradlaws.reports.record import LawResult
from gradlaws.reports.view import KEPT, Family, State, View, worst_of
from gradlaws.reports.wording import plural, ratio, short, some

#: Verdicts by column of the table, in order; the rest is `other`.
COLUMNS = (Verdict.PASS, Verdict.DECLARED, Verdict.FAIL, Verdict.KNOWN, Verdict.UNSUPPORTED, Verdict.UNKNOWN)
HEAD = (
    *("family", "laws", "pass", "decl", "fail", "known", "unsup", "unknown", "other"),
    *("programs", "assertions", "worst", "s"),
)
#: How many engines stand beside each other; more stand below each other.
ABREAST = 3

#: How often an op was differentiated, in a word.
ORDERS = {1: "once", 2: "twice", 3: "three times"}


def failure(result: LawResult, record: Path | None = None) -> str:
    """One failing law: what was seen, the sentence and its source, the program, and how to run just that."""
    finding = result.finding
    parts = [f"{result.verdict} {result.broken} on {result.backend}"]
    if result.broken != result.law:
        parts[0] += f", shown by the programs of {result.law}"
    seen = result.message
    if finding is not None and finding.step and f"`{finding.step}`" not in seen:
        seen = f"after `{finding.step}`: {seen}"
    told = finding or result
    parts += [seen, "", f"law:    {told.sentence}", f"source: {told.source}"]
    if finding is not None and finding.program:
        parts += ["", "program:", *("    " + text for text in finding.program.splitlines())]
    parts += ["", f"again:  {again(result, record)}"]
    if finding is not None and finding.cause is not None and finding.cause.title:
        parts.append(f"cause:  {finding.cause.title}")
    return "\n".join(parts)


def again(result: LawResult, record: Path | None = None) -> str:
    """The command that runs just this again: from a record, or from what pytest remembers."""
    replay = result.finding.replay if result.finding else None
    given = quote(result.given)
    if record is None:
        what = f"--replay {replay}" if replay else f"-k {result.law}"
        return f"pytest --backend {given} {what}"
    if replay:
        return f"gradlaws replay {replay} --record {record.name}"
    return f"gradlaws run --backend {given} --laws {result.law}"


def table(view: View) -> list[str]:
    """The lines of the table of one engine: families against verdicts, with what was really run."""
    rows = [_row(family) for family in view.families]
    if view.documented:
        rows.append(_row(Family("examples", view.documented)))
    if len(rows) > 1:
        rows.append(_row(view.total))
    return columns([HEAD, *rows])


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines: the first column to the left, the others to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _row(family: Family) -> tuple[str, ...]:
    counts = [family.verdicts[column] for column in COLUMNS]
    counts.append(len(family.results) - sum(counts))
    return (
        family.name,
        str(len(family.results)),
        *(str(count) if count else "." for count in counts),
        f"{family.programs:,}",
        f"{family.assertions:,}",
        ratio(family.worst),
        f"{family.seconds:.1f}",
    )


def standing(view: View) -> Iterator[str]:
    """The level reached, what stands in the way of the next, and what is declared and listed."""
    best = view.reached
    yield f"level reached: {best.sentence if best else 'none'}"
    for claim in view.claims:
        if claim.state is not State.HOLDS:
            yield claim.sentence
        for verdict, laws in claim.grouped.items():
            yield f"    {verdict}: {some(laws)}"
    if apart := [result for result in view.undocumented if result.verdict is not Verdict.UNSUPPORTED]:
        kept = sum(result.verdict in KEPT for result in apart)
        yield f"beside the levels: {kept} of {plural(len(apart), 'law')} kept that no documentation promises"
    for one in view.declared:
        behind = f"; behind {some(one.laws)}" if one.laws else ""
        yield f"declared: {one.convention} = {one.value}: {one.meaning}{behind}"
    if view.known:
        yield f"known failures: {', '.join(result.law for result in view.known)}"
    if hidden := excused(view):
        yield hidden
    if coverage := covered(view):
        yield coverage
    if not view.record.finished:
        yield f"incomplete: the run was cut short, {plural(len(view.untried), 'law')} not tried"


def excused(view: View) -> str:
    """How many programs the list of known failures excused, and under which laws it has them."""
    by_law: Counter[str] = Counter()
    for label, (programs, _) in view.excused.items():
        by_law[label.partition(":")[0]] += programs
    told = [f"{law} {programs:,}" for law, programs in by_law.most_common()]
    return f"excused by the list: {by_law.total():,} programs: {', '.join(told)}" if told else ""


def laws(view: View) -> Iterator[str]:
    """Every law in two lines: what came of it, and what it says."""
    rows = [("law", "verdict", "programs", "assertions", "worst", "s")]
    rows += [
        (
            result.law,
            str(result.verdict),
            f"{result.programs:,}",
            f"{result.assertions:,}",
            ratio(worst_of(result)),
            f"{result.seconds:.2f}",
        )
        for result in view.ordered
    ]
    head, *lines = columns(rows)
    yield head
    for line, result in zip(lines, view.ordered, strict=True):
        yield f"{line}  {result.sentence}"
        yield f"{' ' * len(head)}  {result.source}"


def covered(view: View) -> str:
    """How many ops of the engine were in programs, and differentiated how often; empty where nothing is said."""
    if not view.record.ops:
        return ""
    said = [view.record.ops.get(op, {}) for op in view.engine.ops]
    used = [one for one in said if one.get("programs")]
    highest = [max((int(order) for order in one.get("orders", {})), default=0) for one in used]
    times = [
        f"{sum(h >= order for h in highest)} {word}" for order, word in ORDERS.items() if order in highest
    ]
    derived = f"; differentiated: {', '.join(times)}" if any(highest) else ""
    return f"ops: {len(used)} of {len(said)} that the engine has were covered{derived}"


def causes(view: View) -> Iterator[str]:
    """Failures by root cause, in a line each."""
    if view.causes:
        failing = len({law for cause in view.causes for law in cause.laws})
        yield f"{plural(failing, 'law fails', 'laws fail')} from {plural(len(view.causes), 'root cause')}:"
    for cause in view.causes:
        yield f"    {cause.title}"
        if cause.message:
            yield f"        {short(cause.message, 160)}"
        if cause.others:
            yield f"        explains {', '.join(cause.others)}{'' if cause.owner else ' too'}"
    for result in view.stale:
        yield f"    {result.law} STALE: {result.message}"
    for example in view.documented:
        if example.verdict in BREAKS:
            yield f"    {example.name}: {example.message}"


def head(views: Sequence[View], decision: Decision) -> Iterator[str]:
    """What stands first for whoever is asked to release: decision, baseline, verdicts, root causes."""
    yield from decision.sentence.splitlines()
    for difference in decision.differences:
        yield f"baseline: {difference.old.name}, {difference.old.record.name}: {difference.counts}"
        if worse := regressed(difference):
            yield f"    regressed: {', '.join(f'{c.name} ({c.old} to {c.new})' for c in worse)}"
    for view in views:
        yield f"verdicts{f' on {view.name}' * (len(views) > 1)}: {view.counts or 'none'}"
        yield from causes(view)
    yield ""


def report(views: Sequence[View], decision: Decision | None = None) -> Iterator[str]:
    """Everything about one engine, or several side by side.

    decision: on these; it and the root causes come first. Without, root causes come last, as a terminal wants it.
    """
    if decision is not None:
        yield from head(views, decision)
    if len(views) > 1:
        yield from columns(side_by_side(views))
        yield ""
    for view in views:
        record = view.record
        yield f"----- {view.name} -----"
        yield (
            f"profile {record.profile}: {record.examples} programs a law, seed {record.seed}, gradlaws "
            f"{record.gradlaws}, Python {record.python} on {record.platform}, {record.started}"
            + (f", judged as {record.judged}" if record.judged else "")
            + ("" if record.sealed else ", not sealed: it was written by an earlier version")
        )
        yield from standing(view)
        yield ""
        yield from table(view)
        yield f"verdicts: {view.counts or 'none'}"
        if decision is None and (view.causes or view.stale or view.total.broken):
            yield ""
            yield from causes(view)
        yield ""


def side_by_side(views: Sequence[View]) -> list[list[str]]:
    """Families by engine: how many laws pass of how many. Many engines are the rows, with an ! where laws fail."""
    names = sorted({family.name for view in views for family in view.families})
    by_name = [{family.name: family for family in view.families} | {"all": view.total} for view in views]
    levels = [view.reached.level if view.reached else "none" for view in views]
    if len(views) > ABREAST:
        rows = [["", "level", *names, "all"]]
        for view, level, own in zip(views, levels, by_name, strict=True):
            rows.append([view.name, level, *(brief(own[n]) if n in own else "-" for n in (*names, "all"))])
        return rows
    rows = [["", *(view.name for view in views)], ["level", *levels]]
    return rows + [[n, *(cell(own[n]) if n in own else "-" for own in by_name)] for n in (*names, "all")]


def brief(family: Family) -> str:
    """`5/8!`: laws that pass, of how many; an ! where some fail."""
    return f"{family.kept}/{len(family.results)}{'!' if any(family.verdicts[v] for v in BREAKS) else ''}"


def cell(family: Family) -> str:
    """`5/8 2 fail 1 known`: what is behind a number of laws."""
    rest = {
        "decl": family.verdicts[Verdict.DECLARED],
        "fail": sum(family.verdicts[v] for v in BREAKS),
        "known": family.verdicts[Verdict.KNOWN],
        "unsup": family.verdicts[Verdict.UNSUPPORTED],
        "unknown": family.verdicts[Verdict.UNKNOWN],
    }
    return " ".join(
        [
            f"{family.kept}/{len(family.results)}",
            *(f"{count} {name}" for name, count in rest.items() if count),
        ]
    )
