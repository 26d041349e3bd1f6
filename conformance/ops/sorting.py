"""Rows of ops that put elements in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.parameters import filled_dim
from gradlaws.conformance.ops.table import TABLE, Op, Params, Pick


def clear_order(x: Array, dim: int, **_: Any) -> bool:
    """Whether elements along `dim` differ clearly, so that their order is beyond doubt."""
    return x.size > 0 and (x.shape[dim] < 2 or bool(np.diff(np.sort(x, dim), axis=dim).min() >= 0.05))


def unrounded(x: Array, **_: Any) -> bool:
    """Whether all elements are short dyadic numbers, which no rounding made equal, or tells apart."""
    return bool((x * 1024 == np.round(x * 1024)).all())


def ordered(x: Array, dim: int, largest: int | None = None) -> Array:
    """Flat positions of x in ascending order along dim, or of its `largest` elements in descending order."""
    order = np.argsort(x, axis=dim, kind="stable")
    if largest is not None:
        order = np.flip(order, dim).take(range(largest), axis=dim)
    return np.take_along_axis(np.arange(x.size).reshape(x.shape), order, dim)


def _picked(x: Array, dim: int, largest: int) -> Array:
    return x.ravel()[ordered(x, dim, largest)]


def _dim_and_k(entropy: Entropy, x: Array) -> Params | None:
    if not x.ndim or not x.size:
        return None
    dim = entropy.below(x.ndim)
    return {"dim": dim, "k": 1 + entropy.below(x.shape[dim])}


TABLE.add(
    Op(
        "sort",
        "torch.sort({0}, dim={dim}).values",
        Pick(ordered),
        lambda x, dim: np.sort(x, dim),
        params=filled_dim,
        domain=clear_order,
        exact=True,
    ),
    Op(
        "topk",
        "torch.topk({0}, {k}, dim={dim}).values",
        Pick(lambda x, dim, k: ordered(x, dim, k)),
        lambda x, dim, k: _picked(x, dim, k),
        params=_dim_and_k,
        domain=clear_order,
        exact=True,
    ),
    # stable: equal elements keep their order, so that it is beyond doubt where a gradient goes
    Op(
        "sort_stable",
        "torch.sort({0}, dim={dim}, stable=True).values",
        Pick(ordered),
        lambda x, dim: np.sort(x, dim),
        params=filled_dim,
        domain=unrounded,
        exact=True,
    ),
    Op(
        "sort_descending",
        "torch.sort({0}, dim={dim}, descending=True, stable=True).values",
        Pick(lambda x, dim: ordered(-x, dim)),
        lambda x, dim: -np.sort(-x, dim),
        params=filled_dim,
        domain=unrounded,
        exact=True,
    ),
    Op(
        "kthvalue",
        "torch.kthvalue({0}, {k}, dim={dim}).values",
        Pick(lambda x, dim, k: ordered(x, dim).take(k - 1, axis=dim)),
        lambda x, dim, k: np.sort(x, dim).take(k - 1, axis=dim),
        params=_dim_and_k,
        domain=clear_order,
        exact=True,
    ),
    Op(
        "median",
        "torch.median({0}, dim={dim}).values",
        Pick(lambda x, dim: ordered(x, dim).take((x.shape[dim] - 1) // 2, axis=dim)),
        lambda x, dim: np.sort(x, dim).take((x.shape[dim] - 1) // 2, axis=dim),
        params=filled_dim,
        domain=clear_order,
        exact=True,
    ),
)
