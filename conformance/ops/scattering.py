"""Rows that put one tensor into another (scatter, index_add, their like), or pick by masks and places."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.movement import MOVE, movement
from gradlaws.conformance.ops.table import TABLE, Composite, Movement, Op, Params, Pick
from gradlaws.conformance.ops.windows import Shape, numbered

WHOLE: tuple[Shape, ...] = ((2, 2), (3,), (2, 3), (4,), (3, 1), (2, 1, 2))


def _into(name: str, spell: str, forward: Any, params: Any, shapes: Any, **more: Any) -> Op:
    """A row for an op that puts its second operand into its first."""
    return Op(name, spell, Movement(), forward, 2, params=params, shapes=shapes, **(MOVE | more))


def _replaced(x: Array, src: Array, where: Any) -> Array:
    out = np.array(x)
    out[where] = src
    return out


def _part(dim: int, index: Any) -> tuple[Any, ...]:
    return (slice(None),) * dim + (index,)


def _slice_params(entropy: Entropy, x: Array, src: Array) -> Params | None:
    if x.ndim != src.ndim or not src.size:
        return None
    odd = [d for d, (n, m) in enumerate(zip(x.shape, src.shape, strict=True)) if n != m]
    dim = odd[0] if odd else entropy.below(x.ndim) if x.ndim else -1
    if dim < 0 or len(odd) > 1 or src.shape[dim] > x.shape[dim]:
        return None
    size = src.shape[dim]
    step = 2 if size * 2 - 1 <= x.shape[dim] and entropy.chance(50) else 1
    start = entropy.below(x.shape[dim] - step * (size - 1))
    return {"dim": dim, "start": start, "end": start + step * (size - 1) + 1, "step": step}


def _shorter(entropy: Entropy) -> tuple[Shape, ...]:
    shape = entropy.pick(WHOLE)
    dim = entropy.below(len(shape))
    size = 1 + entropy.below(shape[dim])
    return shape, (*shape[:dim], size, *shape[dim + 1 :])


def _without(entropy: Entropy) -> tuple[Shape, ...]:
    shape = entropy.pick(WHOLE)
    dim = entropy.below(len(shape))
    return shape, (*shape[:dim], *shape[dim + 1 :])


def _selected(entropy: Entropy, x: Array, src: Array) -> Params | None:
    dims = [d for d in range(x.ndim) if x.size and (*x.shape[:d], *x.shape[d + 1 :]) == src.shape]
    if not dims:
        return None
    dim = entropy.pick(dims)
    return {"dim": dim, "index": entropy.below(x.shape[dim])}


def _copied(entropy: Entropy, x: Array, src: Array) -> Params | None:
    """Parameters dim and index, each place written once."""
    found = _slice_params(entropy, x, src)
    if found is None:
        return None
    order = list(range(x.shape[found["dim"]]))
    index = [order.pop(entropy.below(len(order))) for _ in range(src.shape[found["dim"]])]
    return {"dim": found["dim"], "index": index}


def _diagonal_of(_: Entropy, x: Array, src: Array) -> Params | None:
    return {} if x.ndim == 2 and x.size and src.shape == (min(x.shape),) else None


def _same_shape(entropy: Entropy, x: Array, src: Array) -> Params | None:
    """Parameters dim and index of places, repeats likely."""
    if not x.ndim or not x.size or x.shape != src.shape:
        return None
    dim = entropy.below(x.ndim)
    index = [entropy.below(x.shape[dim]) for _ in range(x.size)]
    return {"dim": dim, "index": np.reshape(index, x.shape).tolist()}


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


def _as_many_rows(entropy: Entropy, x: Array, src: Array) -> Params | None:
    if not x.ndim or not x.size or x.shape != src.shape:
        return None
    return {"index": [entropy.below(x.shape[0]) for _ in range(x.shape[0])]}


def _targets(x: Any, dim: int, index: Any) -> Array:
    """For each element of the second operand the place in the first that it goes to, 1-based."""
    return np.take_along_axis(numbered(x.shape), np.asarray(index, np.int64), dim)


def _put_along(x: Array, src: Array, dim: int, index: Any) -> Array:
    out = np.array(x)
    np.put_along_axis(out, np.asarray(index, dtype=np.int64), src, dim)
    return out


def _scatter_add(F: Any, x: Any, src: Any, dim: int, index: Any) -> Any:
    return x + F.put(src, index=_targets(x, dim, index), shape=x.shape)


def _rows_added(F: Any, x: Any, src: Any, index: list[int]) -> Any:
    return x + F.put(src, index=numbered(x.shape)[np.asarray(index)], shape=x.shape)


def _scatter_mean(F: Any, x: Any, src: Any, dim: int, index: Any) -> Any:
    where = _targets(x, dim, index)
    count = 1 + np.bincount(where.ravel(), minlength=int(np.prod(x.shape)) + 1)[1:].reshape(x.shape)
    return (x + F.put(src, index=where, shape=x.shape)) / F.const(count, x)


def _highest(x: Array, src: Array, dim: int, index: Any) -> Array:
    """Where the highest of each place and of what is put there stands, in both laid end to end."""
    best, values = np.arange(x.size), np.concatenate((x.ravel(), src.ravel()))
    for k, place in enumerate(_targets(x, dim, index).ravel() - 1):
        if values[x.size + k] > values[best[place]]:
            best[place] = x.size + k
    return best.reshape(x.shape)


def _distinct(x: Array, src: Array, **_: Any) -> bool:
    values = np.sort(np.concatenate((x.ravel(), src.ravel())))
    return values.size < 2 or bool(np.diff(values).min() >= 0.05)


def _masked(entropy: Entropy, x: Array) -> Params | None:
    if not x.ndim or not x.size:
        return None
    return {"mask": np.reshape([entropy.chance(60) for _ in range(x.size)], x.shape).tolist()}


def _some_places(entropy: Entropy, x: Array) -> Params | None:
    return {"index": [entropy.below(x.size) for _ in range(1 + entropy.below(4))]} if x.size else None


def _along(entropy: Entropy, x: Array) -> Params | None:
    if not x.ndim or not x.size:
        return None
    dim = entropy.below(x.ndim)
    shape = [1 + entropy.below(3) if d == dim else 1 for d in range(x.ndim)]  # broadcasts along the others
    places = [entropy.below(x.shape[dim]) for _ in range(shape[dim])]
    return {"dim": dim, "index": np.reshape(places, shape).tolist()}


def _take_along(x: Array, dim: int, index: Any) -> Array:
    where = np.asarray(index, np.int64)
    whole = [n if d != dim else where.shape[dim] for d, n in enumerate(x.shape)]
    return np.take_along_axis(x, np.broadcast_to(where, whole), dim)


def _pairs(*shapes: Shape) -> Any:
    return lambda e: (e.pick(shapes),) * 2


def _rows(entropy: Entropy, x: Array, src: Array) -> Params | None:
    if not x.ndim or not x.size or not src.size or src.shape[1:] != x.shape[1:] or src.ndim != x.ndim:
        return None
    return {"index": [entropy.below(x.shape[0]) for _ in range(src.shape[0])]}


TABLE.add(
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
        Composite(_rows_added),
        arity=2,
        params=_as_many_rows,
        exact=True,
    ),
    _into(
        "slice_scatter",
        "torch.slice_scatter({0}, {1}, dim={dim}, start={start}, end={end}, step={step})",
        lambda x, src, dim, start, end, step: _replaced(x, src, _part(dim, slice(start, end, step))),
        _slice_params,
        _shorter,
        dtypes="fib",  # PyTorch has no complex derivative
    ),
    _into(
        "select_scatter",
        "torch.select_scatter({0}, {1}, {dim}, {index})",
        lambda x, src, dim, index: _replaced(x, src, _part(dim, index)),
        _selected,
        _without,
        dtypes="fib",  # PyTorch has no complex derivative
    ),
    _into(
        "diagonal_scatter",
        "torch.diagonal_scatter({0}, {1})",
        lambda x, src: _replaced(x, src, (np.arange(min(x.shape)),) * 2),
        _diagonal_of,
        lambda e: e.pick((((2, 2), (2,)), ((2, 3), (2,)), ((3, 1), (1,)))),
    ),
    _into(
        "index_copy",
        "torch.index_copy({0}, {dim}, torch.tensor({index}), {1})",
        lambda x, src, dim, index: _replaced(x, src, _part(dim, np.asarray(index))),
        _copied,
        _shorter,
    ),
    Op(
        "index_put",
        "torch.index_put({0}, (torch.tensor({index}),), {1}, accumulate=True)",
        Composite(_rows_added),
        arity=2,
        params=_rows,
        shapes=lambda e: e.pick((((3,), (4,)), ((2, 2), (3, 2)), ((2, 3), (1, 3)), ((3, 1), (2, 1)))),
        exact=True,
    ),
    Op(
        "scatter_reduce_mean",
        "torch.scatter_reduce({0}, {dim}, torch.tensor({index}), {1}, 'mean')",
        Composite(_scatter_mean),
        arity=2,
        params=_same_shape,
        shapes=_pairs(*WHOLE),
        ulps=2,
    ),
    Op(
        "scatter_reduce_amax",
        "torch.scatter_reduce({0}, {dim}, torch.tensor({index}), {1}, 'amax')",
        Pick(_highest),
        lambda x, src, **params: np.concatenate((x.ravel(), src.ravel()))[_highest(x, src, **params)],
        2,
        params=_same_shape,
        shapes=_pairs((2,), (3,), (2, 1), (1, 2), (2, 2)),
        domain=_distinct,
        exact=True,
    ),
    movement(
        "masked_select",
        "torch.masked_select({0}, torch.tensor({mask}))",
        lambda x, mask: x[np.asarray(mask)],
        _masked,
        **MOVE,
    ),
    movement(
        "take_elements",
        "torch.take({0}, torch.tensor({index}))",
        lambda x, index: x.ravel()[np.asarray(index)],
        _some_places,
        **MOVE,
    ),
    movement(
        "take_along_dim",
        "torch.take_along_dim({0}, torch.tensor({index}), {dim})",
        _take_along,
        _along,
        **MOVE,
    ),
    movement(
        "repeat_interleave",
        "torch.repeat_interleave({0}, {times}, dim={dim})",
        lambda x, times, dim: np.repeat(x, times, dim),
        lambda e, x: {"times": 1 + e.below(3), "dim": e.below(x.ndim)} if x.ndim else None,
        **MOVE,
        tags=frozenset({"view inside"}),
    ),
    movement(
        "rot90",
        "torch.rot90({0}, {times}, (0, 1))",
        lambda x, times: np.rot90(x, times),
        lambda e, x: {"times": 1 + e.below(3)} if x.ndim >= 2 else None,
        **MOVE,
        tags=frozenset({"strided"}),
    ),
    movement(
        "diag_embed",
        "torch.diag_embed({0})",
        lambda x: np.where(np.eye(x.shape[-1], dtype=bool), x[..., None], np.zeros((), x.dtype)),
        lambda e, x: {} if x.ndim and x.ndim < 3 else None,
        exact=True,
    ),
    movement(
        "flatten",
        "torch.flatten({0}, {start})",
        lambda x, start: (
            x.reshape(*x.shape[:start], -1)
            if x.size
            else x.reshape(*x.shape[:start], int(np.prod(x.shape[start:])))
        ),
        lambda e, x: {"start": e.below(x.ndim - 1)} if x.ndim > 1 else None,
        alias="maybe",
        **MOVE,
    ),
)
