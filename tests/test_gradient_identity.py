"""Gradients are told apart by what they hold and where they live, not by Python identity."""

from __future__ import annotations

import pytest
from lacking_engines import engine_without

from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.laws import PORTABLE

#: The laws that look at identity or at memory.
LOOKING = sorted(law for law in PORTABLE if law.split("-")[0] in ("VAL", "ZERO", "SET", "LEAF", "REQ"))


@pytest.mark.parametrize("law", LOOKING)
def test_an_engine_that_wraps_its_gradients_conforms(law: str) -> None:
    result = judge(PORTABLE[law], engine_without("same_object")(), Effort(60, shrink=0.0))
    wanted = Verdict.UNSUPPORTED if "same_object" in PORTABLE[law].needs else Verdict.PASS
    assert result.verdict is wanted, result.message
