"""Every law can fail, and none fails without reason."""

import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.laws import LAWS, PORTABLE

PAIRS = [(fault.name, law) for fault in FAULTS.values() for law in fault.breaks]


def test_every_law_has_a_fault() -> None:
    caught = {law for fault in FAULTS.values() for law in fault.breaks if not fault.strict}
    assert caught - set(LAWS) == set(), "these faults name laws that do not exist"
    assert set(LAWS) - caught == set(), "these laws cannot be seen to fail: plant a fault for each"


@pytest.mark.parametrize("law", PORTABLE)
def test_the_reference_keeps_the_law(law: str) -> None:
    result = judge(LAWS[law], ReferenceBackend(), Effort(examples=60))
    assert result.verdict is Verdict.PASS, result.message


@pytest.mark.parametrize("seed", range(3))
def test_one_program_is_as_few_as_it_takes_to_know_something(seed: int) -> None:
    """Where that one has nothing for the law to look at, more are judged."""
    results = [
        judge(law, ReferenceBackend(), Effort(examples=1, seed=seed))
        for law in (LAWS[name] for name in PORTABLE)
    ]
    assert [r.law for r in results if r.verdict is not Verdict.PASS] == []


@pytest.mark.parametrize(("fault", "law"), PAIRS, ids=[f"{f}-{law}" for f, law in PAIRS])
def test_the_law_catches_the_fault(fault: str, law: str) -> None:
    if FAULTS[fault].engine != "reference":
        pytest.importorskip(FAULTS[fault].engine)
    result = judge(
        LAWS[law], FAULTS[fault].make(), Effort(examples=200, shrink=0.2, strict=FAULTS[fault].strict)
    )
    assert result.verdict is Verdict.FAIL, f"{LAWS[law].sentence!r} did not notice: {FAULTS[fault].sentence}"
    assert result.finding is not None
    assert result.finding.law == law, f"blamed on {result.finding.law}: {result.message}"
