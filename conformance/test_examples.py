"""The documented examples on every backend."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from gradlaws.conformance.campaign import LINE, Campaign, Case
from gradlaws.conformance.lines import example_line
from gradlaws.conformance.printing import source
from gradlaws.conformance.scripts import Example
from gradlaws.conformance.verdict import Verdict


def test_example(
    example_case: Case, campaign: Campaign, record_property: Callable[[str, object], None]
) -> None:
    """What the documentation shows is what happens."""
    example, backend = example_case.subject, example_case.backend
    assert isinstance(example, Example)
    line = example_line(example, backend, campaign.known[backend.name], campaign.effort.dialect)
    record_property(LINE, json.dumps(line))
    verdict, message = line["verdict"], line["message"]
    if verdict == Verdict.UNSUPPORTED:
        pytest.skip(f"UNSUPPORTED: {message}")
    if verdict == Verdict.KNOWN:
        pytest.xfail(f"KNOWN: {message}")
    if verdict not in (Verdict.PASS, Verdict.DECLARED):
        program = "\n".join("    " + text for text in source(example.program, backend.spellings).splitlines())
        pytest.fail(f"{message}\n\n{example.sentence}\n{example.source}\n\n{program}", pytrace=False)
