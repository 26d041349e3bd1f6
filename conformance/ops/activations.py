"""Rows of activation functions and powers.

At kinks the derivative is the documented subgradient: 0 for relu6 and hardtanh at their bounds, the slope for
leaky_relu at 0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops.elementwise import apart, unary
from gradlaws.conformance.ops.table import TABLE, Composite, Elementwise, Op, small

_GELU = math.sqrt(2 / math.pi)


def _power_domain(x: Array, exponent: float) -> bool:
    return exponent > 0 or apart(x, 0.0, by=0.2)


def _power_partial(F: Any, _: Any, x: Any, exponent: float) -> tuple[Any]:
    return (0.0 if exponent == 0 else exponent * F.pow_scalar(x, exponent=exponent - 1),)


def _gelu(F: Any, x: Any) -> Any:
    return 0.5 * x * (1 + F.tanh(_GELU * (x + 0.044715 * (x * x * x))))


def functional(name: str, more: str = "") -> str:
    """The spelling of a function of torch.nn.functional of one tensor."""
    return f"torch.nn.functional.{name}({{0}}{more})"


TABLE.add(
    Op(
        "pow_scalar",
        "{0} ** {exponent}",
        Elementwise(_power_partial),
        lambda x, exponent: x**exponent,
        params=lambda e, x: {"exponent": e.pick((2.0, 3.0, -1.0))},
        domain=_power_domain,
        ulps=2,
    ),
    Op(
        "leaky_relu",
        functional("leaky_relu", ", {slope}"),
        Elementwise(lambda F, y, x, slope: ((x > 0) + slope * (x <= 0),)),
        lambda x, slope: np.where(x > 0, x, x * np.asarray(slope, x.dtype)),
        ulps=0.5,
        params=lambda e, x: {"slope": e.pick((0.25, 0.125))},
    ),
    unary(
        "hardtanh",
        lambda x: np.clip(x, -1, 1).astype(x.dtype),
        lambda F, y, x: (x > -1) & (x < 1),
        spell=functional("hardtanh"),
        exact=True,
    ),
    unary(
        "relu6",
        lambda x: np.clip(x, 0, 6).astype(x.dtype),
        lambda F, y, x: (x > 0) & (x < 6),
        spell=functional("relu6"),
        exact=True,
    ),
    unary(
        "elu",
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        # At 0, where both halves have the slope 1, the second derivative is that of the right one, as in PyTorch.
        lambda F, y, x: (x >= 0) + (x < 0) * (y + 1),
        spell=functional("elu"),
        ulps=2,
        domain=small(6),
    ),
    Op("silu", functional("silu"), Composite(lambda F, x: x * F.sigmoid(x)), domain=small(6), ulps=4),
    Op("gelu", functional("gelu", ", approximate='tanh'"), Composite(_gelu), domain=small(4), ulps=8),
    Op("softsign", functional("softsign"), Composite(lambda F, x: x / (1 + F.abs(x))), ulps=2),
    Op(
        "logsigmoid",
        functional("logsigmoid"),
        Composite(lambda F, x: -F.softplus(-x)),
        domain=small(6),
        ulps=4,
    ),
    unary("round", np.round, lambda F, y, x: 0, exact=True),
    unary("trunc", np.trunc, lambda F, y, x: 0, exact=True),
)
