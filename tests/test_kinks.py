"""Kinks: what an engine chooses there is a convention, told by one law, and declared op by op."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.conventions import PYTORCH, Dialect, DialectError
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.ops import RAW, TABLE
from gradlaws.conformance.ops.kinks import KINKS, choosing
from gradlaws.conformance.ops.table import Elementwise, Weighted

#: For each op that chooses, something else than PyTorch does.
CHOICES = {op: kink.elements[-1] for op, kink in KINKS.items() if kink.elements}


class Chooser(ReferenceBackend):
    """Speaks one dialect and declares another."""

    def __init__(self, speaks: Dialect, declares: Dialect) -> None:
        super().__init__(speaks)
        self.dialect = declares


def judged(speaks: Dialect, declares: Dialect, law: str, examples: int = 60) -> Result:
    return judge(LAWS[law], Chooser(speaks, declares), Effort(examples, shrink=0.0))


@pytest.mark.parametrize("op", CHOICES)
def test_who_chooses_otherwise_breaks_the_law_of_the_kink(op: str) -> None:
    other = Dialect(kinks={op: CHOICES[op]})
    assert judged(other, PYTORCH, KINKS[op].law, 200).verdict is Verdict.FAIL
    assert judged(PYTORCH, other, KINKS[op].law, 200).verdict is Verdict.FAIL
    declared = judged(other, other, KINKS[op].law, 200)
    assert declared.verdict is Verdict.DECLARED
    assert declared.waived == (f"kinks of {op}",)


@pytest.mark.parametrize(
    "law",
    ["VAL-01", "VAL-02", "VAL-06", "ACC-01", "INP-08", "META-01", "META-07", "RET-01", "KINK-16", "ROOT-01"],
)
def test_no_other_law_meets_a_kink(law: str) -> None:
    """relu'(0) = 1 and the like, undeclared, is not told by laws about other things."""
    result = judged(Dialect(kinks=CHOICES), PYTORCH, law, 150)
    assert result.verdict is Verdict.PASS, result.message


@pytest.mark.parametrize("op", [op for op in CHOICES if KINKS[op].points])
def test_the_first_element_is_the_documented_one(op: str) -> None:
    row, x = TABLE[op], np.array([*KINKS[op].points, 0.5, -3.0, 9.0])
    params = {"slope": 0.25} if op == "leaky_relu" else {}
    values = []
    for kind in (row, choosing(op, KINKS[op].elements[0])):
        assert isinstance(kind.rule, Elementwise)
        values.append(np.asarray(kind.rule.partials(RAW, row(x, **params), x, **params)[0], float))
    assert values[0].tolist() == values[1].tolist()


@pytest.mark.parametrize(("element", "shares"), [("first", [0, 1, 0, 0]), ("last", [0, 0, 0, 1])])
def test_one_of_those_that_tie_has_it_all(element: str, shares: list[float]) -> None:
    x = np.array([[0.0, 2.0], [1.0, 2.0]])
    rule = choosing("amax", element).rule
    assert isinstance(rule, Weighted)
    assert rule.weights(np.max(x), x, dim=(0, 1), keepdim=False).ravel().tolist() == shares
    columns = rule.weights(np.max(x, axis=0), x, dim=(0,), keepdim=False)
    assert columns.sum(axis=0).tolist() == [1, 1]


@pytest.mark.parametrize("kinks", [{"relu": "even"}, {"maximum": "left"}, {"exp": "left"}])
def test_a_choice_that_there_is_not_is_refused(kinks: dict[str, str]) -> None:
    with pytest.raises(DialectError, match="is no convention; there are"):
        replace(PYTORCH, kinks=kinks)
