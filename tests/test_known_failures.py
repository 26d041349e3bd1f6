"""The list of known failures that is shipped for PyTorch says what is true today."""

from __future__ import annotations

import warnings

import pytest

from gradlaws.conformance.known import Known, shipped
from gradlaws.conformance.promises import promise

ENTRIES = shipped("torch").entries


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.law)
def test_each_entry_reproduces_in_five_lines(entry: Known) -> None:
    pytest.importorskip("torch")
    assert promise(entry.law)[0]
    assert entry.link.startswith("https://")
    assert len(entry.script.strip().splitlines()) <= 5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert entry.reproduces(), f"{entry.law} no longer shows: {entry.reason}"


def test_a_script_that_is_refused_or_passes_shows_nothing() -> None:
    for script, shows in (("raise RuntimeError", False), ("pass", False), ("assert False", True), ("", None)):
        assert Known("ACC-01", "so", "https://x.y", script=script).reproduces() is shows
