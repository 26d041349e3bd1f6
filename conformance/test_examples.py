"""The documented examples on every backend."""

from __future__ import annotations

import json
from collections.abc import Callable

from gradlaws.conformance.documented.script import Example
from gradlaws.conformance.language.source import source
from gradlaws.conformance.suite.campaign import LINE, Campaign
from gradlaws.conformance.suite.cases import Case
from gradlaws.conformance.suite.example_verdict import judge_example
from gradlaws.conformance.suite.pytest_outcome import end
from gradlaws.conformance.suite.record_lines import example_line


def test_example(
    example_case: Case, campaign: Campaign, record_property: Callable[[str, object], None]
) -> None:
    """What the documentation shows is what happens."""
    example, backend = example_case.subject, example_case.backend
    assert isinstance(example, Example)
    with campaign.kept():
        result = judge_example(
            example, backend, campaign.options.known[backend.name], campaign.options.effort
        )
    record_property(LINE, json.dumps(example_line(result)))
    program = "\n".join(
        "    " + text for text in source(example.program(backend), backend.spellings).splitlines()
    )
    end(result, f"{result.message}\n\n{example.sentence}\n{example.source}\n\n{program}")
