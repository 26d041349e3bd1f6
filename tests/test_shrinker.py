"""What making a program small must not do."""

from __future__ import annotations

from typing import Any

import numpy as np
from overwriting_engine import Overwriting

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.shrink_passes import narrower
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.entry import Known
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Leaf, Look, literal
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.whole_programs.judge import breach
from gradlaws.conformance.whole_programs.shrinker import WholeShrinker


class OfSmall(KnownFailures):
    """Excuses only programs of a few steps, as does what the minimiser may turn another failure into."""

    def excuse(self, law: str, program: Program | None, *how: Any) -> Known | None:
        """The entry, if the program is that short."""
        return self.entries[0] if program is not None and len(program) < 8 else None


def test_a_failure_is_not_made_small_into_one_that_is_listed() -> None:
    known = OfSmall([Known("ACC-01", "so", "https://x.y")])
    result = judge(LAWS["ACC-01"], Overwriting(), Effort(20), known)
    assert result.verdict is Verdict.FAIL
    assert result.finding is not None
    assert result.finding.steps is not None
    assert len(result.finding.steps) >= 8
    assert len(judge(LAWS["ACC-01"], Overwriting(), Effort(20), KnownFailures()).finding.steps or ()) < 8  # type: ignore[union-attr]


class Fragile(ReferenceBackend):
    """Padding cuts the graph; that of a tensor without dimensions would kill the process."""

    died = False

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        """Any other op is as it should be."""
        if op != "pad":
            return super().apply(op, *inputs, **params)
        if not inputs[0].array.ndim:
            self.died = True
            raise RuntimeError("there is no dimension to pad")
        return self.engine.detach(super().apply(op, *inputs, **params))


def test_no_operand_is_made_too_small_for_its_op() -> None:
    engine = Fragile()
    x = Leaf(literal([[1.0, 2.0], [3.0, 4.0]]), requires_grad=True, outs=(0,))
    program = Program((x, Apply("pad", (0,), (("pad", (1, 2)), ("value", 0.0)), outs=(1,)), Look()))
    error = breach(program, engine)
    assert error is not None
    small = WholeShrinker(engine).reduce(program, error)
    leaf = small.program.steps[0]
    assert isinstance(leaf, Leaf)
    assert leaf.value.array.shape == (1,)
    assert not engine.died


def test_what_is_empty_stays_and_the_rest_gets_smaller() -> None:
    leaves = [Leaf(literal(np.ones(shape)), outs=(k,)) for k, shape in enumerate([(0,), (2, 0), (2, 3)])]
    made = list(narrower(Program(tuple(leaves)), dict))
    assert made
    for program in made:
        shapes = [step.value.array.shape for step in program if isinstance(step, Leaf)]
        assert shapes[:2] == [(0,), (2, 0)]
        assert len(shapes[2]) < 2 or shapes[2] < (2, 3)
