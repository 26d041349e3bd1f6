"""Rows of activation functions.

At kinks the derivative is the documented subgradient: 0 for relu, and for relu6 and hardtanh at their bounds; the
slope for leaky_relu at 0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradlaws.conformance.ops.elementwise import unary
from gradlaws.conformance.ops.parameters import one_dim
from gradlaws.conformance.ops.reduction import nonempty
from gradlaws.conformance.ops.table import TABLE, Composite, Elementwise, Op, small

_GELU = math.sqrt(2 / math.pi)


def _gelu(F: Any, x: Any) -> Any:
    return 0.5 * x * (1 + F.tanh(_GELU * (x + 0.044715 * (x * x * x))))


def functional(name: str, more: str = "") -> str:
    """The spelling of a function of torch.nn.functional of one tensor."""
    return f"torch.nn.functional.{name}({{0}}{more})"


def _softmax(F: Any, x: Any, dim: int) -> Any:
    e = F.exp(x - F.stop(F.amax(x, dim=(dim,), keepdim=True)))
    return e / F.sum(e, dim=dim, keepdim=True)


def _log_softmax(F: Any, x: Any, dim: int) -> Any:
    shifted = x - F.stop(F.amax(x, dim=(dim,), keepdim=True))
    return shifted - F.log(F.sum(F.exp(shifted), dim=dim, keepdim=True))


TABLE.add(
    unary("tanh", np.tanh, lambda F, y, x: 1 - y * y, ulps=3, saves="result", domain=small(6)),
    unary(
        "sigmoid",
        lambda x: 1 / (1 + np.exp(-x)),
        lambda F, y, x: y * (1 - y),
        ulps=4,
        saves="result",
        domain=small(6),
    ),
    unary(
        "softplus",
        lambda x: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0),
        lambda F, y, x: F.sigmoid(x),
        spell="torch.nn.functional.softplus({0})",
        ulps=4,
        domain=small(6),
    ),
    unary("relu", lambda x: np.maximum(x, 0), lambda F, y, x: x > 0, exact=True),
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
    Op(
        "softmax",
        "torch.softmax({0}, dim={dim})",
        Composite(_softmax),
        params=one_dim,
        domain=nonempty,
        ulps=4,
    ),
    Op(
        "log_softmax",
        "torch.log_softmax({0}, dim={dim})",
        Composite(_log_softmax),
        params=one_dim,
        domain=nonempty,
        ulps=4,
    ),
)
