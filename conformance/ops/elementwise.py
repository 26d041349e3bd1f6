"""Rows of ops that work position by position, broadcasting their operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.table import TABLE, Conjugate, Constant, Elementwise, Op, Params, Rule, small

EXACT: dict[str, Any] = {"exact": True, "dtypes": "fc"}


def apart(x: Array, *points: float, by: float = 0.05) -> bool:
    """Whether no element of x is nearer than `by` to one of `points`."""
    return not x.size or all(bool((np.abs(x - p) >= by).all()) for p in points)


def between(low: float, high: float) -> Any:
    """A domain: all elements within [low, high]."""
    return lambda x, *_, **__: not x.size or bool(((x >= low) & (x <= high)).all())


def unary(name: str, forward: Any, partial: Any, **more: Any) -> Op:
    """A row for `torch.name(x)`; `partial(F, y, x)` is the derivative."""
    rule: Rule = Elementwise(lambda F, y, x: (partial(F, y, x),))
    return Op(name, more.pop("spell", f"torch.{name}({{0}})"), rule, forward, **more)


def scalar_bounds(entropy: Entropy, _: Array) -> Params:
    """Parameters min and max, at least one of them a number."""
    low = entropy.pick((-1.0, -0.5, 0.0, None))
    high = entropy.pick((1.0, 0.5, None)) if low is not None else 1.0
    return {"min": low, "max": high}


def clamp(x: Array, min: float | None, max: float | None) -> Array:  # noqa: A002 - PyTorch's names
    """X limited to [min, max]; the dtype stays."""
    low = -np.inf if min is None else min
    high = np.inf if max is None else max
    return np.clip(x, low, high).astype(x.dtype, copy=False)


def _clamp_partial(_: Any, __: Any, x: Any, min: float | None, max: float | None) -> tuple[Any]:  # noqa: A002
    low = -np.inf if min is None else min
    high = np.inf if max is None else max
    return ((x >= low) & (x <= high),)


def _power_domain(x: Array, exponent: float) -> bool:
    return exponent > 0 or apart(x, 0.0, by=0.2)


def _power_partial(F: Any, _: Any, x: Any, exponent: float) -> tuple[Any]:
    return (0 if exponent == 0 else exponent * F.pow_scalar(x, exponent=exponent - 1),)


INTERNAL, ARITHMETIC = frozenset({"internal"}), frozenset({"arithmetic"})


TABLE.add(
    Op("add", "{0} + {1}", Elementwise(lambda F, y, a, b: (1, 1)), np.add, 2, **EXACT),
    Op("sub", "{0} - {1}", Elementwise(lambda F, y, a, b: (1, -1)), np.subtract, 2, **EXACT),
    Op(
        "mul",
        "{0} * {1}",
        Elementwise(lambda F, y, a, b: (b, a)),
        np.multiply,
        2,
        saves="operands",
        tags=ARITHMETIC,
        **EXACT,
    ),
    # A cotangent times a slope that is constant by pieces: where that is 0 nothing passes, be it infinite or NaN.
    Op(
        "gated",
        "gated({0}, {1})",
        Elementwise(lambda F, y, g, slope: (slope, None)),
        lambda g, slope: np.where(slope == 0, g.dtype.type(0), g * slope),
        2,
        exact=True,
        tags=INTERNAL,
    ),
    Op("neg", "-{0}", Elementwise(lambda F, y, x: (-1,)), np.negative, **EXACT),
    Op("conj", "torch.conj({0})", Conjugate(), np.conj, tags=frozenset({"internal"}), **EXACT),
    Op("clone", "{0}.clone()", Elementwise(lambda F, y, x: (1,)), np.copy, **EXACT),
    # x as it is, known only to a few units in the last place
    Op(
        "blur",
        "blur({0})",
        Elementwise(lambda F, y, x: (F.blur(F.const(np.ones(()), x)),)),
        np.copy,
        ulps=1,
        tags=INTERNAL,
    ),
    Op(
        "add_scalar",
        "{0} + {value}",
        Elementwise(lambda F, y, x, value: (1,)),
        lambda x, value: x + value,
        params=lambda e, x: {"value": e.pick((1.0, -1.0, 0.5, 2.0))},
        exact=True,
    ),
    Op(
        "mul_scalar",
        "{0} * {value}",
        Elementwise(lambda F, y, x, value: (value,)),
        lambda x, value: x * value,
        params=lambda e, x: {"value": e.pick((2.0, -1.0, 0.5, 3.0, 0.0))},
        exact=True,
    ),
    Op(
        "div",
        "{0} / {1}",
        Elementwise(lambda F, y, a, b: (1 / b, -y / b)),
        np.divide,
        2,
        ulps=0.5,
        domain=lambda a, b, **_: apart(b, 0.0, by=0.2),
        tags=ARITHMETIC,
        dtypes="fc",
    ),
    Op(
        "pow_scalar",
        "{0} ** {exponent}",
        Elementwise(_power_partial),
        lambda x, exponent: x**exponent,
        params=lambda e, x: {"exponent": e.pick((2.0, 3.0, -1.0))},
        domain=_power_domain,
        ulps=2,
    ),
    unary("square", np.square, lambda F, y, x: 2 * x, saves="operands", **EXACT),
    unary("exp", np.exp, lambda F, y, x: y, ulps=2, saves="result", domain=small(4), dtypes="fc"),
    unary("log", np.log, lambda F, y, x: 1 / x, ulps=2, domain=between(0.1, 1e4)),
    unary("log1p", np.log1p, lambda F, y, x: 1 / (1 + x), ulps=2, domain=between(-0.8, 1e4)),
    unary("expm1", np.expm1, lambda F, y, x: y + 1, ulps=2, domain=small(4)),
    unary("sqrt", np.sqrt, lambda F, y, x: 0.5 / y, ulps=0.5, domain=between(0.1, 1e4)),
    unary("rsqrt", lambda x: 1 / np.sqrt(x), lambda F, y, x: -0.5 * y / x, ulps=3, domain=between(0.1, 1e4)),
    unary(
        "reciprocal",
        lambda x: 1 / x,
        lambda F, y, x: -y * y,
        ulps=0.5,
        domain=lambda x: apart(x, 0.0, by=0.2),
        tags=ARITHMETIC,
        dtypes="fc",
    ),
    unary("sin", np.sin, lambda F, y, x: F.cos(x), ulps=2, domain=small(6)),
    unary("cos", np.cos, lambda F, y, x: -F.sin(x), ulps=2, domain=small(6)),
    unary("atan", np.arctan, lambda F, y, x: 1 / (1 + x * x), ulps=2, domain=small(100)),
    unary("abs", np.abs, lambda F, y, x: F.sign(x), exact=True),
    unary("sign", np.sign, lambda F, y, x: 0, exact=True),
    unary("floor", np.floor, lambda F, y, x: 0, exact=True),
    unary("round", np.round, lambda F, y, x: 0, exact=True),
    unary("trunc", np.trunc, lambda F, y, x: 0, exact=True),
    Op(
        "clamp",
        "torch.clamp({0}, min={min}, max={max})",
        Elementwise(_clamp_partial),
        clamp,
        params=scalar_bounds,
        domain=lambda x, min, max: apart(x, *(p for p in (min, max) if p is not None)),
        exact=True,
    ),
    Op(
        "maximum",
        "torch.maximum({0}, {1})",
        Elementwise(lambda F, y, a, b: ((a > b) + 0.5 * (a == b), (b > a) + 0.5 * (a == b))),
        np.maximum,
        2,
        exact=True,
    ),
    Op(
        "minimum",
        "torch.minimum({0}, {1})",
        Elementwise(lambda F, y, a, b: ((a < b) + 0.5 * (a == b), (b < a) + 0.5 * (a == b))),
        np.minimum,
        2,
        exact=True,
    ),
    Op(
        "where",
        "torch.where({0} > 0, {1}, {2})",
        Elementwise(lambda F, y, m, a, b: (None, m > 0, m <= 0)),
        lambda m, a, b: np.where(m > 0, a, b),
        3,
        exact=True,
        passive=(0,),
    ),
    Op("greater", "{0} > {1}", Constant(), np.greater, 2, dtypes="fi"),
    Op("equal", "{0} == {1}", Constant(), np.equal, 2, dtypes="fi"),
)
