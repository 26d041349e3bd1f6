"""Whole programs on every backend: everything that a program can do, mixed."""

from __future__ import annotations

import json
from collections.abc import Callable

from gradlaws.conformance.campaign import LINE, Campaign, Case
from gradlaws.conformance.judging import replayed
from gradlaws.conformance.parametrizing import end
from gradlaws.conformance.wholes import WHOLE, judged


def test_whole(whole_case: Case, campaign: Campaign, record_property: Callable[[str, object], None]) -> None:
    """The engine does what the reference expects."""
    backend, effort = whole_case.backend, campaign.effort
    campaign.journal.begin(backend)
    with campaign.watched():
        if campaign.replay is not None:
            result = replayed(WHOLE, campaign.replay.program, backend, campaign.replay.effort)
        else:
            result = judged(backend, effort, campaign.known[backend.name], campaign.journal.write)
    line = campaign.line_of(result)
    record_property(LINE, json.dumps(line))
    end(result, line)
