"""Rows of activation functions.

At kinks the derivative is the documented subgradient: 0 for relu, and for relu6 and hardtanh at their bounds; the
slope for leaky_relu at 0. Rows whose subgradient no documentation fixes keep away from their kinks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.elementwise import apart, unary
from gradlaws.conformance.ops.parameters import one_dim
from gradlaws.conformance.ops.reduction import nonempty
from gradlaws.conformance.ops.table import TABLE, Composite, Elementwise, Op, Params, small

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


_SELU, _SELU_SLOPE = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def _selu(x: Array) -> Array:
    return _SELU * np.where(x > 0, x, _SELU_SLOPE * np.expm1(np.minimum(x, 0)))


def _glu(F: Any, x: Any, dim: int) -> Any:
    half = x.shape[dim] // 2
    gate = F.narrow(x, dim=dim, start=half, length=half)
    return F.narrow(x, dim=dim, start=0, length=half) * F.sigmoid(gate)


def even_dim(entropy: Entropy, x: Array) -> Params | None:
    """A parameter dim of even size, two at least."""
    dims = [d for d, n in enumerate(x.shape) if n and n % 2 == 0]
    return {"dim": entropy.pick(dims)} if dims else None


def off(*points: float) -> Any:
    """A domain: all elements apart from these points, and of modest size."""
    return lambda x, *_, **__: apart(x, *points) and small(100)(x)


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
    Op(
        "softmin",
        functional("softmin", ", dim={dim}"),
        Composite(lambda F, x, dim: _softmax(F, -x, dim)),
        params=one_dim,
        domain=nonempty,
        ulps=4,
    ),
    Op(
        "mish", functional("mish"), Composite(lambda F, x: x * F.tanh(F.softplus(x))), domain=small(6), ulps=4
    ),
    Op(
        "gelu_erf",
        functional("gelu"),
        Composite(lambda F, x: 0.5 * x * (1 + F.erf(math.sqrt(0.5) * x))),
        domain=small(3),
        ulps=4,
    ),
    Op(
        "tanhshrink", functional("tanhshrink"), Composite(lambda F, x: x - F.tanh(x)), domain=small(6), ulps=2
    ),
    Op(
        "hardswish",
        functional("hardswish"),
        Composite(lambda F, x: x * F.relu6(x + 3) * (1 / 6)),
        domain=off(-3.0, 3.0),
        ulps=2,
    ),
    unary(
        "hardsigmoid",
        lambda x: np.clip(x + 3, 0, 6).astype(x.dtype) / 6,
        lambda F, y, x: ((x > -3) & (x < 3)) * (1 / 6),
        spell=functional("hardsigmoid"),
        domain=off(-3.0, 3.0),
        ulps=2,
    ),
    unary(
        "selu",
        _selu,
        lambda F, y, x: _SELU * ((x > 0) + (x <= 0) * _SELU_SLOPE * F.exp(x)),
        spell=functional("selu"),
        ulps=3,
        domain=lambda x: apart(x, 0.0) and small(6)(x),
    ),
    unary(
        "celu",
        lambda x: np.where(x > 0, x, 2 * np.expm1(np.minimum(x, 0) / 2)),
        lambda F, y, x: (x > 0) + (x <= 0) * F.exp(0.5 * x),
        spell=functional("celu", ", alpha=2."),
        ulps=3,
        domain=lambda x: apart(x, 0.0) and small(6)(x),
    ),
    unary(
        "hardshrink",
        lambda x: x * (np.abs(x) > 0.5),
        lambda F, y, x: (x > 0.5) + (x < -0.5),
        spell=functional("hardshrink"),
        exact=True,
        domain=off(-0.5, 0.5),
    ),
    unary(
        "softshrink",
        lambda x: x - np.clip(x, -0.5, 0.5).astype(x.dtype),
        lambda F, y, x: (x > 0.5) + (x < -0.5),
        spell=functional("softshrink"),
        exact=True,
        domain=off(-0.5, 0.5),
    ),
    unary(
        "threshold",
        lambda x: np.where(x > 0.25, x, np.asarray(2, x.dtype)),
        lambda F, y, x: x > 0.25,
        spell=functional("threshold", ", 0.25, 2."),
        exact=True,
        domain=off(0.25),
    ),
    Op(
        "prelu",
        "torch.nn.functional.prelu({0}, {1})",
        Elementwise(lambda F, y, x, w: ((x > 0) + (x <= 0) * w, x * F.const((x <= 0).astype(float), x))),
        lambda x, w: np.where(x > 0, x, w * x),
        2,
        params=lambda e, x, w: {} if x.ndim and w.shape == (1,) else None,
        domain=lambda x, w: x.dtype == w.dtype and apart(x, 0.0),
        shapes=lambda e: (e.pick(((2,), (2, 2), (3,), (2, 1, 2))), (1,)),
        exact=True,
    ),
    Op("glu", functional("glu", ", dim={dim}"), Composite(_glu), params=even_dim, domain=small(6), ulps=4),
)
