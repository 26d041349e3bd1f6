"""Derivatives of derivatives, row by row, and the answers of `autograd.grad`: what must be caught is caught."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults.higher_order import second_derivative
from gradlaws.conformance.judgement.draws import BATCHED, draw, drawn
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.derivative_orders import orders
from gradlaws.conformance.language.steps import Apply, Grad
from gradlaws.conformance.laws import LAWS
from gradlaws.strategies.every_op_in_turn import curved
from gradlaws.strategies.vocabulary import Vocabulary

WHOLE = Vocabulary.of(ReferenceBackend())
ROWS = [row.name for row in WHOLE.differentiable]
#: All rows are tried by `benchmarks/second_derivatives.py`.
SAMPLE = ("tanh", "mul", "softmax", "matmul", "std", "logsumexp")


@np.errstate(all="ignore")
def test_a_batch_differentiates_every_row_twice() -> None:
    """Whatever the seed: the rows take turns."""
    for start in (0, 77):
        met = set()
        for number in range(100):
            program = drawn(LAWS["HO-11"], WHOLE, draw(bytes(BATCHED), start, number))
            order = orders(program)
            assert max(order[root] for step in program if isinstance(step, Grad) for root in step.roots) >= 1
            met |= {step.op for step in program if isinstance(step, Apply)}
        assert set(ROWS) - met == set()


@pytest.mark.parametrize("row", SAMPLE)
@pytest.mark.parametrize("factor", [0.0, 2.0], ids=["lost", "doubled"])
def test_a_second_derivative_that_is_wrong_is_found(row: str, factor: float) -> None:
    assert curved(row)
    found = judge(LAWS["HO-11"], second_derivative(row, factor), Effort(shrink=0.0))
    assert found.verdict is Verdict.FAIL
    assert found.finding is not None
    assert found.finding.law == "HO-11"


def wrapped(change: Any) -> Any:
    """PyTorch with something done to the arguments and results of `autograd.grad`."""
    pytest.importorskip("torch")
    from gradlaws.conformance.adapters.torch import TorchBackend

    class Wrapped(TorchBackend):
        def autograd_grad(self, roots: Any, inputs: Any, gradients: Any = None, **options: Any) -> Any:
            return change(super().autograd_grad, roots, inputs, gradients, options)

    return Wrapped()


def zeros_for_none(grad: Any, roots: Any, inputs: Any, gradients: Any, options: Any) -> Any:
    found = grad(roots, inputs, gradients, **options)
    return [x.detach() * 0 if g is None else g for g, x in zip(found, inputs, strict=True)]


def none_for_zeros(grad: Any, roots: Any, inputs: Any, gradients: Any, options: Any) -> Any:
    if options.pop("materialize_grads", False):
        options["allow_unused"] = True
    return grad(roots, inputs, gradients, **options)


def roots_once(grad: Any, roots: Any, inputs: Any, gradients: Any, options: Any) -> Any:
    pairs = {id(r): (r, g) for r, g in zip(roots, gradients or [None] * len(roots), strict=True)}.values()
    return grad([r for r, _ in pairs], inputs, [g for _, g in pairs], **options)


def without_history(grad: Any, roots: Any, inputs: Any, gradients: Any, options: Any) -> Any:
    return [None if g is None else g.detach() for g in grad(roots, inputs, gradients, **options)]


@pytest.mark.parametrize(
    ("change", "law"),
    [(zeros_for_none, "HO-06"), (none_for_zeros, "HO-07"), (roots_once, "HO-04"), (without_history, "HO-11")],
)
@pytest.mark.parametrize("seed", range(2))
def test_pytorch_with_wrong_answers_is_found_out(change: Any, law: str, seed: int) -> None:
    found = judge(LAWS[law], wrapped(change), Effort(seed=seed, shrink=0.0), KnownFailures())
    assert found.verdict is Verdict.FAIL
    assert found.finding is not None
    assert found.finding.law == law
