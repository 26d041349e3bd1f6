"""Rows of the op table in their turn, on operands that other ops made, and with results that other ops use.

A row by itself, on new leaves and with a gradient made for it, shows nothing of what engines get wrong between
ops: cotangents that lie in memory otherwise than row by row, operands that are views, values that two ops keep, one
tensor in several positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy, stretched
from gradlaws.conformance.language.steps import Var
from gradlaws.conformance.ops import Op
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.every_op_in_turn import GENERIC, Site, calls, rows_in_turn
from gradlaws.strategies.layouts import LAYOUTS

#: Shapes of one tensor that is all operands of a row.
ALIKE = ((2, 2), (3,), (3, 3), (2, 2, 2), (2,), ())


def in_context(b: Builder, times: int = 1) -> Iterator[Site]:
    """Each row so often in a batch, between other ops; decisions are read as in `every_op_in_turn.sites`."""
    for row in _own_bytes(b, rows_in_turn(b, lambda row: True) * times):
        for xs, params in calls(row, b.entropy):
            if not b.vocabulary.accepts(row.name, tuple(np.shape(x) for x in xs), **params):
                continue
            mark = b.mark()
            pairs = [
                operand(b, x) if k not in row.passive else (b.data(x.shape, values=x), None)
                for k, x in enumerate(xs)
            ]
            made = b.apply(row.name, *(x for x, _ in pairs), **params)
            if made is not None:
                ends = made if isinstance(made, tuple) else (made,)
                leaves = tuple(leaf for _, leaf in pairs if leaf is not None)
                yield Site(row.name, leaves, (_used(b, row, b.entropy.pick(ends)),))
                break
            b.undo(mark)


def on_one_tensor(b: Builder) -> Iterator[Site]:
    """Each row of several operands once in a batch, with the same tensor for all of them."""
    for row in _own_bytes(b, rows_in_turn(b, lambda row: row.arity > 1 and not row.passive)):
        for _ in range(len(ALIKE)):
            shape = b.entropy.pick(ALIKE)
            x = GENERIC[[b.entropy.below(len(GENERIC)) for _ in range(int(np.prod(shape)))]].reshape(shape)
            mark = b.mark()
            leaf = b.leaf(values=x)
            end = b.must("neg", leaf) if b.has("neg") and b.entropy.chance(50) else leaf
            made = b.drawn(row, *(end,) * row.arity)
            if made is not None:
                yield Site(row.name, (leaf,), (b.entropy.pick(made) if isinstance(made, tuple) else made,))
                break
            b.undo(mark)


def _own_bytes(b: Builder, rows: tuple[Op, ...]) -> Iterator[Op]:
    """Rows, each with decisions of its own, which are read until the next is asked for."""
    outer = b.entropy
    for number, row in enumerate(rows):
        outer.turn(number)
        b.entropy = Entropy(stretched(bytes([outer.byte() for _ in range(8)]), 1024), 1024)
        yield row
    b.entropy = outer


# -- what comes before ---------------------------------------------------------------------------------------


def operand(b: Builder, x: Array) -> tuple[Var, Var]:
    """(a tensor with these contents, or a few of them repeated; the leaf that it was made from)."""
    way = b.entropy.pick(OPERANDS)
    leaf, made = way(b, x)
    return (leaf if made is None else made), leaf


def _itself(b: Builder, x: Array) -> tuple[Var, Var | None]:
    return b.leaf(values=x), None


def _negated(b: Builder, x: Array) -> tuple[Var, Var | None]:
    leaf = b.leaf(values=-x)
    return leaf, b.apply("neg", leaf) if b.has("neg") else None


def _laid_out(b: Builder, x: Array) -> tuple[Var, Var | None]:
    """A leaf that lies in memory otherwise than row by row."""
    return b.strided_leaf(x.shape, b.entropy.pick(tuple(LAYOUTS)), values=x), None


def _transposed(b: Builder, x: Array) -> tuple[Var, Var | None]:
    if x.ndim < 2 or not b.has("transpose"):
        return _itself(b, x)
    leaf = b.leaf(values=np.swapaxes(x, 0, -1).copy())
    return leaf, b.apply("transpose", leaf, dim0=0, dim1=x.ndim - 1)


def _expanded(b: Builder, x: Array) -> tuple[Var, Var | None]:
    """The first of the elements along the first dimension, repeated."""
    if not x.ndim or not x.size or not b.has("expand"):
        return _itself(b, x)
    leaf = b.leaf(values=x[:1].copy())
    return leaf, b.apply("expand", leaf, shape=x.shape)


def _narrowed(b: Builder, x: Array) -> tuple[Var, Var | None]:
    if not x.ndim or not x.size or not b.has("narrow"):
        return _itself(b, x)
    leaf = b.leaf(values=np.concatenate((x, x[..., :1]), axis=-1))
    return leaf, b.apply("narrow", leaf, dim=x.ndim - 1, start=0, length=x.shape[-1])


def _kept(b: Builder, x: Array) -> tuple[Var, Var | None]:
    """The result of an op that keeps it."""
    if not (x > 0).all() or not x.size or not b.has("exp"):
        return _itself(b, x)
    leaf = b.leaf(values=np.round(16 * np.log(x)) / 16)
    return leaf, b.apply("exp", leaf)


OPERANDS: tuple[Callable[[Builder, Array], tuple[Var, Var | None]], ...] = (
    _transposed, _expanded, _itself, _kept, _laid_out, _negated, _narrowed, _transposed, _laid_out,
)  # fmt: skip


# -- what comes after ----------------------------------------------------------------------------------------


def _used(b: Builder, row: Op, x: Var) -> Var:
    """A result of some op on a result of a row: the cotangent that comes back from there is no gradient made for it.

    Now and then it is the row itself: what its backward hands on, it gets.
    """
    shape, way = b.shape(x), b.entropy.pick(RESULTS)
    made: Var | None = None
    if way == "transpose" and len(shape) > 1 and b.has(way):
        made = b.apply(way, x, dim0=0, dim1=len(shape) - 1)
    elif way in ("sum", "mean") and shape and b.has(way):
        dim = None if b.entropy.chance(50) else b.entropy.below(len(shape))
        made = b.apply(way, x, dim=dim, keepdim=False)
    elif way == "neg" and b.has(way):
        made = b.apply(way, x)
    elif way == "again" and row.arity == 1 and not row.many:
        made = b.drawn(row, x)
    return x if made is None else int(made)


RESULTS = ("transpose", "sum", "again", "mean", "", "transpose", "sum", "again", "neg")
