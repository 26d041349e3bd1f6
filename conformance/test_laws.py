"""The meeting place: every law on every backend."""

from __future__ import annotations

import json
from collections.abc import Callable

from gradlaws.conformance.campaign import LINE, Campaign, Case
from gradlaws.conformance.judging import judge, replayed
from gradlaws.conformance.laws import Law
from gradlaws.conformance.parametrizing import end


def test_law(law_case: Case, campaign: Campaign, record_property: Callable[[str, object], None]) -> None:
    """The engine keeps the law."""
    law, backend = law_case.subject, law_case.backend
    assert isinstance(law, Law)
    campaign.journal.begin(backend)
    with campaign.watched():
        if campaign.replay is not None:
            result = replayed(law, campaign.replay.program, backend, campaign.replay.effort)
        else:
            result = judge(
                law, backend, campaign.effort, campaign.known[backend.name], campaign.journal.write
            )
    line = campaign.line_of(result)
    record_property(LINE, json.dumps(line))
    end(result, line)
