"""Rows of elementary functions position by position: powers, logarithms, angles, hyperbolic and error functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops.elementwise import apart, between, unary
from gradlaws.conformance.ops.table import TABLE, Composite, Elementwise, Op, small

_LN2, _LN10 = math.log(2), math.log(10)
_ERF = 2 / math.sqrt(math.pi)


def _erf(x: Array) -> Array:
    """The error function; NumPy has none."""
    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x)).astype(x.dtype)


def _erfc(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erfc, otypes=[np.float64])(x)).astype(x.dtype)


def _power(F: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
    # 0 ** 0 is 1 and 0 ** b is 0 whatever b > 0: there is no slope, though there are infinities in the formulas.
    return b * F.pow(_instead(F, a, (a == 0) & (b == 0)), b - 1), y * F.log(
        _instead(F, a, (a == 0) & (b >= 0))
    )


def _instead(F: Any, x: Any, mask: Any) -> Any:
    """X with 1 where the mask is true, where it is true anywhere."""
    return F.where(F.const(mask, x), F.const(np.ones(()), x), x) if np.any(mask) else x


def _angle(F: Any, _: Any, a: Any, b: Any) -> tuple[Any, Any]:
    squared = a * a + b * b
    squared = _instead(F, squared, squared == 0)  # at the origin the slopes are 0
    return b / squared, -a / squared


def _positive_base(a: Array, b: Array) -> bool:
    # Whether a power of 0 can be differentiated with respect to the exponent is a question of its own.
    return between(0.2, 1e2)(a) and small(4)(b) and apart(b, 0.0)


def _together(condition: Any) -> Any:
    """A domain: what holds wherever the operands meet, which must broadcast."""

    def holds(a: Array, b: Array) -> bool:
        try:
            return bool(np.all(condition(a, b)))
        except ValueError:
            return False

    return holds


def _lerp(F: Any, a: Any, b: Any, weight: Any) -> Any:
    return a + weight * (b - a)


#: Away from the origin, and from the negative half-axis, on which the sign of a zero decides.
_OFF_THE_CUT = _together(lambda a, b: (b >= 0.1) | (np.abs(a) >= 0.1))
_AWAY = _together(lambda a, b: a * a + b * b >= 0.1)

TABLE.add(
    unary("tan", np.tan, lambda F, y, x: 1 + y * y, ulps=4, domain=small(1.25)),
    unary("asin", np.arcsin, lambda F, y, x: F.rsqrt(1 - x * x), ulps=3, domain=small(0.95)),
    unary("acos", np.arccos, lambda F, y, x: -F.rsqrt(1 - x * x), ulps=3, domain=small(0.95)),
    unary("sinh", np.sinh, lambda F, y, x: F.cosh(x), ulps=3, domain=small(4)),
    unary("cosh", np.cosh, lambda F, y, x: F.sinh(x), ulps=3, domain=small(4)),
    unary("asinh", np.arcsinh, lambda F, y, x: F.rsqrt(x * x + 1), ulps=3, domain=small(100)),
    unary("acosh", np.arccosh, lambda F, y, x: F.rsqrt(x * x - 1), ulps=4, domain=between(1.1, 100)),
    unary("atanh", np.arctanh, lambda F, y, x: 1 / (1 - x * x), ulps=4, domain=small(0.9)),
    unary("exp2", np.exp2, lambda F, y, x: y * _LN2, ulps=3, domain=small(6)),
    unary("log2", np.log2, lambda F, y, x: (1 / _LN2) / x, ulps=3, domain=between(0.1, 1e4)),
    unary("log10", np.log10, lambda F, y, x: (1 / _LN10) / x, ulps=3, domain=between(0.1, 1e4)),
    unary("erf", _erf, lambda F, y, x: _ERF * F.exp(-(x * x)), ulps=3, domain=small(4)),
    unary("erfc", _erfc, lambda F, y, x: -_ERF * F.exp(-(x * x)), ulps=6, domain=small(3)),
    unary(
        "logit",
        lambda x: np.log(x / (1 - x)),
        lambda F, y, x: 1 / (x * (1 - x)),
        ulps=6,
        domain=between(0.1, 0.9),
    ),
    unary("frac", lambda x: x - np.trunc(x), lambda F, y, x: 1, exact=True),
    Op("pow", "{0} ** {1}", Elementwise(_power), np.power, 2, domain=_positive_base, ulps=4),
    Op("atan2", "torch.atan2({0}, {1})", Elementwise(_angle), np.arctan2, 2, domain=_OFF_THE_CUT, ulps=3),
    Op(
        "hypot",
        "torch.hypot({0}, {1})",
        Elementwise(lambda F, y, a, b: (a / y, b / y)),
        np.hypot,
        2,
        domain=_AWAY,
        ulps=3,
    ),
    Op(
        "logaddexp",
        "torch.logaddexp({0}, {1})",
        Elementwise(lambda F, y, a, b: (F.sigmoid(a - b), F.sigmoid(b - a))),
        np.logaddexp,
        2,
        domain=small(6),
        ulps=4,
    ),
    Op(
        "xlogy",
        "torch.xlogy({0}, {1})",
        Elementwise(lambda F, y, a, b: (F.log(b), a / b)),
        lambda a, b: a * np.log(b),
        2,
        domain=lambda a, b: between(0.1, 1e4)(b),
        ulps=3,
    ),
    Op("lerp", "torch.lerp({0}, {1}, {2})", Composite(_lerp), arity=3, exact=True),
    Op(
        "addcmul",
        "torch.addcmul({0}, {1}, {2}, value={value})",
        Composite(lambda F, a, b, c, value: a + value * (b * c)),
        arity=3,
        params=lambda e, *xs: {"value": e.pick((1.0, 2.0, -0.5))},
        exact=True,
    ),
    Op(
        "addcdiv",
        "torch.addcdiv({0}, {1}, {2}, value={value})",
        # Not a composition: an operand that is spread gets the sum of quotients, each of them rounded.
        Elementwise(lambda F, y, a, b, c, value: (1, value / c, -value * b / (c * c))),
        lambda a, b, c, value: a + value * (b / c),
        3,
        params=lambda e, *xs: {"value": e.pick((1.0, 2.0, -0.5))},
        domain=lambda a, b, c, value: apart(c, 0.0, by=0.2),
        ulps=2,
    ),
)
