"""Rows of variances, norms and extrema over all elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.table import TABLE, Composite, Op, Params, Weighted


def _several(entropy: Entropy, x: Array) -> Params | None:
    """Parameters dim and keepdim, the dimension of size 2 at least."""
    dims = [d for d, n in enumerate(x.shape) if n > 1]
    return {"dim": entropy.pick(dims), "keepdim": entropy.chance(40)} if dims and x.size else None


def _any_dim(entropy: Entropy, x: Array) -> Params | None:
    return {"dim": entropy.below(x.ndim), "keepdim": entropy.chance(40)} if x.ndim and x.size else None


def _var(F: Any, x: Any, dim: int, keepdim: bool) -> Any:
    # Engines update a mean from element to element, or subtract squares: what that rounds is in proportion to x,
    # however small the variance is.
    rough = F.blur(x)
    centred = rough - F.mean(rough, dim=dim, keepdim=True)
    return F.sum(F.square(centred), dim=dim, keepdim=keepdim) * (1 / (x.shape[dim] - 1))


def _std(F: Any, x: Any, dim: int, keepdim: bool) -> Any:
    return F.sqrt(_var(F, x, dim, keepdim))


def _logsumexp(F: Any, x: Any, dim: int, keepdim: bool) -> Any:
    high = F.stop(F.amax(x, dim=(dim,), keepdim=True))
    total = high + F.log(F.sum(F.exp(x - high), dim=dim, keepdim=True))
    return total if keepdim else F.squeeze(total, dim=dim)


def _norm(F: Any, x: Any) -> Any:
    return F.sqrt(F.sum(F.square(x), dim=None, keepdim=False))


def _shares(y: Array, x: Array) -> Array:
    hit = x == y
    return np.asarray(hit / hit.sum())


def _spread(x: Array, dim: int, **_: Any) -> bool:
    return bool(np.var(x, axis=dim, ddof=1).min() >= 0.1)


def _some(x: Array) -> bool:
    return bool(x.size)


TABLE.add(
    Op("var", "torch.var({0}, dim={dim}, keepdim={keepdim})", Composite(_var), params=_several, ulps=4),
    Op(
        "std",
        "torch.std({0}, dim={dim}, keepdim={keepdim})",
        Composite(_std),
        params=_several,
        domain=_spread,
        ulps=4,
    ),
    Op(
        "logsumexp",
        "torch.logsumexp({0}, dim={dim}, keepdim={keepdim})",
        Composite(_logsumexp),
        params=_any_dim,
        domain=lambda x, dim, keepdim: bool(np.abs(x).max() <= 20),
        ulps=4,
    ),
    Op(
        "vector_norm",
        "torch.linalg.vector_norm({0})",
        Composite(_norm),
        domain=lambda x: bool(x.size) and float(np.square(x).sum()) >= 0.1,
        ulps=4,
    ),
    Op(
        "max_all",
        "torch.max({0})",
        Weighted(_shares),
        lambda x: np.asarray(np.max(x)),
        domain=_some,
        exact=True,
    ),
    Op(
        "min_all",
        "torch.min({0})",
        Weighted(_shares),
        lambda x: np.asarray(np.min(x)),
        domain=_some,
        exact=True,
    ),
)
