"""What the reference engine records: immutable values and the ops that made them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple, Protocol

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import TABLE, Op
from gradlaws.conformance.ops.promotion import promoted
from gradlaws.conformance.ops.table import Composite, Params

_clock = count()
CLONE = TABLE["clone"]


class Memory(Protocol):
    """What a kept value asks of the memory that it was read from: a storage, which stands above nodes."""

    array: Array
    version: int
    cut: int


class Kept(NamedTuple):
    """A value that backward may need again: where it was, what it was, and when.

    whole:  for each element of the root that the tensor was a view of, its position in the storage.
    within: for each element of the tensor, its 1-based position in the root; None for the root itself.
    law:    the law that says that overwriting it is an error; empty where no documentation says that it is needed.
    """

    storage: Memory
    version: int
    whole: Array
    within: Array | None
    array: Array
    law: str

    @property
    def where(self) -> Array:
        """For each element of the value, its position in the storage."""
        return self.whole if self.within is None else self.whole.ravel()[self.within - 1]

    @property
    def even(self) -> bool:
        """Whether all dims but the last go through memory in equal steps, so that they can be taken as one dim."""
        rows = self.where[..., :1].ravel()
        steps = rows[1:] - rows[:-1]
        return bool((steps == steps[:1]).all())

    @property
    def touched(self) -> bool:
        """Whether the memory was written to since, here or elsewhere."""
        return self.storage.version != self.version

    @property
    def lost(self) -> bool:
        """Whether the value is no longer there."""
        return self.touched and self.storage.array[self.where].tobytes() != self.array.tobytes()


class Rounding(NamedTuple):
    """How far an engine may be off in a value.

    error:     the bound, shaped like the value.
    grid:      every element is a multiple of 2**-grid, and nothing rounded; None where something may have.
    ambiguous: whether a kink may decide otherwise for an engine that is off by as much as it may be.
    """

    error: Array
    grid: int | None
    ambiguous: bool


class Node:
    """One value of a program, never changed once made.

    array:   the value, of the dtype that the engine computes in.
    row:     the op that made it from `inputs` with `params`; None for leaves and constants.
    tracked: whether a gradient can flow through it.
    owner:   for a leaf that requires grad: the tensor whose .grad receives what arrives here.
    order:   nodes are numbered as they are made, so sorting by it is a topological order.
    kept:    what backward may need again.
    freed:   whether a backward without retain_graph has been through here; None if one failed on the way.
    spent:   where the op has several results: a list that all of them share, filled when a backward frees one of them.
    hooks:   tensor hooks registered on this very value.
    cleared: in a dialect where backward cuts the graph: when one did so here; 0 for never.
    noise:   for a constant: computes the bound of the error that an engine may show in it; None for none.
    rounding: what `error_bounds` found, once it was asked.
    """

    __slots__ = (
        "array",
        "cleared",
        "freed",
        "hooks",
        "inputs",
        "kept",
        "noise",
        "order",
        "owner",
        "params",
        "rounding",
        "row",
        "spent",
        "tracked",
    )

    def __init__(
        self,
        array: Array,
        row: Op | None = None,
        inputs: tuple[Node, ...] = (),
        params: Params | None = None,
        tracked: bool = False,
        owner: Any = None,  # a tensor, which is made of nodes
    ) -> None:
        self.array = array
        self.row = row
        self.inputs = inputs
        self.params = {} if params is None else params
        self.tracked = tracked
        self.owner = owner
        self.order = next(_clock)
        self.kept: list[Kept] = []
        self.freed: bool | None = False
        self.cleared = 0
        self.spent: list[bool] | None = None
        self.hooks: list[Any] | None = None
        self.noise: Callable[[], Array] | None = None
        self.rounding: Rounding | None = None

    #: NumPy arrays leave arithmetic with nodes to the nodes.
    __array_ufunc__ = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self.array.shape

    def __add__(self, other: Any) -> Node:
        return _binary("add", self, other)

    def __sub__(self, other: Any) -> Node:
        return _binary("sub", self, other)

    def __mul__(self, other: Any) -> Node:
        return _binary("mul", self, other)

    def __truediv__(self, other: Any) -> Node:
        return _binary("div", self, other)

    def __neg__(self) -> Node:
        return one(TABLE["neg"], (self,))

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Any) -> Node:
        return _binary("add", -self, other)

    def __rtruediv__(self, other: Any) -> Node:
        return _binary("mul", record(TABLE["reciprocal"], (self,)), other)

    # Comparisons are constants: plain arrays.
    def __gt__(self, other: Any) -> Any:
        return self.array > _plain(other)

    def __ge__(self, other: Any) -> Any:
        return self.array >= _plain(other)

    def __lt__(self, other: Any) -> Any:
        return self.array < _plain(other)

    def __le__(self, other: Any) -> Any:
        return self.array <= _plain(other)

    def __eq__(self, other: object) -> Any:
        return self.array == _plain(other)

    __hash__ = object.__hash__


def _plain(value: Any) -> Any:
    return value.array if isinstance(value, Node) else value


def constant(value: Any, like: Node) -> Node:
    """A constant of the dtype of `like`."""
    return value if isinstance(value, Node) else Node(np.asarray(value).astype(like.array.dtype))


def untracked(node: Node) -> Node:
    """The same value without history; what is known of its rounding error stays."""
    return Node(node.array, CLONE, (node,)) if node.tracked or node.row is not None else node


def _binary(name: str, a: Node, b: Any) -> Node:
    return one(TABLE[name], (a, constant(b, a)))


def record(row: Op, inputs: tuple[Node, ...], params: Params | None = None) -> Any:
    """The node (or nodes, for an op with several results) that `row` makes of `inputs`."""
    params = {} if params is None else params
    if isinstance(row.rule, Composite):
        return row.rule.body(RECORDED, *inputs, **params)
    if row.passive:
        inputs = tuple(untracked(node) if k in row.passive else node for k, node in enumerate(inputs))
    arrays = tuple([node.array for node in inputs])
    tracked = inputs[0].tracked
    if len(inputs) > 1:
        dtype = arrays[0].dtype
        if any([a.dtype != dtype for a in arrays]):
            wide = promoted(arrays, row.passive)
            inputs = tuple(
                node
                if node.array.dtype == a.dtype
                else record(TABLE["cast"], (node,), {"dtype": str(a.dtype)})
                for node, a in zip(inputs, wide, strict=True)
            )
            arrays = wide
        tracked = tracked or any([node.tracked for node in inputs])
    assert row.forward is not None, f"{row.name} is no composite and has no forward"
    value = row.forward(*arrays, **params)
    if row.many:
        return tuple(Node(part, row, inputs, {**params, "part": k}, tracked) for k, part in enumerate(value))
    return Node(np.asarray(value), row, inputs, params, tracked)


def one(row: Op, inputs: tuple[Node, ...], params: Params | None = None) -> Node:
    """Like `record`, for an op with one result."""
    made: Node = record(row, inputs, params)
    return made


class _Recorded:
    """The namespace F over nodes: every row of the table as a function that records."""

    def __getattr__(self, name: str) -> Any:
        apply = self.row(TABLE[name])
        setattr(self, name, apply)
        return apply

    @staticmethod
    def row(row: Op) -> Any:
        """A row that need not stand in the table."""

        def apply(*inputs: Node, **params: Any) -> Any:
            return record(row, inputs, params)

        return apply

    @staticmethod
    def stop(x: Any) -> Any:
        """X as a constant."""
        return untracked(x)

    @staticmethod
    def const(array: Array, like: Node, rough: float = 0.0) -> Node:
        """A constant of the dtype of `like`.

        rough: by how many units in the last place of the largest number in both an engine may be off in each of its
        numbers: the error bound of algorithms that are stable for a matrix as a whole.
        """
        made = constant(array, like)
        if rough:
            largest = np.abs(like.array).max(initial=0.0) + np.abs(array).max(initial=0.0)
            noise = np.full(made.shape, rough * np.finfo(made.array.dtype).eps / 2 * largest)
            made.noise = lambda: noise
        return made


RECORDED = _Recorded()
