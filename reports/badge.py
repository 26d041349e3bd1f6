"""The level reached, in the colour of the gate's decision, as an endpoint file of shields.io: https://shields.io/badges/endpoint-badge."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gradlaws.conformance.judgement.verdict import BREAKS
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.gate import Decision, decide
from gradlaws.reports.view import View
from gradlaws.reports.wording import plural


def badge(views: Sequence[View], decision: Decision | None = None) -> str:
    """The JSON; of several engines the badge shows each. Colours are told in `gradlaws.reports.gate`."""
    decision = decision or decide(views)
    texts = [f"{view.engine.name} {_one(view)}" if len(views) > 1 else _one(view) for view in views]
    if decision.code == Exit.UNKNOWN and "unknown" not in texts:
        texts.append("not all is known")
    return json.dumps(
        {"schemaVersion": 1, "label": ".grad laws", "message": " | ".join(texts), "color": decision.colour},
        ensure_ascii=False,
    )


def _one(view: View) -> str:
    best = view.reached
    if not view.record.finished or not view.total.assertions:
        return "unknown"
    declared = f", {plural(len(view.engine.conventions), 'deviation')}" if view.engine.conventions else ""
    broken = sum(view.total.verdicts[verdict] for verdict in BREAKS)
    failing = f", {plural(broken, 'law fails', 'laws fail')}" if broken else ""
    if best is None:
        return f"{view.total.kept} of {len(view.total.results)} kept{declared}"
    known = f", {plural(len(best.known), 'known failure')}" if best.known else ""
    return f"{best.level}{failing}{known}{declared}"
