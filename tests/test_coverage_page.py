"""Every promise of the catalogue is a law, judged by whole programs, or listed with the reason why it is neither."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.laws.whole_program_laws import PROMISES

DOCS = Path(__file__).resolve().parent.parent / "docs"
FILE = DOCS / "uncovered.toml"
FAMILIES: dict[str, dict[str, Any]] = tomllib.loads(FILE.read_text("utf-8"))["families"]
SCOPES = {"portable", "pytorch"}


def ids(family: str) -> list[str]:
    return [f"{family}-{number:02}" for number in range(1, FAMILIES[family]["count"] + 1)]


@pytest.mark.parametrize("family", FAMILIES)
def test_each_promise_is_judged_or_listed(family: str) -> None:
    listed = FAMILIES[family].keys() - {"count"}
    judged = LAWS.keys() | PROMISES.keys()
    done = sorted(listed & judged)
    assert done == [], f"docs/uncovered.toml: these are judged now, take their lines out: {', '.join(done)}"
    bare = [identity for identity in ids(family) if identity not in judged | listed]
    assert bare == [], (
        f"docs/uncovered.toml: say why these are no laws, under families.{family}: {', '.join(bare)}"
    )
    strange = sorted(listed - set(ids(family)))
    assert strange == [], f"docs/uncovered.toml: no ids of {family}: {', '.join(strange)}"


def test_no_promise_is_both_a_law_and_judged_by_whole_programs_only() -> None:
    both = sorted(LAWS.keys() & PROMISES.keys())
    assert both == [], f"laws by now, take them out of PROMISES: {', '.join(both)}"


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_not_covered_has_a_reason(family: str) -> None:
    for identity, entry in FAMILIES[family].items():
        if identity == "count":
            continue
        assert entry.keys() <= {"scope", "promise", "reason"}, identity
        assert entry["scope"] in SCOPES, identity
        assert entry["promise"].strip(), identity
        assert entry["scope"] == "pytorch" or entry.get("reason", "").strip(), (
            f"{identity} is portable: say what a law would need, or why there can be none"
        )


def test_every_family_is_known() -> None:
    assert {law.split("-")[0] for law in (*LAWS, *PROMISES)} <= FAMILIES.keys()
    assert sum(family["count"] for family in FAMILIES.values()) == 353


AREAS: dict[str, dict[str, dict[str, str]]] = tomllib.loads((DOCS / "pytorch_tests.toml").read_text("utf-8"))[
    "areas"
]


@pytest.mark.parametrize("area", AREAS)
def test_pytorchs_own_tests_are_asked_by_laws_or_it_is_said_why_not(area: str) -> None:
    covered, bare = AREAS[area]["covered"], AREAS[area].get("uncovered", {})
    assert covered.keys().isdisjoint(bare)
    for test, laws in covered.items():
        assert laws.split(), test
        assert set(laws.split()) <= LAWS.keys() | PROMISES.keys(), test
    assert all(bare.values())


def test_laws_ask_more_than_half_of_what_pytorchs_own_tests_ask() -> None:
    covered = sum(len(area["covered"]) for area in AREAS.values())
    bare = sum(len(area.get("uncovered", {})) for area in AREAS.values())
    text = (DOCS / "pytorch.md").read_text("utf-8")
    assert f"{covered} of {covered + bare}" in text, f"docs/pytorch.md: {covered} of {covered + bare}"
    assert covered > bare
