"""Rows of sums, means, products and norms over dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.cumulative import slices
from gradlaws.conformance.ops.parameters import reduced_dims
from gradlaws.conformance.ops.table import TABLE, Composite, Op, Params, Total, axes


def _prod_dim(entropy: Entropy, x: Array) -> Params | None:
    if not x.ndim or not x.size or max(x.shape) > 4:
        return None
    return {"dim": entropy.below(x.ndim), "keepdim": entropy.chance(40)}


def _prod(F: Any, x: Any, dim: int, keepdim: bool) -> Any:
    first, *rest = slices(F, x, dim)
    for part in rest:
        first = F.mul(first, part)
    return F.unsqueeze(first, dim=dim) if keepdim else first


def _prod_all(F: Any, x: Any) -> Any:
    size = int(np.prod(x.shape))
    if not size:  # one, which depends on nothing and yet is differentiated
        return F.sum(x, dim=None, keepdim=False) + 1
    return _prod(F, F.reshape(x, shape=(size,)), 0, False)


def numpy_axis(dim: Any) -> Any:
    """A parameter dim as NumPy takes it."""
    return tuple(dim) if isinstance(dim, list) else dim


def _sum(x: Array, dim: Any = None, keepdim: bool = False) -> Array:
    return np.asarray(x.sum(axis=numpy_axis(dim), keepdims=keepdim, dtype=x.dtype))


def _count(x: Any, dim: Any) -> int:
    count = 1
    for axis in axes(dim, len(x.shape)):
        count *= x.shape[axis]
    return count


def nonempty(x: Array, **_: Any) -> bool:
    """A domain: at least one element."""
    return bool(x.size)


def _any_dim(entropy: Entropy, x: Array) -> Params | None:
    return {"dim": entropy.below(x.ndim), "keepdim": entropy.chance(40)} if x.ndim and x.size else None


def _logsumexp(F: Any, x: Any, dim: int, keepdim: bool) -> Any:
    high = F.stop(F.amax(x, dim=(dim,), keepdim=True))
    total = high + F.log(F.sum(F.exp(x - high), dim=dim, keepdim=True))
    return total if keepdim else F.squeeze(total, dim=dim)


def _norm(F: Any, x: Any) -> Any:
    return F.sqrt(F.sum(F.square(x), dim=None, keepdim=False))


TABLE.add(
    Op(
        "sum",
        "torch.sum({0}, dim={dim}, keepdim={keepdim})",
        Total(),
        _sum,
        params=reduced_dims,
        exact=True,
        dtypes="fc",
    ),
    Op(
        "mean",
        "torch.mean({0}, dim={dim}, keepdim={keepdim})",
        Composite(lambda F, x, dim, keepdim: F.sum(x, dim=dim, keepdim=keepdim) * (1 / _count(x, dim))),
        params=reduced_dims,
        domain=nonempty,
        ulps=2,
    ),
    Op("prod", "torch.prod({0}, dim={dim}, keepdim={keepdim})", Composite(_prod), params=_prod_dim, ulps=2),
    Op("prod_all", "torch.prod({0})", Composite(_prod_all), domain=lambda x: x.size <= 6, ulps=2),
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
)
