"""The meeting place: every law on every backend."""

from __future__ import annotations

import json
from collections.abc import Callable

from gradlaws.conformance.suite.campaign import LINE, Campaign
from gradlaws.conformance.suite.cases import Case
from gradlaws.conformance.suite.pytest_outcome import end


def test_law(law_case: Case, campaign: Campaign, record_property: Callable[[str, object], None]) -> None:
    """The engine keeps the law."""
    result = campaign.judge(law_case)
    line = campaign.line_of(result)
    record_property(LINE, json.dumps(line))
    end(result, campaign.failure(line))
