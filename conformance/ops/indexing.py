"""Rows of indexing: basic, by integers with repeats, by mask, gather. What puts values in is in `scattering`."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.movement import MOVE, VIEW
from gradlaws.conformance.ops.table import TABLE, Movement, Op, Params


def repeats(entropy: Entropy, x: Array) -> Params | None:
    """A parameter index: integers into the first dimension, repeats likely."""
    if not x.size or not x.ndim:
        return None
    return {"index": [entropy.below(x.shape[0]) for _ in range(1 + entropy.below(4))]}


def _dim_and_index(entropy: Entropy, x: Array) -> Params | None:
    if not x.ndim or not x.size:
        return None
    dim = entropy.below(x.ndim)
    return {"dim": dim, "index": entropy.below(x.shape[dim])}


def _start_and_step(entropy: Entropy, x: Array) -> Params | None:
    if not x.ndim or not x.size:
        return None
    return {"start": entropy.below(x.shape[0]), "step": 1 + entropy.below(2)}


def _mask(entropy: Entropy, x: Array) -> Params | None:
    if not x.ndim or not x.size:
        return None
    mask = [entropy.chance(50) for _ in range(x.shape[0])]
    mask[entropy.below(x.shape[0])] = True
    return {"mask": mask}


def _dim_and_repeats(entropy: Entropy, x: Array) -> Params | None:
    if not x.ndim or not x.size:
        return None
    dim = entropy.below(x.ndim)
    return {"dim": dim, "index": [entropy.below(x.shape[dim]) for _ in range(1 + entropy.below(3))]}


def _gathered(entropy: Entropy, x: Array) -> Params | None:
    """Parameters dim and index: nested lists of x's rank, repeats likely."""
    if not x.ndim or not x.size:
        return None
    dim = entropy.below(x.ndim)
    shape = list(x.shape)
    shape[dim] = 1 + entropy.below(2)
    flat = [entropy.below(x.shape[dim]) for _ in range(int(np.prod(shape)))]
    return {"dim": dim, "index": np.reshape(flat, shape).tolist()}


def _take_along(x: Array, dim: int, index: Any) -> Array:
    return np.take_along_axis(x, np.asarray(index, dtype=np.int64), dim)


TABLE.add(
    Op(
        "select",
        "{0}.select({dim}, {index})",
        Movement(),
        lambda x, dim, index: x[(slice(None),) * dim + (index, ...)],
        params=_dim_and_index,
        **VIEW,
    ),
    Op(
        "get_item",
        "{0}[{index}]",
        Movement(),
        lambda x, index: x[index, ...],  # a view, 0-d too
        params=lambda e, x: {"index": e.below(x.shape[0])} if x.ndim and x.size else None,
        **VIEW,
    ),
    Op(
        "get_slice",
        "{0}[{start}::{step}]",
        Movement(),
        lambda x, start, step: x[start::step],
        params=_start_and_step,
        **VIEW,
    ),
    Op(
        "index",
        "{0}[{index}]",
        Movement(),
        lambda x, index: x[np.asarray(index, dtype=np.int64)],
        params=repeats,
        **MOVE,
    ),
    Op(
        "index_mask",
        "{0}[torch.tensor({mask})]",
        Movement(),
        lambda x, mask: x[np.asarray(mask)],
        params=_mask,
        **MOVE,
    ),
    Op(
        "index_select",
        "torch.index_select({0}, {dim}, torch.tensor({index}))",
        Movement(),
        lambda x, dim, index: np.take(x, index, axis=dim),
        params=_dim_and_repeats,
        **MOVE,
    ),
    Op(
        "gather",
        "torch.gather({0}, {dim}, torch.tensor({index}))",
        Movement(),
        _take_along,
        params=_gathered,
        **MOVE,
    ),
)
