"""Rows of sums, means, products and norms over dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.cumulative import slices
from gradlaws.conformance.ops.parameters import reduced_dims
from gradlaws.conformance.ops.table import TABLE, Composite, Elementwise, Op, Params, Total, axes


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
    return F.root(F.sum(F.square(x), dim=None, keepdim=False))


def _p_norm(F: Any, x: Any, ord: float) -> Any:  # noqa: A002 - PyTorch's name
    if ord == np.inf:
        return F.max_all(F.abs(x))
    total = F.sum(F.pow_scalar(F.abs(x), exponent=ord), dim=None, keepdim=False)
    return F.power_root(total, degree=ord)


def _filled(F: Any, x: Any) -> Any:
    """X, with 1 in place of 0."""
    zero = x == 0
    return x + F.const(zero, x) if np.any(zero) else x


def _clear_sizes(x: Array, ord: float) -> bool:  # noqa: A002 - PyTorch's name
    """Whether no element is near 0, and it is beyond doubt which is the largest in size."""
    sizes = np.sort(np.abs(x), axis=None)
    return bool(x.size) and sizes[0] >= 0.1 and (ord < np.inf or x.size == 1 or sizes[-1] - sizes[-2] >= 0.05)


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
    # The outermost op of a norm, whose subgradient of least norm at 0 is 0, and not an infinity times 0.
    Op(
        "root",
        "root({0})",
        Elementwise(lambda F, y, x: (F.const(x > 0, x) * (0.5 / _filled(F, y)),)),
        np.sqrt,
        ulps=0.5,
        tags=frozenset({"internal"}),
    ),
    Op(
        "power_root",
        "power_root({0}, {degree})",
        Elementwise(lambda F, y, x, degree: ((1 / degree) * y / _filled(F, x),)),
        lambda x, degree: x ** (1 / degree),
        ulps=3,
        tags=frozenset({"internal"}),
    ),
    Op(
        "p_norm",
        "torch.linalg.vector_norm({0}, {ord})",
        Composite(_p_norm),
        params=lambda e, x: {"ord": e.pick((3.0, 1.0, np.inf, 1.5))},
        domain=_clear_sizes,
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
