"""Workflow commands of GitHub Actions: one annotation per root cause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradlaws.conformance.judgement.verdict import BREAKS, Verdict
from gradlaws.reports.finding_script import script
from gradlaws.reports.gate import Decision
from gradlaws.reports.terminal import again
from gradlaws.reports.view import View
from gradlaws.reports.wording import plural, some


def annotated(views: Sequence[View], decision: Decision | None = None) -> str:
    """The commands, a line each. GitHub shows ten errors and ten warnings a step."""
    return "".join(f"{line}\n" for view in views for line in _lines(view))


def _lines(view: View) -> Iterator[str]:
    for cause in view.causes:
        parts = [*([cause.owner] if cause.owner else []), cause.sentence, cause.message]
        parts += [f"Explains {some(cause.others)}{'' if cause.owner else ' too'}."] if cause.others else []
        parts += [script(cause.finding, view.name)] if cause.finding and cause.finding.program else []
        parts += [f"Again: {again(cause.shown, view.record.path)}"]
        yield _command("error", f"{cause.shown.verdict} {cause.law} on {view.name}", "\n\n".join(parts))
    for result in view.stale:
        yield _command("error", f"STALE {result.law} on {view.name}", result.message)
    for example in view.documented:
        if example.verdict in BREAKS:
            yield _command("error", f"{example.name} on {view.name}", example.message)
    if view.known:
        named = some([result.law for result in view.known])
        yield _command("notice", f"{plural(len(view.known), 'known failure')} of {view.name}", named)
    unknown = [result.law for result in view.ordered if result.verdict is Verdict.UNKNOWN]
    if unknown or not view.record.finished:
        yield _command(
            "warning",
            f"incomplete on {view.name}",
            f"Nothing is known of {some([*unknown, *view.untried])}."
            if unknown or view.untried
            else "Cut short.",
        )


def _command(kind: str, title: str, text: str) -> str:
    return f"::{kind} title={_value(title)}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _value(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
