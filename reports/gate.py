"""The decision on a release, from its record: one exit code, the reasons for it, and what stands beside it.

Every form of the report begins with it. Its colour, on a badge as anywhere: green where the release conforms and a
level is reached with nothing counted beside it; yellow where it conforms but for known failures, declared deviations,
failures that the baseline has too, or without reaching a level, and where nothing fails but something is not known;
red where it does not conform, a stale entry included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gradlaws.conformance.judgement.verdict import BREAKS, SILENT, Verdict
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.record_difference import Change, Difference
from gradlaws.reports.view import State, View
from gradlaws.reports.wording import plural, some

#: Of so many laws or more, next to nothing is judged where fewer than one in `SCANT` is.
MANY, SCANT = 40, 8

WORDS = {Exit.CONFORMS: "conforms", Exit.FAILS: "does not conform", Exit.UNKNOWN: "unknown"}


@dataclass(frozen=True)
class Decision:
    """Exit code and reasons; no reason with code 0.

    differences: against a baseline, where there is one.
    beside:      what a reader of "conforms" should know, in a line each: known deaths of the process.
    scant:       engines of which next to nothing was judged, in a line each: whatever else is told tells little then.
    colour:      green, yellow or red.
    """

    code: Exit
    reasons: tuple[str, ...]
    differences: tuple[Difference, ...] = ()
    beside: tuple[str, ...] = ()
    colour: str = "green"
    scant: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """The decision in a word or two."""
        return WORDS[self.code]

    @property
    def headline(self) -> str:
        """The decision in a line."""
        return f"gate: {self.word} (exit code {self.code})"

    @property
    def told(self) -> tuple[str, ...]:
        """All that is said of the decision, a line each, in the order in which it matters."""
        return (*self.scant, *self.reasons, *self.beside)

    @property
    def sentence(self) -> str:
        """The decision in words, a line a reason, and a line each for what stands beside it."""
        return "\n".join([self.headline, *(f"    {line}" for line in self.told)])


def decide(
    views: Sequence[View],
    level: str | None = None,
    differences: Sequence[Difference] | None = None,
    baseline: Sequence[Difference] = (),
) -> Decision:
    """What the records say about a release.

    level:       this claim has to hold.
    differences: against a baseline; if given, only what has become worse counts as failed, and a law that the
                 baseline does not have is no reason for anything.
    baseline:    differences that are told beside the decision, and do not change it.
    """
    failed, open_ = [], []
    added = {change.law for difference in differences or () for change in difference.added}
    for view in views:
        failed += [] if differences is not None else _broken(view)
        open_ += _unknown(view, added)
        if level is not None:
            claim = next(claim for claim in view.claims if claim.level == level)
            if claim.state is not State.HOLDS:
                (open_ if claim.state is State.OPEN else failed).append(
                    f"{view.name}: --require-level {level}: {claim.sentence}"
                )
    for difference in differences or ():
        if worse := regressed(difference):
            laws = some([f"{c.name} ({c.old} to {c.new})" for c in worse])
            failed.append(f"{difference.new.name}: {plural(len(worse), 'law')} regressed: {laws}")
    code = Exit.FAILS if failed else Exit.UNKNOWN if open_ else Exit.CONFORMS
    beside = tuple(line for view in views for line in _beside(view))
    colour, scant = _colour(code, views), tuple(line for view in views for line in _scant(view))
    return Decision(code, (*failed, *open_), tuple(differences or baseline), beside, colour, scant)


def regressed(difference: Difference) -> list[Change]:
    """What has become worse, and is not listed."""
    return [change for change in difference.regressed if change.new is not Verdict.KNOWN]


def _colour(code: Exit, views: Sequence[View]) -> str:
    if code == Exit.FAILS:
        return "red"
    clean = all(view.reached and not view.reached.but and not view.causes for view in views)
    return "green" if code == Exit.CONFORMS and clean and views else "yellow"


def _beside(view: View) -> list[str]:
    by = [f"{view.name}: {view.record.laws_of}"] if view.record.laws_of else []
    return by + [
        f"{view.name}: the process can die or hang, as listed: {result.law}: {result.known or result.message}"
        for result in view.known_deaths
    ]


def _scant(view: View) -> list[str]:
    """That of many laws hardly any was judged, and why."""
    judged = [r for r in view.results if r.verdict not in SILENT]
    if len(view.results) < MANY or len(judged) * SCANT >= len(view.results):
        return []
    needs = Counter(need for result in view.results for need in result.missing).most_common(4)
    why = "; ".join(f"{plural(n, 'law')} need{'s' * (n == 1)} {need}" for need, n in needs)
    nothing = sum(result.verdict is Verdict.UNKNOWN for result in view.results)
    asserted = f"; {plural(nothing, 'law')} asserted nothing" if nothing else ""
    return [
        f"{view.name}: next to nothing was judged: {len(judged)} of {len(view.results)} laws; {why}{asserted}"
    ]


def _broken(view: View) -> list[str]:
    reasons = []
    for verdict in Verdict:
        laws = [r.name for r in view.ordered if r.verdict is verdict]
        laws += [e.name for e in view.documented if e.verdict is verdict]
        if verdict in BREAKS and laws:
            reasons.append(f"{view.name}: {len(laws)} {verdict}: {some(laws)}")
    return reasons


def _unknown(view: View, added: Collection[str] = ()) -> list[str]:
    """What is not known; `added`: laws that a baseline did not have, of which nothing need be."""
    reasons = []
    if not view.record.finished:
        reasons.append(f"{view.name}: the run was cut short, {plural(len(view.untried), 'law')} not tried")
    elif view.untried:
        reasons.append(f"{view.name}: not tried: {', '.join(view.untried)}")
    if not view.total.assertions:
        reasons.append(f"{view.name}: no assertion was executed, so nothing is known")
    unknown = [result.law for result in view.ordered if result.verdict is Verdict.UNKNOWN]
    laws = [law for law in unknown if law not in added]
    if laws:
        reasons.append(f"{view.name}: UNKNOWN: {', '.join(laws)}")
    return reasons
