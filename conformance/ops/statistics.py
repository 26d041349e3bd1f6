"""Rows of variances and standard deviations."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.table import TABLE, Composite, Op, Params


def _several(entropy: Entropy, x: Array) -> Params | None:
    """Parameters dim and keepdim, the dimension of size 2 at least."""
    dims = [d for d, n in enumerate(x.shape) if n > 1]
    return {"dim": entropy.pick(dims), "keepdim": entropy.chance(40)} if dims and x.size else None


def _constant(x: Any, dim: int) -> bool:
    """Whether all numbers along a dimension are the same."""
    array = x if isinstance(x, np.ndarray) else x.array
    return bool((array == array.take([0], axis=dim)).all())


def _var(F: Any, x: Any, dim: int, keepdim: bool) -> Any:
    # Engines update a mean from element to element, or subtract squares: what that rounds is in proportion to x,
    # however small the variance is. Of numbers that are all the same there is nothing to round.
    rough = x if _constant(x, dim) else F.blur(x)
    centred = rough - F.mean(rough, dim=dim, keepdim=True)
    return F.sum(F.square(centred), dim=dim, keepdim=keepdim) * (1 / (x.shape[dim] - 1))


def _std(F: Any, x: Any, dim: int, keepdim: bool) -> Any:
    return F.root(_var(F, x, dim, keepdim))


def _spread(x: Array, dim: int, **_: Any) -> bool:
    return bool(np.var(x, axis=dim, ddof=1).min() >= 0.1)


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
        "var_mean",
        "torch.var_mean({0}, dim={dim}, keepdim={keepdim})",
        Composite(
            lambda F, x, dim, keepdim: (_var(F, x, dim, keepdim), F.mean(F.blur(x), dim=dim, keepdim=keepdim))
        ),
        params=_several,
        many=True,
        ulps=4,
    ),
)
