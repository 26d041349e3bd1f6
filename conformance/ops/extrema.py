"""Rows of extrema over dimensions, and over all elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops.parameters import filled_dim, reduced_dims
from gradlaws.conformance.ops.reduction import nonempty, numpy_axis
from gradlaws.conformance.ops.sorting import clear_order, ordered
from gradlaws.conformance.ops.table import TABLE, Constant, Op, Pick, Weighted, axes


def _extremum(reduce: Any) -> Any:
    return lambda x, dim, keepdim: np.asarray(reduce(x, axis=numpy_axis(dim), keepdims=keepdim))


def _even_shares(y: Array, x: Array, dim: Any, keepdim: bool) -> Array:
    where = axes(dim, x.ndim)
    hit = x == (y if keepdim else np.expand_dims(y, where))
    return np.asarray(hit / hit.sum(axis=where, keepdims=True))


def _shares(y: Array, x: Array) -> Array:
    hit = (x == y) | (np.isnan(x) & np.isnan(y))  # one NaN is as large as another
    return np.asarray(hit / hit.sum())


TABLE.add(
    Op(
        "amax",
        "torch.amax({0}, dim={dim}, keepdim={keepdim})",
        Weighted(_even_shares),
        _extremum(np.max),
        params=lambda e, x: {**reduced_dims(e, x), "dim": axes(reduced_dims(e, x)["dim"], x.ndim)},
        domain=nonempty,
        exact=True,
    ),
    Op(
        "amin",
        "torch.amin({0}, dim={dim}, keepdim={keepdim})",
        Weighted(_even_shares),
        _extremum(np.min),
        params=lambda e, x: {**reduced_dims(e, x), "dim": axes(reduced_dims(e, x)["dim"], x.ndim)},
        domain=nonempty,
        exact=True,
    ),
    Op(
        "argmax",
        "torch.argmax({0})",
        Constant(),
        lambda x: np.asarray(np.argmax(x)),
        domain=nonempty,
        dtypes="fi",
    ),
    Op(
        "max_all",
        "torch.max({0})",
        Weighted(_shares),
        lambda x: np.asarray(np.max(x)),
        domain=nonempty,
        exact=True,
    ),
    Op(
        "min_all",
        "torch.min({0})",
        Weighted(_shares),
        lambda x: np.asarray(np.min(x)),
        domain=nonempty,
        exact=True,
    ),
    Op(
        "max_dim",
        "torch.max({0}, dim={dim}).values",
        Pick(lambda x, dim: ordered(x, dim, 1).squeeze(dim)),
        lambda x, dim: np.max(x, axis=dim),
        params=filled_dim,
        domain=clear_order,
        exact=True,
    ),
    Op(
        "min_dim",
        "torch.min({0}, dim={dim}).values",
        Pick(lambda x, dim: ordered(x, dim).take(0, axis=dim)),
        lambda x, dim: np.min(x, axis=dim),
        params=filled_dim,
        domain=clear_order,
        exact=True,
    ),
)
