"""Engines that differentiate functions: laws as they are told there hold of the reference, and notice faults."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import functional_instruments  # noqa: F401 - plants more of them
import pytest
from functional_faults import BROKEN
from functional_forms import FunctionalForm
from thinning import every

from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.laws import LAWS, PORTABLE
from gradlaws.conformance.laws.registry import missing

DOCS = Path(__file__).resolve().parent.parent / "docs"
TOLD = [law for law in PORTABLE if not missing(LAWS[law], FunctionalForm())]


def test_at_least_half_of_the_portable_laws_are_told() -> None:
    assert 2 * len(TOLD) >= len(PORTABLE)
    assert f"{len(TOLD)} of the {len(PORTABLE)} portable laws" in (DOCS / "adapter.md").read_text("utf-8")


def test_each_law_is_told_or_a_reason_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.delitem(sys.modules, "lawbook", raising=False)
    from lawbook import untold

    given = [law for _, why, laws in untold() if why for law in laws]
    assert sorted(given) == sorted(set(PORTABLE) - set(TOLD)), "docs/functional.toml"


@pytest.mark.parametrize("law", every(4, TOLD))
def test_the_reference_keeps_the_law_as_it_is_told(law: str) -> None:
    result = judge(LAWS[law], FunctionalForm(), Effort(15, shrink=0.0), KnownFailures())
    assert result.verdict is Verdict.PASS, result.message


@pytest.mark.parametrize("law", every(8, TOLD, 1))
def test_the_law_catches_a_fault_as_it_is_told(law: str) -> None:
    engines: list[Callable[[], FunctionalForm]] = [*BROKEN.get(law, ())] or [
        partial(FunctionalForm, fault.variant)
        for fault in FAULTS.values()
        if law in fault.breaks and fault.variant is not None and not fault.strict
    ]
    for engine in engines:
        result = judge(LAWS[law], engine(), Effort(100, shrink=0.0), KnownFailures())
        if result.verdict is Verdict.FAIL and result.finding is not None and result.finding.law == law:
            return
    pytest.fail(f"none of {len(engines)} faults was noticed: {LAWS[law].sentence!r}")


@pytest.mark.parametrize("law", every(8, BROKEN))
def test_the_law_catches_each_fault_that_is_its_own(law: str) -> None:
    for made in BROKEN[law]:
        result = judge(LAWS[law], made(), Effort(100, shrink=0.0), KnownFailures())
        assert result.verdict is Verdict.FAIL, f"did not notice: {made.__doc__}"
        assert result.finding is not None
        assert result.finding.law == law, f"blamed on {result.finding.law}: {result.message}"
