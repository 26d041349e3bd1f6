"""Rows of indexing: basic, by integers with repeats, by mask, gather and scatter."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.movement import MOVE, VIEW
from gradlaws.conformance.ops.table import TABLE, Composite, Movement, Op, Params


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


def _scattered(entropy: Entropy, x: Array, src: Array) -> Params | None:
    """Parameters dim and index, each position written once: what wins among several is not promised."""
    if not x.ndim or not x.size or x.shape != src.shape:
        return None
    dim = entropy.below(x.ndim)
    order = list(range(x.shape[dim]))
    shuffled = [order.pop(entropy.below(len(order))) for _ in range(len(order))]
    line = np.reshape(shuffled, [-1 if d == dim else 1 for d in range(x.ndim)])
    return {"dim": dim, "index": np.broadcast_to(line, x.shape).tolist()}


def _added(entropy: Entropy, x: Array, src: Array) -> Params | None:
    """Parameters dim and index, repeats likely: they sum."""
    if not x.ndim or not x.size or x.shape != src.shape:
        return None
    dim = entropy.below(x.ndim)
    return {
        "dim": dim,
        "index": np.reshape([entropy.below(x.shape[dim]) for _ in range(x.size)], x.shape).tolist(),
    }


def _rows(entropy: Entropy, x: Array, src: Array) -> Params | None:
    if not x.ndim or not x.size or x.shape != src.shape:
        return None
    return {"index": [entropy.below(x.shape[0]) for _ in range(x.shape[0])]}


def _take_along(x: Array, dim: int, index: Any) -> Array:
    return np.take_along_axis(x, np.asarray(index, dtype=np.int64), dim)


def _put_along(x: Array, src: Array, dim: int, index: Any) -> Array:
    out = np.array(x)
    np.put_along_axis(out, np.asarray(index, dtype=np.int64), src, dim)
    return out


def _numbered(shape: tuple[int, ...]) -> Array:
    return np.arange(1, int(np.prod(shape)) + 1).reshape(shape)


def _scatter_add(F: Any, x: Any, src: Any, dim: int, index: Any) -> Any:
    return x + F.put(src, index=_take_along(_numbered(x.shape), dim, index), shape=x.shape)


def _index_add(F: Any, x: Any, src: Any, index: list[int]) -> Any:
    return x + F.put(src, index=_numbered(x.shape)[np.asarray(index)], shape=x.shape)


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
    Op(
        "scatter",
        "torch.scatter({0}, {dim}, torch.tensor({index}), {1})",
        Movement(),
        _put_along,
        2,
        params=_scattered,
        **MOVE,
    ),
    Op(
        "scatter_add",
        "torch.scatter_add({0}, {dim}, torch.tensor({index}), {1})",
        Composite(_scatter_add),
        arity=2,
        params=_added,
        exact=True,
    ),
    Op(
        "index_add",
        "torch.index_add({0}, 0, torch.tensor({index}), {1})",
        Composite(_index_add),
        arity=2,
        params=_rows,
        exact=True,
    ),
)
