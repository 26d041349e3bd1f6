"""Rows of the common losses: input and target of one shape, or class numbers as a parameter."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.table import TABLE, Composite, Op, Params, small


def _same(_: Entropy, x: Array, t: Array) -> Params | None:
    return {} if x.shape == t.shape and x.size else None


def _classes(entropy: Entropy, x: Array) -> Params | None:
    if x.ndim != 2 or not x.size:
        return None
    return {"target": [entropy.below(x.shape[1]) for _ in range(x.shape[0])]}


def _mean(F: Any, x: Any) -> Any:
    return F.mean(x, dim=None, keepdim=False)


def _mse(F: Any, x: Any, t: Any) -> Any:
    return _mean(F, F.square(x - t))


def _l1(F: Any, x: Any, t: Any) -> Any:
    return _mean(F, F.abs(x - t))


def _huber(F: Any, x: Any, t: Any) -> Any:
    near = F.hardtanh(x - t)  # where |x - t| < 1 the loss is a parabola, beyond it a line
    return _mean(F, 0.5 * F.square(near) + (F.abs(x - t) - F.abs(near)))


def _logits(F: Any, x: Any, t: Any) -> Any:
    # Engines combine the terms in other ways, of which each rounds a little; some take softplus(-x) from x, and
    # what that rounds is in proportion to x, however small the loss is.
    rough = F.blur(x)
    return _mean(F, F.softplus(rough) - rough * t + F.stop(rough - x))


def _kl(F: Any, x: Any, t: Any) -> Any:
    return F.sum(t * (F.log(t) - x), dim=None, keepdim=False)


def _nll(F: Any, x: Any, target: list[int]) -> Any:
    return -_mean(F, F.gather(x, dim=1, index=[[k] for k in target]))


def _cross_entropy(F: Any, x: Any, target: list[int]) -> Any:
    return _nll(F, F.log_softmax(x, dim=1), target)


def _bce(F: Any, x: Any, t: Any) -> Any:
    return -_mean(F, t * F.log(x) + (1 - t) * F.log(1 - x))


def _poisson(F: Any, x: Any, t: Any) -> Any:
    return _mean(F, F.exp(x) - t * x)


def _loss(name: str, body: Any, more: str = "", **rest: Any) -> Op:
    spell = f"torch.nn.functional.{name}({{0}}, {{1}}{more})"
    return Op(name, spell, Composite(body), arity=2, params=_same, ulps=4, **rest)


TABLE.add(
    _loss("mse_loss", _mse),
    _loss("l1_loss", _l1),
    _loss("smooth_l1_loss", _huber),
    _loss("huber_loss", _huber),
    _loss("binary_cross_entropy_with_logits", _logits, domain=small(6)),
    _loss("kl_div", _kl, ", reduction='sum'", domain=lambda x, t: bool(np.min(t) >= 0.1)),
    _loss("poisson_nll_loss", _poisson, domain=small(4)),
    Op(
        "binary_cross_entropy",
        "torch.nn.functional.binary_cross_entropy({0} / 4 + 0.5, {1} / 4 + 0.5)",
        Composite(lambda F, x, t: _bce(F, 0.25 * x + 0.5, 0.25 * t + 0.5)),
        arity=2,
        params=_same,
        domain=lambda x, t: bool(max(np.abs(x).max(), np.abs(t).max()) <= 1.6),
        tags=frozenset({"entangled"}),
        ulps=8,
    ),
    Op(
        "nll_loss",
        "torch.nn.functional.nll_loss({0}, torch.tensor({target}))",
        Composite(_nll),
        params=_classes,
        ulps=4,
    ),
    Op(
        "cross_entropy",
        "torch.nn.functional.cross_entropy({0}, torch.tensor({target}))",
        Composite(_cross_entropy),
        params=_classes,
        domain=small(6),
        ulps=4,
    ),
)
