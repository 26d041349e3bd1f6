"""The decision on a release, from its record: one exit code, and the reasons for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.reports.record_difference import Difference
from gradlaws.reports.terminal import some
from gradlaws.reports.view import BREAKS, State, View, plural

CONFORMS, FAILS, UNKNOWN = 0, 1, 2


@dataclass(frozen=True)
class Decision:
    """Exit code and reasons; no reason with code 0."""

    code: int
    reasons: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The decision in words, a line a reason."""
        word = {CONFORMS: "conforms", FAILS: "does not conform", UNKNOWN: "unknown"}[self.code]
        return "\n".join(
            [f"gate: {word} (exit code {self.code})", *(f"    {reason}" for reason in self.reasons)]
        )


def decide(
    views: Sequence[View], level: str | None = None, differences: Sequence[Difference] | None = None
) -> Decision:
    """What the records say about a release.

    level:       this claim has to hold.
    differences: against a baseline; if given, only what has become worse counts as failed.
    """
    failed, open_ = [], []
    for view in views:
        failed += [] if differences is not None else _broken(view)
        open_ += _unknown(view)
        if level is not None:
            claim = next(claim for claim in view.claims if claim.level == level)
            if claim.state is not State.HOLDS:
                (open_ if claim.state is State.OPEN else failed).append(
                    f"{view.name}: --require-level {level}: {claim.sentence}"
                )
    for difference in differences or ():
        worse = [c for c in difference.regressed if c.new is not Verdict.KNOWN]
        if worse:
            laws = ", ".join(f"{c.law} ({c.old} to {c.new})" for c in worse)
            failed.append(f"{difference.new.name}: {plural(len(worse), 'law')} regressed: {laws}")
    code = FAILS if failed else UNKNOWN if open_ else CONFORMS
    return Decision(code, (*failed, *open_))


def _broken(view: View) -> list[str]:
    reasons = []
    for verdict in Verdict:
        laws = [r.law for r in view.ordered if r.verdict is verdict]
        laws += [e.name for e in view.documented if e.verdict is verdict]
        if verdict in BREAKS and laws:
            reasons.append(f"{view.name}: {len(laws)} {verdict}: {some(laws)}")
    return reasons


def _unknown(view: View) -> list[str]:
    reasons = []
    if not view.record.finished:
        reasons.append(f"{view.name}: the run was cut short, {plural(len(view.untried), 'law')} not tried")
    elif view.untried:
        reasons.append(f"{view.name}: not tried: {', '.join(view.untried)}")
    if not view.total.assertions:
        reasons.append(f"{view.name}: no assertion was executed, so nothing is known")
    laws = [result.law for result in view.ordered if result.verdict is Verdict.UNKNOWN]
    if laws:
        reasons.append(f"{view.name}: UNKNOWN: {', '.join(laws)}")
    return reasons
