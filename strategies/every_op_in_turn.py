"""Every differentiable row of the op table in its turn, at operands where its derivative depends on them.

Chance would leave rows out: a batch of a hundred programs takes all of them, however many there are. Values lie off
the dyadic numbers at which most ops have their kinks, and where a row has a curvature at all, it has one there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy, stretched
from gradlaws.conformance.language.steps import Var
from gradlaws.conformance.ops import TABLE, Op
from gradlaws.strategies.builder import Builder

#: So many programs take each row once, at least.
ROUND = 60
#: And so many take each row of some just once.
BATCH = 100
#: Odd multiples of 1/16 from -2 to 2, the positive ones, and those below 1.
GENERIC: Array = np.array([k / 16 for k in range(-31, 32, 2)])
_BYTES = GENERIC.repeat(8)
TABLES = (GENERIC, np.abs(GENERIC), GENERIC / 2, np.abs(GENERIC) / 4 + 0.25)
SHAPES = (
    (3,),
    (2, 2),
    (2, 3),
    (3, 2),
    (4,),
    (2,),
    (3, 3),
    (2, 1, 2),
    (2, 2, 2),
    (1, 2),
    (3, 1),
    (),
    (1, 1, 4, 4),
)
#: The shapes of all operands, and the number of the table that their contents are from.
Form = tuple[tuple[tuple[int, ...], ...], int]
#: Of the forms that fit a row, so many are remembered; and so many are tried to find them.
FORMS, TRIED = 6, 500
#: So many calls are tried, since narrow domains are missed often; and so many without a curvature are enough.
CALLS, STRAIGHT = 32, 8
#: Of a hundred programs, how many also write through a view.
WRITTEN = 40
_NUDGE = 2.0**-10


@dataclass(frozen=True)
class Site:
    """Where a row is applied.

    row:      its name; empty for what is written in place.
    operands: those that can have a gradient.
    results:  all of them.
    """

    row: str
    operands: tuple[Var, ...]
    results: tuple[Var, ...]


#: Which rows take their turn.
Wanted = Callable[[Op], bool]
#: What becomes of the contents drawn for an operand.
Change = Callable[[Array], Array]


def rows_in_turn(b: Builder, wanted: Wanted | None = None) -> tuple[Op, ...]:
    """The rows whose turn it is in this program of its batch: of all, or of those that are wanted, once in a batch."""
    rows = b.vocabulary.differentiable
    if wanted is not None:
        rows = tuple(filter(wanted, rows))
        first, end = (len(rows) * (b.number % BATCH + k) // BATCH for k in (0, 1))
        return rows[first:end] or rows[b.number % len(rows) :][:1] if rows else ()
    if not rows:
        return ()
    each = -(-len(rows) // ROUND)
    return tuple(rows[(b.number * each + k) % len(rows)] for k in range(each))


def sites(
    b: Builder, wanted: Wanted | None = None, change: Callable[[Op, Entropy], Change] | None = None
) -> Iterator[Site]:
    """Each of these rows on leaves of its own, and now and then, among all rows, a tensor written to through a view.

    change: says for a row what becomes of its operands' contents, the masks among them left alone.

    Decisions are read from a string of bytes of its own until the next site is asked for.
    """
    outer = b.entropy
    for number, row in enumerate((*rows_in_turn(b, wanted), *(() if wanted else (None,)))):
        outer.turn(number)
        b.entropy = Entropy(stretched(bytes([outer.byte() for _ in range(8)]), 1024), 1024)
        if row is None:
            here = _written(b) if b.entropy.chance(WRITTEN) else None
        else:
            here = site(b, row, change and change(row, b.entropy))
        if here is not None:
            yield here
    b.entropy = outer


def _written(b: Builder) -> Site | None:
    """The square of a tensor that was written to through a view of it."""
    if not b.has("inplace", "views", "clone", "mul"):
        return None
    leaf = b.leaf(b.entropy.pick(((4,), (2, 2), (2, 1, 2))))
    copy = b.must("clone", leaf)
    view = b.view(copy)
    if b.writable(view):
        b.drawn_inplace(view)
    return Site("", (leaf,), (b.must("mul", copy, copy),))


def weights(b: Builder, like: Var) -> Var:
    """A constant of the shape and dtype of a tensor, without zeros."""
    return b.data(b.shape(like), dtype=b.dtype(like), table=_BYTES)


def weighted(b: Builder, parts: tuple[Var, ...], also: tuple[Var, ...] = ()) -> Var:
    """The sum of all elements of some tensors, each with a weight of its own, and of others without.

    With the latter, what comes of a derivative that is constant can be differentiated as well.
    """
    ends = [b.total(b.must("mul", part, weights(b, part))) for part in parts]
    ends += [b.total(x) for x in also]
    whole = ends[0]
    for end in ends[1:]:
        whole = int(b.must("add", whole, end))
    return whole


def site(b: Builder, row: Op, change: Change | None = None) -> Site | None:
    """The row applied to new leaves that require grad; None where the engine does not take it."""
    entropy = b.entropy
    for xs, params in calls(row, entropy):
        if not b.vocabulary.accepts(row.name, tuple(np.shape(x) for x in xs), **params):
            continue
        mark = b.mark()
        if change is not None:
            xs = [x if k in row.passive else change(x) for k, x in enumerate(xs)]
        operands = tuple(b.leaf(values=x, tracked=k not in row.passive) for k, x in enumerate(xs))
        made = b.apply(row.name, *operands, **params)
        if made is not None:
            live = tuple(v for k, v in enumerate(operands) if k not in row.passive)
            return Site(row.name, live, made if isinstance(made, tuple) else (made,))
        b.undo(mark)
    return None


def calls(row: Op, entropy: Entropy) -> Iterator[tuple[list[Array], dict[str, Any]]]:
    """Operands and parameters for a row, those with a curvature first."""
    forms, curved = _forms(row.name)
    straight: list[tuple[list[Array], dict[str, Any]]] = []
    for _ in range(CALLS if forms else 0):
        if len(straight) == STRAIGHT:
            break
        form, table = entropy.pick(forms)
        call = _call(row, entropy, form, TABLES[table])
        if call is not None and (not curved or bends(row, *call)):
            yield call
        elif call is not None:
            straight.append(call)
    yield from straight


def operands(row: Op, entropy: Entropy) -> list[Array] | None:
    """Contents of operands whose shapes go together in a row, in its domain mostly; None where none are known."""
    forms, _ = _forms(row.name)
    if not forms:
        return None
    form, table = entropy.pick(forms)
    return _contents(entropy, form, TABLES[table])


def _contents(entropy: Entropy, form: tuple[tuple[int, ...], ...], table: Array) -> list[Array]:
    return [table[[entropy.below(len(table)) for _ in range(prod(s))]].reshape(s) for s in form]


def _call(
    row: Op, entropy: Entropy, form: tuple[tuple[int, ...], ...], table: Array
) -> tuple[list[Array], dict[str, Any]] | None:
    xs = _contents(entropy, form, table)
    params = row.params(entropy, *xs)
    if params is None or (row.domain is not None and not row.domain(*xs, **params)):
        return None
    try:
        made = row(*xs, **params)
    except (ValueError, IndexError, TypeError):
        return None
    return (xs, params) if all(np.isfinite(y).all() for y in (made if row.many else (made,))) else None


@cache
def _forms(name: str) -> tuple[tuple[Form, ...], bool]:
    """(forms that fit a row, whether it has a curvature at any of them)."""
    row, curved = TABLE[name], False
    found: dict[Form, None] = {}
    entropy = Entropy(stretched(name.encode(), 1 << 16), 1 << 16)
    for number in range(TRIED):
        form = row.shapes(entropy) if row.shapes else tuple(entropy.pick(SHAPES) for _ in range(row.arity))
        table = number % len(TABLES)
        call = _call(row, entropy, form, TABLES[table])
        if call is not None:
            bent = bends(row, *call)
            if bent and not curved:
                found, curved = {}, True
            if bent or not curved:
                found[form, table] = None
            if len(found) >= FORMS:
                break
    return tuple(found), curved


def curved(name: str) -> bool:
    """Whether a row has a second derivative that does not vanish, at any of the places where it was looked for."""
    return _forms(name)[1]


@np.errstate(all="ignore")
def bends(row: Op, xs: list[Array], params: dict[str, Any]) -> bool:
    """Whether the row is curved here, along a line through all operands."""
    slopes = (1.0, -0.5, 0.75, 1.25, -0.25)
    line = [
        np.zeros(x.shape) if k in row.passive else np.resize(slopes[k:] + slopes[:k], x.shape) * _NUDGE
        for k, x in enumerate(xs)
    ]
    try:
        made = [row(*[x + s * d for x, d in zip(xs, line, strict=True)], **params) for s in (-2, -1, 0, 1, 2)]
    except (ValueError, IndexError, TypeError):
        return False
    near = far = 0.0
    for part in zip(*made, strict=True) if row.many else (made,):
        a, b, y, c, d = part
        near = max(near, float(np.abs(b - 2 * y + c).max(initial=0)))
        far = max(far, float(np.abs(a - 2 * y + d).max(initial=0)))
    return far > 3 * near > 3e-2 * _NUDGE**2  # at a kink both would grow alike
