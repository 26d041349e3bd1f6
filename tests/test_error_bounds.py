"""Error bounds: they hold on PyTorch, they are tight, they are zero exactly where nothing rounds."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import pytest

from gradlaws.conformance.entropy import Entropy
from gradlaws.conformance.execution.oracle import believe
from gradlaws.conformance.language.steps import Var
from gradlaws.conformance.laws.value_comparison import excess
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.error_bounds import bound_of
from gradlaws.strategies.builder import Builder, DeadEnd, Vocabulary
from gradlaws.strategies.graphs import graph

torch = pytest.importorskip("torch")
EXACT = [
    "add",
    "sub",
    "mul",
    "neg",
    "sum",
    "relu",
    "abs",
    "maximum",
    "minimum",
    "view",
    "transpose",
    "permute",
    "expand",
    "squeeze",
    "unsqueeze",
    "narrow",
    "flip",
    "index",
    "cat",
    "stack",
    "clone",
    "matmul",
    "cumsum",
    "where",
]


def in_precision(leaf: Callable[..., Var], precision: str, /, *arguments: Any, **named: Any) -> Var:
    """A leaf as it is asked for, of another precision."""
    given = signature(leaf).bind(*arguments, **named).arguments
    if given.get("dtype", "float64") in ("float64", "float32"):
        given["dtype"] = precision
    return leaf(**given)


def compared(dtype: str, count: int, ops: list[str] | None = None) -> list[tuple[float, float]]:
    """(ratio of error to bound, bound relative to the gradient) for random programs on PyTorch."""
    from gradlaws.conformance.adapters.torch import TorchBackend
    from gradlaws.conformance.execution.interpreter import run

    backend = TorchBackend()
    names = frozenset(backend.ops()) - {"cast", "hardsigmoid"} if ops is None else frozenset(ops)
    vocabulary = Vocabulary(names, backend.capabilities)
    chance = random.Random(dtype)
    found = []
    with backend.session():
        for _ in range(count):
            builder = Builder(Entropy(chance.randbytes(480)), vocabulary)
            builder.leaf = partial(in_precision, builder.leaf, dtype)  # type: ignore[method-assign]
            try:
                builder.backward(graph(builder).root)
            except DeadEnd:
                continue
            got = run(builder.program(), backend)
            want = believe(builder.program(), got)
            assert want.derailed is None
            for var, seen in got.moments[-1].seen.items():
                wanted = want.moments[-1].seen[var]
                if seen.grad is None or wanted.grad is None or not seen.grad.size:
                    continue
                bound = wanted.error() if wanted.error else np.zeros(1)
                size = float(np.abs(wanted.grad).max())
                found.append(
                    (excess(seen.grad, wanted.grad, wanted.error), float(bound.max()) / max(size, 1e-30))
                )
    return found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_bounds_hold_and_are_tight(dtype: str) -> None:
    found = compared(dtype, 1500)
    assert max(ratio for ratio, _ in found) <= 1
    rounding = sorted(relative for _, relative in found if relative > 0 and np.isfinite(relative))
    unit = np.finfo(dtype).eps
    assert rounding[len(rounding) // 2] <= 64 * unit, "the median bound is far wider than a few roundings"
    finite = [relative for _, relative in found if relative < 1e-3]
    assert len(finite) >= 0.98 * len(found), "a gradient wrong by a thousandth must be seen"


def test_sums_and_products_of_dyadic_numbers_are_exact() -> None:
    found = compared("float64", 800, EXACT)
    assert all(ratio == 0 for ratio, _ in found)
    assert sum(relative == 0 for _, relative in found) >= 0.98 * len(found)


@pytest.mark.parametrize(("dtype", "exact"), [("float64", 17), ("float32", 7)])
def test_a_product_that_overflows_the_significand_has_a_bound(dtype: str, exact: int) -> None:
    engine = Engine()
    x = engine.tensor(np.array([1.125], dtype=dtype))
    y = x
    for factors in range(2, 40):
        y = engine.apply("mul", y, x)
        fits = 4 * factors <= np.finfo(dtype).nmant + 1  # 1.125 is 9 / 8: four digits a factor
        true = np.float64(9) ** factors <= 2.0 ** (np.finfo(dtype).nmant + 1)
        error = float(bound_of(y.node).max())
        if not true:
            assert error > 0, factors
        if fits and factors <= exact // 2:
            assert error == 0, factors


def test_a_gradient_wrong_by_a_thousandth_is_out_of_bounds() -> None:
    engine = Engine()
    x = engine.tensor(np.array([0.5, -1.25, 2.0]), requires_grad=True)
    y = engine.apply("tanh", engine.apply("mul", engine.apply("sin", x), engine.apply("exp", x)))
    engine.backward([y], [engine.tensor(np.ones(3))])
    assert x.grad is not None
    assert x.error is not None
    assert excess(x.grad.array * 1.001, x.grad.array, x.error) > 1e6


@pytest.mark.parametrize("shift", [4.0, 8.0, 16.0])
def test_a_gradient_of_det_may_be_that_of_singular_values(shift: float) -> None:
    """As PyTorch computes it for subclasses of tensors: stable, for the matrix as a whole."""
    given = np.array([[1.0, 1.0, 0.0], [-2.0, 0.0, -2.0], [0.0, 0.0, 1.0]])
    engine = Engine()
    x = engine.tensor(given, True)
    (y,) = engine.grad([engine.apply("det", x, shift=shift)], [x])
    assert y is not None
    u, values, v = np.linalg.svd(given + shift * np.eye(3))
    cofactors = np.array([np.prod(np.delete(values, k)) for k in range(3)])
    other = np.sign(np.linalg.det(u @ v)) * (u * cofactors) @ v
    bound = bound_of(y.node)
    assert (np.abs(other - y.array) <= bound).all()
    assert bound.max() <= 1e-12 * np.abs(y.array).max()
