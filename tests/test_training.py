"""Steps of training, and checkpointed parts: as data, as source that runs, and made small."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.discovery import find
from gradlaws.conformance.execution.interpreter import run
from gradlaws.conformance.judgement.shrink_passes import optimizers, parts
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.serialization import dumped, loaded
from gradlaws.conformance.language.steps import Apply, Backward, Leaf, literal
from gradlaws.conformance.language.training import ClipGrad, Optimizer, OptimizerStep, OptimizerZeroGrad

#: v5 = tanh(v0 v1) v1, the product and the tanh within parts of their own.
PART = Checkpoint(
    (
        Checkpoint((Apply("mul", (0, 1), outs=(2,)), Apply("tanh", (2,), outs=(3,))), outs=(3,)),
        Apply("mul", (3, 1), outs=(5,)),
    ),
    outs=(5,),
)
TRAINED = Program(
    (
        Leaf(literal([1.0, 2.0]), True, outs=(0,)),
        Leaf(literal([0.5, -1.0]), True, outs=(1,)),
        Optimizer((0, 1), 0, 0.5, 0.5, 0.25),
        PART,
        Apply("sum", (5,), (("dim", None), ("keepdim", False)), outs=(6,)),
        Backward((6,)),
        ClipGrad((0, 1), 1.0),
        OptimizerStep((0, 1), 0),
        OptimizerStep((0, 1), 0),
        ClipGrad((0, 1), 0.25, "value"),
        OptimizerZeroGrad((0,), 0, set_to_none=False),
    )
)


def test_they_are_the_same_read_from_data() -> None:
    assert loaded(dumped(TRAINED)) == TRAINED


def test_they_run_as_source_and_do_what_the_reference_does() -> None:
    torch = pytest.importorskip("torch")
    scope: dict[str, Any] = {"torch": torch}
    exec(str(TRAINED), scope)
    want, backend = run(TRAINED, ReferenceBackend()).final, find("torch")
    with backend.session():
        got = run(TRAINED, backend).final
    for v in (0, 1, 5):
        value, seen = want[v].value, got[v].value
        assert value is not None
        assert seen is not None
        np.testing.assert_allclose(seen, value, rtol=1e-5)
        np.testing.assert_array_equal(seen, scope[f"v{v}"].detach().numpy())


def test_without_its_optimizer_a_step_does_nothing() -> None:
    moments = run(TRAINED.without(2), ReferenceBackend()).moments
    assert [type(m.step) for m in moments if m.skipped] == [OptimizerStep, OptimizerStep, OptimizerZeroGrad]


def test_optimizers_lose_parameters_and_options_one_at_a_time() -> None:
    smaller = list(optimizers(TRAINED, dict))
    made = [next(s for s in program if isinstance(s, Optimizer)) for program in smaller]
    assert {(s.parameters, s.momentum, s.weight_decay) for s in made} == {
        ((0, 1), 0.0, 0.25), ((0, 1), 0.5, 0.0), ((0,), 0.5, 0.25), ((1,), 0.5, 0.25), ((0, 1), 0.5, 0.25),
    }  # fmt: skip
    for program, optimizer in zip(smaller, made, strict=True):
        assert all(s.parameters == optimizer.parameters for s in program if isinstance(s, OptimizerStep))


def test_parts_are_opened_and_lose_their_ops() -> None:
    smaller = list(parts(TRAINED, dict))
    assert any(not any(s is PART for s in program) and len(program) > len(TRAINED) for program in smaller)
    left = [[op.op for op in s.ops()] for program in smaller for s in program if isinstance(s, Checkpoint)]
    assert left == [["mul", "tanh"], ["mul", "tanh", "mul"], ["tanh", "mul"], ["tanh", "mul"]]
