"""What a finding shows: what is and what is expected, both programs of a relation, the place in the adapter."""

from __future__ import annotations

import re
from typing import Any

import pytest
from faulty_ops import with_wrong

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.whole_programs.run_item import WHOLE, judge_any


def test_a_wrong_value_fails_with_what_is_and_what_is_expected() -> None:
    result = judge_any(WHOLE, with_wrong(["add"], "value"), Effort(10))
    assert result.verdict is Verdict.FAIL
    assert result.finding is not None
    finding = next(f for f in (result.finding, *result.more) if re.fullmatch(r"v\d+", f.thing))
    got, expected = (re.findall(r"-?\d+\.\d*", text) for text in (finding.got, finding.expected))
    assert [float(x) for x in got] == pytest.approx([float(x) + 1 for x in expected])


def relation(law: str, *ops: str, **more: Any) -> Result:
    return judge(LAWS[law], with_wrong(ops, **more), Effort(300))


def test_a_relation_shows_both_programs_and_which_is_wrong() -> None:
    """The one with expand is; the faulty value is never what is expected."""
    finding = relation("META-05", "expand").finding
    assert finding is not None
    assert finding.thing.endswith(" in operands expanded first")
    drawn, _, other = finding.program.partition("# operands expanded first: WRONG, by the reference")
    assert drawn.startswith("# the program as drawn: right, by the reference\n")
    assert ".expand(" not in drawn
    assert ".expand(" in other
    got, expected = (re.findall(r"-?\d+\.\d*", text) for text in (finding.got, finding.expected))
    assert [float(x) for x in got] == [2 * float(x) for x in expected]


def broadcast(x: Any, y: Any) -> bool:
    return bool(x.array.shape != y.array.shape)


def test_where_the_drawn_program_is_wrong_that_is_said() -> None:
    finding = relation("META-05", "add", "sub", when=broadcast).finding
    assert finding is not None
    assert "# the program as drawn: WRONG, by the reference" in finding.program


class Raises(ReferenceBackend):
    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        if op == "mul":
            raise KeyError("no such kernel")
        return super().apply(op, *inputs, **params)


@pytest.mark.parametrize("law", ["VAL-01", "LEAF-12"])
def test_what_an_adapter_raises_comes_with_its_file_and_line(law: str) -> None:
    result = judge(LAWS[law], Raises(), Effort(300))
    assert result.verdict is Verdict.ERROR
    assert re.search(r"KeyError: 'no such kernel', at test_findings_shown\.py:\d+,", result.message)
    assert result.message.count("test_findings_shown") == 1
