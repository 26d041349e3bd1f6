"""Rows of sums, extrema and products: reductions and contractions."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.table import (
    TABLE,
    Composite,
    Constant,
    Contraction,
    Op,
    Params,
    Total,
    Weighted,
    axes,
)

LETTERS = "abcdefgh"


def reduced_dims(entropy: Entropy, x: Array) -> Params:
    """Parameters dim (an int, a tuple or None for all) and keepdim."""
    if not x.ndim or entropy.chance(40):
        return {"dim": None, "keepdim": False}
    dim: Any = entropy.below(x.ndim) - (x.ndim if entropy.chance(30) else 0)
    if x.ndim > 1 and entropy.chance(30):
        dim = (0, x.ndim - 1)
    return {"dim": dim, "keepdim": entropy.chance(40)}


def one_dim(entropy: Entropy, x: Array) -> Params | None:
    """A parameter dim; None for 0-d operands."""
    return {"dim": entropy.below(x.ndim)} if x.ndim else None


def _np_axis(dim: Any) -> Any:
    return tuple(dim) if isinstance(dim, list) else dim


def _sum(x: Array, dim: Any = None, keepdim: bool = False) -> Array:
    return np.asarray(x.sum(axis=_np_axis(dim), keepdims=keepdim, dtype=x.dtype))


def _extremum(reduce: Any) -> Any:
    return lambda x, dim, keepdim: np.asarray(reduce(x, axis=_np_axis(dim), keepdims=keepdim))


def _even_shares(y: Array, x: Array, dim: Any, keepdim: bool) -> Array:
    where = axes(dim, x.ndim)
    hit = x == (y if keepdim else np.expand_dims(y, where))
    return np.asarray(hit / hit.sum(axis=where, keepdims=True))


def _count(x: Any, dim: Any) -> int:
    count = 1
    for axis in axes(dim, len(x.shape)):
        count *= x.shape[axis]
    return count


def _nonempty(x: Array, **_: Any) -> bool:
    return bool(x.size)


def _matmul_spec(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    if len(a) == 1 and len(b) == 1:
        return "a,a->"
    if len(a) == 1:
        return "a,ab->b"
    if len(b) == 1:
        return f"{LETTERS[: len(a)]},{LETTERS[len(a) - 1]}->{LETTERS[: len(a) - 1]}"
    if len(a) == 2:
        return "ab,bc->ac"
    return "abc,acd->abd"


def matmul_shapes(a: Array, b: Array) -> bool:
    """Whether a @ b is defined here: ranks (1,1), (1,2), (2,1), (2,2), (3,1), (3,3) with matching sizes."""
    if (a.ndim, b.ndim) not in {(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 3)}:
        return False
    inner = b.shape[0] if b.ndim < 3 else b.shape[1]
    return a.shape[-1] == inner and (b.ndim < 3 or a.shape[0] == b.shape[0])


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
        domain=_nonempty,
        ulps=2,
    ),
    Op(
        "amax",
        "torch.amax({0}, dim={dim}, keepdim={keepdim})",
        Weighted(_even_shares),
        _extremum(np.max),
        params=lambda e, x: {**reduced_dims(e, x), "dim": axes(reduced_dims(e, x)["dim"], x.ndim)},
        domain=_nonempty,
        exact=True,
    ),
    Op(
        "amin",
        "torch.amin({0}, dim={dim}, keepdim={keepdim})",
        Weighted(_even_shares),
        _extremum(np.min),
        params=lambda e, x: {**reduced_dims(e, x), "dim": axes(reduced_dims(e, x)["dim"], x.ndim)},
        domain=_nonempty,
        exact=True,
    ),
    Op(
        "argmax",
        "torch.argmax({0})",
        Constant(),
        lambda x: np.asarray(np.argmax(x)),
        domain=_nonempty,
        dtypes="fi",
    ),
    Op(
        "einsum",
        "torch.einsum({spec}, {0}, {1})",
        Contraction(lambda a, b, spec: spec),
        lambda a, b, spec: np.einsum(spec, a, b),
        2,
        exact=True,
        dtypes="fc",
        tags=frozenset({"internal"}),
    ),
    Op(
        "matmul",
        "{0} @ {1}",
        Contraction(lambda a, b: _matmul_spec(a, b)),
        lambda a, b: np.einsum(_matmul_spec(a.shape, b.shape), a, b),
        2,
        domain=matmul_shapes,
        exact=True,
        saves="operands",
    ),
)


def _softmax(F: Any, x: Any, dim: int) -> Any:
    e = F.exp(x - F.stop(F.amax(x, dim=(dim,), keepdim=True)))
    return e / F.sum(e, dim=dim, keepdim=True)


def _log_softmax(F: Any, x: Any, dim: int) -> Any:
    shifted = x - F.stop(F.amax(x, dim=(dim,), keepdim=True))
    return shifted - F.log(F.sum(F.exp(shifted), dim=dim, keepdim=True))


TABLE.add(
    Op(
        "softmax",
        "torch.softmax({0}, dim={dim})",
        Composite(_softmax),
        params=one_dim,
        domain=_nonempty,
        ulps=4,
    ),
    Op(
        "log_softmax",
        "torch.log_softmax({0}, dim={dim})",
        Composite(_log_softmax),
        params=one_dim,
        domain=_nonempty,
        ulps=4,
    ),
)
