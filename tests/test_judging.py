"""How a law is judged, stage by stage: who is to blame where something breaks, and what counts as the same failure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from overwriting_engine import Overwriting

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.exceptions import EngineBroke, ReferenceBroke
from gradlaws.conformance.execution.judging_standard import LENIENT
from gradlaws.conformance.judgement.draws import start_of
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.examination import unexplained
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.shrinker import same_failure
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.entry import Known
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Backward, Leaf, Look, literal
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.laws.trial import Trial
from gradlaws.conformance.whole_programs.soak import Soak

LISTED = KnownFailures([Known("ACC-01", "for a test", "https://example.org")])


class Breaking(ReferenceBackend):
    """A reference with a fault of its own."""

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        raise KeyError(op)


class Unbound(ReferenceBackend):
    """An engine whose gradients are a little off."""

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> Any:
        super().backward(root, self.engine.tensor(root.array * 0 + 1.1), **options)


@pytest.mark.parametrize("known", [KnownFailures(), LISTED])
def test_what_the_reference_raises_is_nobody_else_s_fault(
    monkeypatch: pytest.MonkeyPatch, known: KnownFailures
) -> None:
    monkeypatch.setattr("gradlaws.conformance.judgement.examination.BoundedReference.apply", Breaking.apply)
    result = judge(LAWS["ACC-01"], Overwriting(), Effort(20, shrink=0.1), known)
    assert result.verdict is Verdict.ERROR
    assert result.finding is not None
    assert result.finding.thing == "the reference"
    assert result.message.startswith("the reference itself broke: KeyError")
    assert result.known == ""


def test_nor_what_its_error_bounds_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("gradlaws.conformance.reference.error_bounds.bound_of", breaks)
    result = judge(LAWS["VAL-01"], Unbound(), Effort(20, shrink=0.0), LISTED)
    assert "the reference itself broke: ZeroDivisionError" in result.message


def test_a_relation_that_breaks_between_right_programs_is_explained_by_no_deviation() -> None:
    """Each program is what the reference says it is, with a deviation and without: the breach is something else."""

    def breaks(t: Trial) -> None:
        t.others.append(("the other", program))
        raise Broken("META-01", "v0.grad", "1.", "2.", 1)

    program = Program((Leaf(literal([1.0]), True, outs=(0,)), Backward((0,)), Look()))
    law = replace(LAWS["META-01"], check=breaks)
    for deviation in ("trace-goes-on", "grad-writes-retained"):
        left = unexplained(law, program, ReferenceBackend(), LENIENT, frozenset({deviation}))
        assert isinstance(left, Broken)


def test_whole_programs_say_the_same_of_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradlaws.conformance.whole_programs.trial.BoundedReference.apply", Breaking.apply)
    soak = Soak(ReferenceBackend(), known=LISTED, shrink=0.1)
    soak.run(50)
    assert soak.tally.programs == 50
    assert {found.finding.thing for found in soak.found.values()} == {"the reference"}


def broke(text: str, *kind: str) -> EngineBroke:
    return EngineBroke(text, kind=kind)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Broken("ACC-01", "v0.grad", "1.", "2."), Broken("ACC-01", "v7.grad", "None", "0."), True),
        (Broken("ACC-01", "v0.grad", "1.", "2."), Broken("ACC-02", "v0.grad", "1.", "2."), False),
        (Broken("ACC-01", "v0.grad", "1.", "2."), broke("ACC-01"), False),
        (broke("a", "Apply exp", "ValueError"), broke("b", "Apply exp", "ValueError"), True),
        (broke("a", "Apply exp", "ValueError"), broke("a", "Apply log", "ValueError"), False),
        (broke("`v1 = f(v0)` raised KeyError"), broke("`v20 = f(v3, 2)` raised KeyError"), True),
        (broke("no tensor"), ReferenceBroke("no tensor"), False),
        (ValueError("3 rows, expected 4"), ValueError("30 rows, expected 41"), True),
        (ValueError("3 rows, expected 4"), TypeError("3 rows, expected 4"), False),
        (ValueError("no such thing"), ValueError("too many of them"), False),
    ],
)
def test_what_counts_as_the_same_failure(one: Exception, other: Exception, same: bool) -> None:
    assert same_failure(one, other) is same
    assert same_failure(other, one) is same


def test_seeds_of_any_size_set_draws_apart() -> None:
    seeds = [*range(50), 2**32, 2**32 + 1, 2**63, 2**64, -1, -2]
    assert len({start_of("ACC-01", seed) for seed in seeds}) == len(seeds)
    assert all(0 <= start_of("ACC-01", seed) < 2**32 for seed in seeds)
