"""Rows of ops that move elements: views, permutations, shifts, repetition, padding.

Their derivative needs no formula: the forward, applied to positions instead of values, says where each
element came from.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.table import TABLE, Movement, Op, Params, Put

INTERNAL = frozenset({"internal"})


MOVE: dict[str, Any] = {"exact": True, "dtypes": "fcib"}


VIEW: dict[str, Any] = {"alias": "view", **MOVE}


def factorings(size: int) -> list[tuple[int, ...]]:
    """Shapes with `size` elements and up to three dimensions."""
    found: list[tuple[int, ...]] = [(size,), (1, size), (size, 1)] + ([()] if size == 1 else [])
    for a in range(2, size):
        if size % a == 0:
            found += [(a, size // a), (a, 1, size // a)]
    return found


def new_shape(entropy: Entropy, x: Array) -> Params:
    """A parameter shape with as many elements as x."""
    return {"shape": entropy.pick(factorings(x.size)) if x.size else x.shape}


def permutation(entropy: Entropy, x: Array) -> Params:
    """A parameter dims: an order of the dimensions."""
    dims = list(range(x.ndim))
    order = []
    while dims:
        order.append(dims.pop(-1 - entropy.below(len(dims))))
    return {"dims": tuple(order)}


def two_dims(entropy: Entropy, x: Array) -> Params | None:
    """Parameters dim0 and dim1; None for 0-d operands."""
    return {"dim0": entropy.below(x.ndim), "dim1": entropy.below(x.ndim)} if x.ndim else None


def expansion(entropy: Entropy, x: Array) -> Params:
    """A parameter shape that x expands to: size-1 dimensions stretched, perhaps one dimension in front."""
    shape = tuple(2 if n == 1 and entropy.chance(70) else n for n in x.shape)
    return {"shape": ((2,) if x.ndim < 3 and entropy.chance(50) else ()) + shape}


def squeezable(entropy: Entropy, x: Array) -> Params | None:
    """A parameter dim of size 1; None where there is none."""
    ones = [d for d, n in enumerate(x.shape) if n == 1]
    return {"dim": entropy.pick(ones)} if ones else None


def new_dim(entropy: Entropy, x: Array) -> Params | None:
    """A parameter dim in [0, ndim]; None where the rank would pass three."""
    return {"dim": entropy.below(x.ndim + 1)} if x.ndim < 3 else None


def dim_and_range(entropy: Entropy, x: Array) -> Params | None:
    """Parameters dim, start, length: a non-empty range of one dimension."""
    if not x.size or not x.ndim:
        return None
    dim = entropy.below(x.ndim)
    start = entropy.below(x.shape[dim])
    return {"dim": dim, "start": start, "length": 1 + entropy.below(x.shape[dim] - start)}


def _narrow(x: Array, dim: int, start: int, length: int) -> Array:
    return np.asarray(x[(slice(None),) * dim + (slice(start, start + length),)])


def _expand(x: Array, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(x, shape)


def _take(x: Array, index: Array) -> Array:
    flat = np.concatenate((np.zeros(1, x.dtype), x.ravel()))
    return np.asarray(flat[index])


def _put(x: Array, index: Array, shape: tuple[int, ...]) -> Array:
    size = int(np.prod(shape))
    out = np.zeros(size + 1, dtype=np.result_type(x.dtype, np.float32))
    np.add.at(out, index.ravel(), x.ravel())
    return np.asarray(out[1:].reshape(shape).astype(x.dtype, copy=False))


def positions(row: Op, xs: tuple[Any, ...], params: Params) -> Any:
    """Where each output element of a movement comes from; not to be written to.

    Flat 1-based positions into the operands laid end to end; 0 is a constant. A tuple where the op has
    several results.
    """
    if row.name == "take":
        return params["index"]
    shapes = tuple([x.shape for x in xs])
    try:
        return _positions(row.name, shapes, tuple(params.items()))
    except TypeError:  # a parameter that cannot be hashed: a list of indices
        return _positions.__wrapped__(row.name, shapes, tuple(params.items()))


@lru_cache(maxsize=4000)
def _positions(name: str, shapes: tuple[tuple[int, ...], ...], items: tuple[tuple[str, Any], ...]) -> Any:
    row, params = TABLE[name], dict(items)
    start = 1
    numbered = []
    for shape in shapes:
        numbered.append(np.arange(start, start + prod(shape)).reshape(shape))
        start += prod(shape)
    if "value" in params:
        params["value"] = 0
    assert row.forward is not None
    return row.forward(*numbered, **params)


def _two_places(entropy: Entropy, x: Array) -> Params | None:
    return {"source": entropy.below(x.ndim), "target": entropy.below(x.ndim)} if x.ndim else None


def _shift(entropy: Entropy, x: Array) -> Params | None:
    return {"shift": entropy.below(4) - 1, "dim": entropy.below(x.ndim)} if x.ndim else None


def _times(entropy: Entropy, x: Array) -> Params | None:
    if x.size > 8 or x.ndim > 2:
        return None
    return {"times": tuple(1 + entropy.below(2) for _ in range(max(x.ndim, 1)))}


def _padding(entropy: Entropy, x: Array) -> Params | None:
    if not x.ndim:
        return None
    return {"pad": (entropy.below(2), 1 + entropy.below(2)), "value": entropy.pick((0.0, 1.0, -0.5))}


def _padded(x: Array, pad: tuple[int, int], value: float) -> Array:
    if not x.ndim:
        raise ValueError("there is no dimension to pad")  # which np.pad lets pass
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [pad], constant_values=value)


def _matrices(entropy: Entropy, x: Array) -> Params | None:
    return {"diagonal": entropy.below(3) - 1} if x.ndim >= 2 else None


def _if_matrix(_: Entropy, x: Array) -> Params | None:
    return {} if x.ndim == 2 and x.size else None


def movement(name: str, spell: str, forward: Any, params: Any, **more: Any) -> Op:
    """A row for an op that moves elements."""
    return Op(name, spell, Movement(), forward, params=params, **more)


TABLE.add(
    Op(
        "view",
        "{0}.view({shape})",
        Movement(),
        lambda x, shape: np.reshape(x, shape),
        params=new_shape,
        **VIEW,
        tags=frozenset({"contiguous"}),
    ),
    Op(
        "reshape",
        "{0}.reshape({shape})",
        Movement(),
        lambda x, shape: np.reshape(x, shape),
        params=new_shape,
        alias="maybe",
        **MOVE,
    ),
    Op(
        "transpose",
        "{0}.transpose({dim0}, {dim1})",
        Movement(),
        lambda x, dim0, dim1: np.swapaxes(x, dim0, dim1),
        params=two_dims,
        **VIEW,
    ),
    Op(
        "permute",
        "{0}.permute({dims})",
        Movement(),
        lambda x, dims: np.transpose(x, dims),
        params=permutation,
        **VIEW,
    ),
    Op("expand", "{0}.expand({shape})", Movement(), _expand, params=expansion, **VIEW),
    Op(
        "squeeze",
        "{0}.squeeze({dim})",
        Movement(),
        lambda x, dim: np.squeeze(x, dim),
        params=squeezable,
        **VIEW,
    ),
    Op(
        "unsqueeze",
        "{0}.unsqueeze({dim})",
        Movement(),
        lambda x, dim: np.expand_dims(x, dim),
        params=new_dim,
        **VIEW,
    ),
    Op("narrow", "{0}.narrow({dim}, {start}, {length})", Movement(), _narrow, params=dim_and_range, **VIEW),
    Op(
        "flip",
        "torch.flip({0}, ({dim},))",
        Movement(),
        lambda x, dim: np.flip(x, dim),
        params=lambda e, x: {"dim": e.below(x.ndim)} if x.ndim else None,
        **MOVE,
    ),
    movement(
        "movedim",
        "torch.movedim({0}, {source}, {target})",
        lambda x, source, target: np.moveaxis(x, source, target),
        _two_places,
        **VIEW,
    ),
    movement(
        "roll",
        "torch.roll({0}, {shift}, {dim})",
        lambda x, shift, dim: np.roll(x, shift, dim),
        _shift,
        **MOVE,
    ),
    movement("repeat", "{0}.repeat({times})", lambda x, times: np.tile(x, times), _times, **MOVE),
    movement("pad", "torch.nn.functional.pad({0}, {pad}, value={value})", _padded, _padding, exact=True),
    movement("diagonal", "torch.diagonal({0})", lambda x: np.diagonal(x), _if_matrix, **VIEW),
    movement(
        "tril", "torch.tril({0}, {diagonal})", lambda x, diagonal: np.tril(x, diagonal), _matrices, **MOVE
    ),
    movement(
        "triu", "torch.triu({0}, {diagonal})", lambda x, diagonal: np.triu(x, diagonal), _matrices, **MOVE
    ),
    # flat positions, 1-based; 0 stands for a constant zero
    Op("take", "take({0}, {index})", Movement(), _take, exact=True, dtypes="fcib", tags=INTERNAL),
    Op("put", "put({0}, {index}, {shape})", Put(), _put, exact=True, dtypes="fc", tags=INTERNAL),
)
