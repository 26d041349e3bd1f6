"""What comes of infinities and NaN: the reference's values, and where it says that any number will do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.laws.value_comparison import excess
from gradlaws.conformance.reference.engine import Engine
from gradlaws.strategies.special_values import edges, outside, strewn

NAN, INF = np.nan, np.inf
ANY = "any number"


@np.errstate(all="ignore")
def gradient(op: str, *xs: Any, seed: Any = None, **params: Any) -> tuple[Array, Array]:
    """(gradient of the first operand, its bound)."""
    engine = Engine()
    leaves = [engine.tensor(np.array(x, float), True) for x in xs]
    root = engine.apply(op, *leaves, **params)
    given = np.ones(root.array.shape) if seed is None else np.array(seed, float)
    engine.backward([root], [engine.tensor(given)])
    found, error = leaves[0].grad, leaves[0].error
    assert found is not None
    assert error is not None
    return found.array, np.broadcast_to(error(), found.array.shape)


@pytest.mark.parametrize(
    ("op", "x", "seed", "want"),
    [
        ("relu", [2.0, 2.0, -2.0, -2.0], [INF, NAN, -INF, NAN], [INF, NAN, 0, 0]),
        ("hardtanh", [0.5, 2.0, -3.0], [-INF, INF, NAN], [-INF, 0, 0]),
        ("sign", [2.0, -1.0], [NAN, INF], [0, 0]),
        ("exp", [0.0, 1.0], [INF, NAN], [INF, NAN]),
        ("cos", [0.0, 0.0], [INF, 1.0], [ANY, 0]),
        ("max_all", [1.0, 2.0], NAN, [0, NAN]),
        ("neg", [NAN, 1.0], [1.0, INF], [-1, -INF]),
        ("square", [NAN, INF, 1.0], None, [ANY, ANY, 2]),
        ("relu", [NAN, 3.0], None, [ANY, 1]),
        ("sqrt", [0.0, -1.0, 4.0], None, [INF, ANY, 0.25]),
        ("log", [0.0, -1.0], None, [INF, ANY]),
        ("reciprocal", [0.0, 2.0], None, [-INF, -0.25]),
        ("max_all", [NAN, 1.0, NAN], None, [0.5, 0, 0.5]),
        ("vector_norm", [0.0, 0.0], None, [0, 0]),
    ],
)
def test_what_comes_is_said_position_by_position(op: str, x: Any, seed: Any, want: list[Any]) -> None:
    got, bound = gradient(op, x, seed=seed)
    for value, limit, expected in zip(got, bound, want, strict=True):
        assert np.isinf(limit) == (expected == ANY)
        if expected != ANY:
            assert value == expected or np.isnan([value, expected]).all()


@pytest.mark.parametrize("wrong", [0.0, -INF, NAN, 1e308])
def test_an_expected_infinity_is_insisted_on(wrong: float) -> None:
    want, bound = gradient("relu", [1.0, -1.0], seed=[INF, 1.0])
    assert excess(want.copy(), want, lambda: bound) == 0
    assert excess(np.array([wrong, 0.0]), want, lambda: bound) == INF


def test_added_to_it_stays() -> None:
    """After a second backward an infinity is still expected, and its neighbour within rounding."""
    engine = Engine()
    x = engine.tensor(np.array([0.0, 0.3]), True)
    with np.errstate(all="ignore"):
        for _ in range(2):
            engine.backward([engine.apply("sqrt", x)], [engine.tensor(np.ones(2))])
        assert x.error is not None
        assert x.grad is not None
        assert x.error()[0] == 0
    assert x.grad.array[0] == INF


def test_where_domains_end() -> None:
    ends = {row.name: points for row, _, points in edges()}
    assert {"sqrt": (0.0,), "log": (0.0,), "pow_scalar": (0.0,), "acosh": (1.0,)}.items() <= ends.items()
    beyond = {row.name for row, _, _ in outside()}
    assert {"sqrt", "log", "asin", "acosh"} <= beyond
    assert {"relu", "exp"}.isdisjoint(beyond)


@pytest.mark.parametrize("data", [bytes(40), bytes(range(100, 140))])
def test_something_special_is_strewn_whatever_the_bytes(data: bytes) -> None:
    assert not np.isfinite(strewn(Entropy(data, 40), np.ones((2, 3)))).all()
    assert strewn(Entropy(data, 40), np.ones((0,))).shape == (0,)
