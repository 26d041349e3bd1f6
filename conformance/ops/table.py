"""The op table: one row per op, and the two ways of evaluating a row.

A row says all that the project knows about an op: how it is spelled in PyTorch's API, its NumPy forward, its
derivative, where its parameters come from, where it is defined, how accurate an engine may be expected to be.
Adding an op is adding a row.

A derivative is one of a few *rules*, each of which knows how to push tangents forward and how to pull
cotangents back (`gradlaws.conformance.reference.jacobian_products`). Formulas are written over a namespace `F`, so that
one text serves plain arrays (`RAW`) and recorded nodes of the reference engine, to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import Any, Literal

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.promotion import promoted

Params = dict[str, Any]


class Rule:
    """How an op is differentiated."""


@dataclass(frozen=True)
class Elementwise(Rule):
    """Position by position: `partials(F, y, *xs, **params)` gives d y / d x_k for each operand.

    A partial is a number, an array (or node) that broadcasts against y, or None where the operand never
    gets a gradient.
    """

    partials: Callable[..., tuple[Any, ...]]


@dataclass(frozen=True)
class Movement(Rule):
    """Every output element is one input element, or a constant.

    The row's forward, applied to arrays of positions instead of values, says which.
    """


@dataclass(frozen=True)
class Pick(Rule):
    """A movement that depends on the values: `positions(x, **params)` gives flat positions into x."""

    positions: Callable[..., Array]


@dataclass(frozen=True)
class Total(Rule):
    """A sum over `dim` (None: all dimensions), `keepdim` as in NumPy."""


@dataclass(frozen=True)
class Put(Rule):
    """The transpose of a movement: adds x into zeros of `size` positions at `index` (flat, 1-based, 0 = drop)."""


@dataclass(frozen=True)
class Contraction(Rule):
    """A bilinear product: `spec(a.shape, b.shape, **params)` gives the einsum specification, e.g. `ij,jk->ik`."""

    spec: Callable[..., str]


@dataclass(frozen=True)
class Weighted(Rule):
    """y = sum over `dim` of w * x with weights fixed by the values: `weights(y, x, **params)`, shaped like x.

    For extrema, whose gradient is shared evenly among ties.
    """

    weights: Callable[..., Array]


@dataclass(frozen=True)
class Cast(Rule):
    """A change of dtype; the cotangent is cast back."""


@dataclass(frozen=True)
class Conjugate(Rule):
    """The complex conjugate: real-linear, its own transpose."""


@dataclass(frozen=True)
class RealLinear(Rule):
    """Linear over the real numbers, between real and complex tensors; `adjoint(F, g)` gives the cotangents.

    The inner product is the real part of conj(a) * b, so that gradients are directions of steepest ascent.
    """

    adjoint: Callable[..., tuple[Any, ...]]


@dataclass(frozen=True)
class Composite(Rule):
    """Made of other rows: `body(F, *xs, **params)`. Its derivative is the chain rule over its parts."""

    body: Callable[..., Any]


@dataclass(frozen=True)
class Constant(Rule):
    """The result never requires grad (comparisons, argmax, casts to integer)."""


def no_params(_: Entropy, *__: Array) -> Params | None:
    """For ops without parameters."""
    return {}


@dataclass(frozen=True)
class Op:
    """One row of the table.

    name:    the key, PyTorch's name where there is one.
    spell:   the call in PyTorch's API: `{0}`, `{1}` ... are the operands, `{name}` the parameters.
    forward: the value, over NumPy arrays: `forward(*xs, **params)`; None for a composite.
    rule:    the derivative.
    arity:   how many tensors it takes.
    params:  draws parameters that fit the given operand values, or None where the op does not apply to them.
    shapes:  draws shapes for the operands that go together; None where whatever broadcasts does.
    domain:  whether the op is defined, smooth enough and of modest size at these values.
    ulps:    how many units in the last place an engine's result may be off by; 0 means correctly rounded.
    saves:   what the documentation says is kept for backward, so that overwriting or freeing it is an error:
             the `operands` (where all of them are tracked), the `result`, or nothing that is documented.
    alias:   the result is a `view` of the first operand, `maybe` one, or neither.
    many:    the result is a tuple.
    dtypes:  kinds of operand dtype accepted: f(loat), c(omplex), i(nteger), b(ool).
    exact:   free of rounding on short dyadic numbers.
    tags:    `internal` (no program uses it), `contiguous` (wants operands laid out row by row), `own memory` (wants
             operands that are no views), `strided` (its result may not be laid out row by row), `integer result`,
             `view inside` (the result may be a view of what the op made for itself, so that it may not be detached in
             place, and what a write does to it is an engine's own affair), `entangled` (what is not finite may be
             refused, or spread to all elements), `arithmetic` (the derivative is defined at infinities and NaN, too, as
             IEEE 754 defines products and quotients), `folds` (takes all dims but the last of an operand as one, and
             keeps a copy of an operand that is laid out otherwise: that one may be overwritten), `complex` (of complex
             numbers, or makes some: only laws about these use it), `own` (an adapter's own: programs for other engines
             never use it).
    passive: operands that never get a gradient (masks), by position: a leaf used only so is not reached.
    """

    name: str
    spell: str
    rule: Rule
    forward: Callable[..., Any] | None = None
    arity: int = 1
    params: Callable[..., Params | None] = no_params
    shapes: Callable[[Entropy], tuple[tuple[int, ...], ...]] | None = None
    domain: Callable[..., bool] | None = None
    ulps: float = 0
    saves: Literal["", "operands", "result"] = ""
    alias: Literal["", "view", "maybe"] = ""
    many: bool = False
    dtypes: str = "f"
    exact: bool = False
    passive: tuple[int, ...] = ()
    tags: frozenset[str] = field(default_factory=frozenset)

    def __call__(self, *xs: Any, **params: Any) -> Any:
        """The value over NumPy arrays (a tuple where the op has several results)."""
        if self.arity > 1:
            dtype = xs[0].dtype
            if any([x.dtype != dtype for x in xs]):
                xs = promoted(xs, self.passive)
        if self.forward is not None:
            return self.forward(*xs, **params)
        assert isinstance(self.rule, Composite)
        return self.rule.body(RAW, *xs, **params)


class Table:
    """All rows by name, in the order in which they were added; `rows` is the dictionary itself, faster to look in.

    Rows that adapters have added are found by their names alone: whatever goes through the table passes them by.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Op] = {}

    def add(self, *rows: Op) -> None:
        """Add rows; a name that is taken is an error."""
        for row in rows:
            if row.name in self.rows:
                raise ValueError(f"the op table already has a row {row.name!r}")
            self.rows[row.name] = row

    def __getitem__(self, name: str) -> Op:
        return self.rows[name]

    def __contains__(self, name: object) -> bool:
        return name in self.rows

    def __iter__(self) -> Iterator[Op]:
        return (row for row in self.rows.values() if "own" not in row.tags)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def of(self, names: Set[str]) -> Iterator[Op]:
        """The rows of these names, an adapter's own among them."""
        return (row for row in self.rows.values() if row.name in names)

    def own(self, row: Op) -> Op:
        """Add an adapter's own row; the same again is the same row, and another of its name gets another name."""
        for name in chain((row.name,), (f"{row.name}#{n}" for n in count(2))):
            made = replace(row, name=name)
            if self.rows.setdefault(name, made) == made:
                return self.rows[name]
        raise AssertionError("there is always another number")

    def names(self) -> frozenset[str]:
        """The names of all rows that a program may use (internal rows left out)."""
        return frozenset(row.name for row in self if "internal" not in row.tags)


TABLE = Table()


class _Raw:
    """The namespace F over plain NumPy arrays."""

    def __getattr__(self, name: str) -> Op:
        row = TABLE[name]
        setattr(self, name, row)
        return row

    @staticmethod
    def stop(x: Any) -> Any:
        """X as a constant."""
        return x

    @staticmethod
    def row(row: Op) -> Op:
        """A row that need not stand in the table."""
        return row

    @staticmethod
    def const(array: Array, like: Any, rough: float = 0.0) -> Any:
        """A constant of the dtype of `like`; see the other namespace for `rough`."""
        return array.astype(like.dtype)


RAW = _Raw()


def axes(dim: int | tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    """The dimensions named by `dim` (None: all), as sorted non-negative numbers."""
    if dim is None:
        return tuple(range(ndim))
    dims = (dim,) if isinstance(dim, int) else dim
    return tuple(sorted(d % ndim for d in dims)) if ndim else ()


def small(limit: float) -> Callable[..., bool]:
    """A domain: all operands at most `limit` in size."""
    return lambda *xs, **_: all(not x.size or bool(np.abs(x).max() <= limit) for x in xs)
