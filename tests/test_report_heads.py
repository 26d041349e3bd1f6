"""What stands first in every form of a report, and what an engine says shown as text."""

from __future__ import annotations

import json
import re
from html import unescape
from itertools import pairwise

import pytest
from small_records import PASSING, lines, result

from gradlaws.conformance.laws.whole_program_laws import promise
from gradlaws.reports.badge import badge
from gradlaws.reports.formats import FORMATS
from gradlaws.reports.gate import Decision, decide
from gradlaws.reports.record import parsed
from gradlaws.reports.record_difference import Difference
from gradlaws.reports.view import View, views


def view(verdicts: object = PASSING, **more: object) -> View:
    return views([parsed(lines(verdicts, **more))])[0]  # type: ignore[arg-type]


FOR_PEOPLE = ("text", "markdown", "html", "junit")


def visible(form: str, decision: Decision, *shown: View) -> str:
    """What a reader sees of a form."""
    said = FORMATS[form][0](shown, decision)
    return unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", said, flags=re.S)) if form == "html" else said


@pytest.mark.parametrize("form", FOR_PEOPLE)
def test_decision_baseline_and_root_cause_stand_first(form: str) -> None:
    whole = result("WHOLE-01", "FAIL", "toy", "HOOK-02", ("exp",))
    old, new = view(), view(PASSING | {"WHOLE-01": whole, "DET-01": "CRASH"})
    said = " ".join(visible(form, decide([new], None, [Difference(old, new)]), new).split())
    for first, then in pairwise(
        ["does not conform", "2 laws regressed", "1 CRASH", promise("HOOK-02")[0].rstrip(".")]
    ):
        assert 0 <= said.find(first) < said.find(then), (first, then, said[:800])
    assert "HOOK-02 (in WHOLE-01)" in said


@pytest.mark.parametrize("form", FOR_PEOPLE)
def test_that_next_to_nothing_was_judged_stands_first(form: str) -> None:
    few = view(
        {law: "PASS" if k < 5 else "UNSUPPORTED" for k, law in enumerate(PASSING)} | {"VAL-01": "FAIL"}
    )
    said = " ".join(visible(form, decide([few]), few).split())
    first = said.find("next to nothing was judged: 6 of")
    assert 0 <= first < said.find("1 FAIL")
    assert "next to nothing" not in visible(form, decide([view()]), view())


@pytest.mark.parametrize("form", FOR_PEOPLE)
def test_a_known_death_is_named_beside_the_decision(form: str) -> None:
    dies = result("DET-01", "KNOWN", "toy")
    dies.message = "CRASH: the process died"
    said = visible(form, decide([view(PASSING | {"DET-01": dies})]), view(PASSING | {"DET-01": dies}))
    assert "the process can die or hang, as listed: DET-01: by design" in said


@pytest.mark.parametrize("form", [*FOR_PEOPLE, "laws", "annotations"])
def test_what_an_engine_says_is_text_in_every_form(form: str) -> None:
    odd = result("ACC-01", "FAIL", "toy")
    odd.message = "\x1b[31mred\x07 \u202e\ud800 ``` <b>"
    assert odd.finding is not None
    odd.finding.got, odd.finding.program = "\x1b[2J\x9b", "x = 1\n# ```\x1b]0;mine\x07"
    said = FORMATS[form][0]([view(PASSING | {"ACC-01": odd})])
    assert all(c.isprintable() or c == "\n" for c in said)
    assert form == "laws" or "\\x1b" in said.replace("%5C", "\\")
    assert "````python" in said if form == "markdown" else "````" not in said


def test_exact_is_not_said_of_a_law_that_fails() -> None:
    odd = result("ACC-01", "FAIL", "toy")
    odd.worst = 0.0
    assert odd.finding is not None
    odd.finding.got = "[nan]"
    (line,) = [
        text for text in FORMATS["laws"][0]([view(PASSING | {"ACC-01": odd})]).splitlines() if "FAIL" in text
    ]
    assert "exact" not in line


@pytest.mark.parametrize(
    ("verdicts", "message", "colour"),
    [
        (PASSING, "full", "green"),
        (PASSING | {"ACC-01": "KNOWN"}, "full, 1 known failure", "yellow"),
        (PASSING | {"ACC-12": "FAIL"}, "core, 1 law fails", "red"),
        (PASSING | {"ACC-01": "STALE"}, "full, 1 law fails", "red"),
        (
            PASSING | {"ACC-01": "UNKNOWN"},
            f"{len(PASSING) - 1} of {len(PASSING)} kept | not all is known",
            "yellow",
        ),
        (PASSING | {"ACC-01": "FAIL"}, f"{len(PASSING) - 1} of {len(PASSING)} kept", "red"),
    ],
)
def test_the_badge_is_an_endpoint_of_shields(verdicts: dict[str, str], message: str, colour: str) -> None:
    made = json.loads(badge([view(verdicts)]))
    assert made == {"schemaVersion": 1, "label": ".grad laws", "message": message, "color": colour}
