"""Gradients are told apart by what they hold and where they live, not by Python identity."""

from __future__ import annotations

import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.reference.tensor import Tensor


class NewObjects(ReferenceBackend):
    """Each reading of .grad gives a new object over the same memory."""

    name = "new-objects"
    withheld = frozenset({"same_object"})

    def grad(self, x: Tensor) -> Tensor | None:
        held = super().grad(x)
        if held is None:
            return None
        made = Tensor(held.family, held.within, held.node, held.is_root)
        made.grad, made.error = held.grad, held.error
        return made


#: The laws that look at identity or at memory.
LOOKING = sorted(law for law in LAWS if law.split("-")[0] in ("VAL", "ZERO", "SET", "LEAF", "REQ"))


@pytest.mark.parametrize("law", LOOKING)
def test_an_engine_that_wraps_its_gradients_conforms(law: str) -> None:
    result = judge(LAWS[law], NewObjects(), Effort(60, shrink=0.0))
    wanted = Verdict.UNSUPPORTED if "same_object" in LAWS[law].needs else Verdict.PASS
    assert result.verdict is wanted, result.message
