"""Writes what fails into a list of known failures, below whatever a person has written there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence

from gradlaws.conformance.judgement.verdict import BREAKS, Verdict
from gradlaws.conformance.known_failures.entry import Known
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.known_failures.program_marks import MARKS
from gradlaws.conformance.known_failures.symptom import Symptom, symptom
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.serialization import loaded
from gradlaws.reports.record import LawResult
from gradlaws.reports.view import View

#: Names the deviation that does what a finding shows.
Explained = Callable[[LawResult], str]
#: `reason (link)`, as the record has it.
TOLD = re.compile(r"(.*) \((https?://\S+)\)", re.DOTALL)
#: A script that fails as long as the defect is there.
SHOWS = re.compile(r"^\s*(assert|raise AssertionError)\b", re.MULTILINE)
#: The family of what stands for whole programs.
WHOLE = "WHOLE"
HEAD = """\
# What {engine} is known to break. Each entry needs a `reason` and a `link`; a run with --known-failures and this
# file excuses it then, and reports count it. An entry where nothing fails any more is STALE, and an error.
"""


def added(
    text: str,
    view: View,
    listed: KnownFailures,
    reason: str = "",
    link: str = "",
    explained: Explained = lambda result: "",
) -> tuple[str, list[str]]:
    """(the text with an entry more for each law that fails and is not listed, these laws).

    explained: names the deviation that does what a result shows; empty if there is none.

    What is there stays as it is. A reason or link that nobody gave is left empty, and the file is refused until
    a person has filled it in.
    """
    new = {law: result for law, result in failing(view) if law not in listed.laws}
    if not new:
        return text, []
    parts = [text if text.strip() else HEAD.format(engine=view.name)]
    parts += [_entry(law, result, reason, link, explained) for law, result in new.items()]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts), list(new)


def failing(view: View) -> Iterator[tuple[str, LawResult]]:
    """The laws to list: the one that is blamed where it fails itself, or fails in whole programs.

    Else the one on trial. What stands for whole programs is no law, and an error there cannot be listed.
    """
    by_law = {r.law: r for r in view.ordered if r.verdict in (BREAKS - {Verdict.STALE}) | {Verdict.KNOWN}}
    for law, result in by_law.items():
        blamed = result.finding.law if result.finding else law
        if blamed in by_law and by_law[blamed].family != WHOLE:
            yield blamed, by_law[blamed]
        elif result.family != WHOLE:
            yield law, result
        elif blamed != law:
            yield blamed, result


def _entry(law: str, result: LawResult, reason: str, link: str, explained: Explained) -> str:
    told = TOLD.fullmatch(result.known) if result.verdict is Verdict.KNOWN else None
    if told is not None:
        reason, link = told.groups()
    finding = result.finding
    step = f"after `{finding.step}`: " if finding and finding.step else ""
    sentence = finding.sentence if finding and finding.law == law else result.sentence
    lines = ["[[known]]", f"law = {_quoted(law)}", _comment(sentence)]
    if result.message:
        lines.append(_comment(step + result.message))
    lines += [f"reason = {_quoted(reason)}", f"link = {_quoted(link)}"]
    lines += _extent(result, explained)
    if finding and finding.law == law and SHOWS.search(finding.script):
        lines.append(f"script = {_block(finding.script)}")
    return "\n".join(lines)


def _extent(result: LawResult, explained: Explained) -> Iterator[str]:
    """What an entry excuses: what a deviation does, or what was seen, where it was seen."""
    finding = result.finding
    if finding is not None and (deviation := explained(result)):
        yield f"deviation = {_quoted(deviation)}"
        return
    seen = Symptom() if finding is None else symptom(finding.thing, finding.got, finding.expected)
    if seen.seen:
        by_chance = ["zeros"] * (seen.seen == "numbers")  # as which wrong numbers come out, too
        yield f"seen = {_quoted([seen.seen, *by_chance])}"
    if seen.seen == "accepted":
        return
    steps = Program(()) if finding is None else loaded([dict(step) for step in finding.steps])
    marks = [name for name, mark in MARKS.items() if mark(steps, seen)]
    ops = [] if finding is None else sorted(finding.used)
    if marks:  # the last is the one that says least
        there = f"; there are {', '.join(marks[:-1])}, too" if marks[:-1] else ""
        yield f"steps = {_quoted(marks[-1:])}    # say which relation the defect needs{there}"
    if ops:
        yield f"{'# ' * bool(marks)}ops = {_quoted(ops)}    # to excuse only programs with one of these"
    if not marks and not ops:
        yield 'broad = ""    # no op or relation was seen that the defect needs; say why there is none'


def _block(text: str) -> str:
    """Several lines as TOML: as they are, if that can be."""
    plain = "'''" not in text and all(c == "\n" or c.isprintable() for c in text)
    return f"'''\n{text.rstrip()}\n'''" if plain else _quoted(text)


def _quoted(value: str | Sequence[str]) -> str:
    """As TOML, which has JSON's strings but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    line = " ".join(text.split())
    return "# " + "".join(c if c.isprintable() else "?" for c in line)[:200]


def described(entry: Known) -> str:
    """An entry in a line."""
    conditions = [
        f"{name}: {', '.join(sorted(getattr(entry, name)))}"
        for name in ("seen", "steps", "ops", "dtypes", "modes", "capabilities")
        if getattr(entry, name)
    ]
    conditions += [f"deviation: {entry.deviation}"] if entry.deviation else []
    conditions += [f"broad: {entry.broad}"] if entry.broad else []
    conditions += [f"versions: {entry.versions}"] if entry.versions else []
    conditions += [f"until {entry.until}"] if entry.until else []
    also = f" and {', '.join(sorted(entry.also))}" if entry.also else ""
    only = f" [{'; '.join(conditions)}]" if conditions else ""
    return f"{entry.law}{also}{only}: {entry.reason} ({entry.link})"
