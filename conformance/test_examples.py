"""The documented examples on every backend."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from gradlaws.conformance.campaign import LINE, Campaign, Case
from gradlaws.conformance.lines import example_line
from gradlaws.conformance.printing import source
from gradlaws.conformance.scripts import Example


def test_example(
    example_case: Case, campaign: Campaign, record_property: Callable[[str, object], None]
) -> None:
    """What the documentation shows is what happens."""
    example, backend = example_case.subject, example_case.backend
    assert isinstance(example, Example)
    missing = example.missing(backend)
    with backend.session():
        breaches = [] if missing else list(example.breaches(backend))
    known = campaign.known[backend.name]
    entries = [entry for law in example.laws if (entry := known.excuse(law, example.program))]
    entry = entries[0] if breaches and entries else None
    record_property(LINE, json.dumps(example_line(example, backend, breaches, missing, entry)))
    if missing:
        pytest.skip(f"UNSUPPORTED: needs {', '.join(missing)}")
    if entry is not None:
        pytest.xfail(f"KNOWN: {entry.law}: {entry.reason} ({entry.link})")
    if breaches:
        program = "\n".join("    " + text for text in source(example.program, backend.spellings).splitlines())
        pytest.fail(f"{breaches[0]}\n\n{example.sentence}\n{example.source}\n\n{program}", pytrace=False)
