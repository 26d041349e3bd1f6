"""One fault is one root cause, with the smallest program that shows it; two faults are two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from faulty_ops import with_wrong

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.suite.record_lines import result_line
from gradlaws.conformance.whole_programs.run_item import WHOLE, judge_any
from gradlaws.reports.record import result_of
from gradlaws.reports.root_causes import Cause, causes_of

#: Laws of all kinds; of whole programs few are enough.
TRIED = ("ACC-01", "DET-01", "LEAF-12", "META-05", "RET-01", "WHOLE-01")


def causes(engine: Backend, *laws: str) -> tuple[Cause, ...]:
    """What a report makes of the engine's verdicts."""
    results = []
    for name in laws or TRIED:
        law = LAWS.get(name, WHOLE)
        result = judge_any(law, engine, Effort(3 if law is WHOLE else 60, shrink=4.0))
        results.append(result_of(result_line(result, engine)))
    return causes_of(results)


@pytest.mark.parametrize(
    ("op", "way", "said"),
    [
        ("mul", "grad", "mul: its backward is wrong"),
        ("add", "value", "add: its value is wrong"),
        ("expand", "value", "expand: its "),
    ],
)
def test_a_fault_of_one_op_is_one_cause(op: str, way: str, said: str) -> None:
    laws = TRIED if way == "grad" else TRIED[:-1]  # hooks of whole programs compute with wrong values
    (cause,) = causes(with_wrong([op], way), *laws)
    assert cause.title.startswith(said)
    assert "WHOLE-01" not in cause.title
    assert cause.finding is not None
    assert cause.finding.used == {op}
    assert len(cause.finding.steps) <= 5


def test_the_report_leads_with_what_explains_most() -> None:
    found = causes(with_wrong(["sum", "mul"]), "ACC-01", "LEAF-12", "VAL-01")
    assert {cause.title for cause in found} == {"mul: its backward is wrong", "sum: its backward is wrong"}
    assert len(found[0].laws) >= len(found[1].laws)


def test_a_law_goes_on_without_the_op_to_show_what_else_there_is() -> None:
    """Both are in nearly all programs of the law, and one would hide the other."""
    found = causes(with_wrong(["mul", "add"]), "LEAF-12")
    assert {cause.title for cause in found} == {"mul: its backward is wrong", "add: its backward is wrong"}


@pytest.mark.parametrize(
    ("fault", "laws"),
    [
        ("later-gradients-count-double", ("ACC-01", "ACC-02", "ACC-08", "SET-08", "LIFE-02")),
        ("kept-graphs-count-double", ("ACC-01", "ACC-02", "LIFE-02", "VAL-10")),
        ("retains-nothing", ("RET-01", "RET-04", "RET-11")),
        ("detach-copies", ("DET-01", "INP-17", "DET-03")),
    ],
)
def test_a_fault_of_the_engine_is_one_cause_and_no_ops(fault: str, laws: Sequence[str]) -> None:
    (cause,) = causes(FAULTS[fault].make(), *laws)
    assert not cause.owner
    assert cause.title.startswith(f"{cause.law}: ")


def half(*inputs: Any) -> bool:
    return all(x.array.dtype == "float32" for x in inputs)


def test_an_op_that_is_wrong_in_one_dtype_is_named_with_it() -> None:
    found = causes(with_wrong(["mul"], when=half), "REQ-07")
    assert all(cause.title.startswith("mul in float32: ") for cause in found)
    assert len(found) == 1


def test_an_op_and_a_kind_of_step_that_are_wrong_are_two() -> None:
    retaining: Callable[[], Any] = FAULTS["retains-nothing"].make
    base = type(retaining().engine)
    found = causes(with_wrong(["mul"], base=base), "VAL-01", "LEAF-12", "RET-01", "RET-04")
    assert len(found) == 2
    assert {cause.owner for cause in found} == {"mul: its backward is wrong", ""}
