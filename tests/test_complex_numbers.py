"""Complex gradients: each row against differences, both ways of differentiating, and either convention."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.reference.engine import Engine

REAL = np.array([[0.75, -1.25], [2.0, 0.5]])
Z, W = REAL + 1j * REAL[::-1], 0.5 - 1j * REAL
#: By op, operands.
CALLS: dict[str, tuple[Array, ...]] = {
    "from_parts": (REAL, REAL[::-1]),
    "view_as_complex": (REAL,),
    **{row.name: (Z,) for row in TABLE if "complex" in row.tags and row.dtypes == "c"},
    **dict.fromkeys(("mul", "div", "add", "sub"), (Z, W)),
    **dict.fromkeys(("exp", "square", "reciprocal", "neg"), (Z,)),
    "einsum": (Z, W),
}
PARAMS: dict[str, dict[str, Any]] = {"einsum": {"spec": "ij,kj->ik"}}
MIXED = ("mul", "add", "div")


def ascent(f: Any, x: Array) -> Array:
    """The direction of steepest ascent of a real function at x, by central differences."""
    found = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        for unit in (1.0, 1j) if x.dtype.kind == "c" else (1.0,):
            step = np.zeros_like(x)
            step[index] = unit * 1e-5
            found[index] += unit * (f(x + step) - f(x - step)) / 2e-5
    return found


def against_differences(op: str, *xs: Array) -> None:
    row, params = TABLE[op], PARAMS.get(op, {})
    value = np.asarray(row(*xs, **params))
    seed = np.arange(1.0, value.size + 1).reshape(value.shape) * (1 - 0.5j if value.dtype.kind == "c" else 1)
    engine = Engine()
    leaves = [engine.tensor(x, True) for x in xs]
    root = engine.apply(op, *leaves, **params)
    pulled = engine.contributions([root], [engine.tensor(seed)])
    engine.backward([root], [engine.tensor(seed)])
    for k, (x, leaf) in enumerate(zip(xs, leaves, strict=True)):

        def loss(moved: Array, k: int = k) -> float:
            return float((np.conj(seed) * row(*xs[:k], moved, *xs[k + 1 :], **params)).real.sum())

        assert leaf.grad is not None
        assert leaf.grad.array.dtype == x.dtype
        np.testing.assert_allclose(leaf.grad.array, ascent(loss, x), rtol=1e-6, atol=1e-6)
        (other,) = [node.array for tensor, node in pulled if tensor is leaf]
        np.testing.assert_allclose(other, leaf.grad.array, rtol=1e-12)


@pytest.mark.parametrize("op", CALLS)
def test_gradients_are_steepest_ascents(op: str) -> None:
    against_differences(op, *CALLS[op])


@pytest.mark.parametrize("op", MIXED)
def test_real_operands_have_real_gradients(op: str) -> None:
    against_differences(op, REAL, W)
    against_differences(op, Z, REAL)


@pytest.mark.parametrize("op", CALLS)
def test_second_derivatives(op: str) -> None:
    """The gradient of a real function of the gradient, against differences of it."""
    xs, params = CALLS[op], PARAMS.get(op, {})

    def slope(x: Array, twice: bool = False) -> Any:
        engine = Engine()
        leaves = [engine.tensor(x, True), *(engine.tensor(other) for other in xs[1:])]
        root = engine.apply(op, *leaves, **params)
        seed = engine.tensor(np.full(root.array.shape, 2 - 0.5j if root.array.dtype.kind == "c" else 2.0))
        (found,) = engine.grad([root], leaves[:1], [seed], create_graph=True)
        assert found is not None
        weight = np.full(x.shape, 0.5 + 0.25j if x.dtype.kind == "c" else 0.5)
        if not twice:
            return float((np.conj(weight) * found.array).real.sum())
        if not found.requires_grad:
            return np.zeros_like(x)
        engine.backward([found], [engine.tensor(weight)])
        grad = leaves[0].grad
        return np.zeros_like(x) if grad is None else grad.array

    np.testing.assert_allclose(slope(xs[0], twice=True), ascent(slope, xs[0]), rtol=1e-5, atol=1e-5)


def test_the_conjugate_convention() -> None:
    """With z * c and the gradient argument v, z has v times c, not v times its conjugate; a hook is shown the same."""
    engine, shown = Engine(), []
    engine.dialect = Dialect(complex_gradient="conjugate")
    z, c, v = np.array([1 + 2j]), np.array([3 - 1j]), np.array([0.5 + 1j])
    leaf = engine.tensor(z, True)
    root = engine.apply("mul", leaf, engine.tensor(c))
    engine.register_hook(leaf, lambda g: shown.append(g.array))
    engine.backward([root], [engine.tensor(v)])
    assert leaf.grad is not None
    assert leaf.grad.array.tolist() == (v * c).tolist()
    assert shown[0].tolist() == (v * c).tolist()
