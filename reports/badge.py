"""The level reached as an endpoint file of shields.io: https://shields.io/badges/endpoint-badge."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gradlaws.reports.view import View, plural


def badge(views: Sequence[View]) -> str:
    """The JSON; of several engines the badge shows each, and the colour of the worst."""
    said = [_one(view) for view in views]
    several = len(views) > 1
    texts = [
        f"{view.engine.name} {text}" if several else text for view, (text, _) in zip(views, said, strict=True)
    ]
    order = ("red", "lightgrey", "orange", "yellow", "green")
    colour = min((colour for _, colour in said), key=order.index, default="lightgrey")
    return json.dumps(
        {"schemaVersion": 1, "label": ".grad laws", "message": " | ".join(texts), "color": colour},
        ensure_ascii=False,
    )


def _one(view: View) -> tuple[str, str]:
    best = view.reached
    if not view.record.finished or not view.total.assertions:
        return "unknown", "lightgrey"
    declared = f", {plural(len(view.engine.conventions), 'deviation')}" if view.engine.conventions else ""
    if best is None:
        broken = sum(len(cause.laws) for cause in view.causes)
        kept = f"{view.total.kept} of {len(view.total.results)}"
        return f"{kept} kept{declared}", "red" if broken else "orange"
    if best.known:
        return f"{best.level}, {plural(len(best.known), 'known failure')}{declared}", "yellow"
    return f"{best.level}{declared}", "yellow" if declared else "green"
