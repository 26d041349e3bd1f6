"""Where ops have no derivative but a choice of subgradients, and the rows that choose otherwise than PyTorch.

A kink is a convention: programs keep away from kinks, but for the laws that are about them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops.table import RAW, TABLE, Elementwise, Op, Weighted, axes

#: What an op of one operand may choose at a kink: a one-sided derivative, their mean, or the one of these that is
#: smaller or larger in size.
SIDES = ("least", "left", "right", "middle", "largest")
#: How those that tie for an extremum may share its gradient.
SHARES = ("even", "first", "last")


@dataclass(frozen=True)
class Kink:
    """The kinks of one op.

    law:      the law that says what its subgradient is.
    elements: what an engine may choose, PyTorch's first.
    points:   for ops of one operand: at which values.
    """

    law: str
    elements: tuple[str, ...]
    points: tuple[float, ...] = ()

    def at(self, row: Op, *xs: Array, **params: Any) -> Array:
        """A mask of the kinks; raises ValueError where operands do not broadcast."""
        if self.points:
            return np.isin(xs[0], self.points)
        if isinstance(row.rule, Weighted):
            shares = row.rule.weights(row(*xs, **params), *xs, **params)
            return np.asarray((shares > 0) & (shares < 1))
        return np.asarray(xs[0] == xs[1])


KINKS: dict[str, Kink] = {
    "relu": Kink("KINK-01", SIDES, (0.0,)),
    "abs": Kink("KINK-02", SIDES, (0.0,)),
    "leaky_relu": Kink("KINK-06", SIDES, (0.0,)),
    "hardtanh": Kink("KINK-09", SIDES, (-1.0, 1.0)),
    "relu6": Kink("KINK-09", SIDES, (0.0, 6.0)),
    "maximum": Kink("KINK-10", SHARES),
    "minimum": Kink("KINK-10", SHARES),
    "amax": Kink("KINK-12", SHARES),
    "amin": Kink("KINK-12", SHARES),
    "max_all": Kink("KINK-12", SHARES),
    "min_all": Kink("KINK-12", SHARES),
    "l1_loss": Kink("KINK-19", ()),
}


def kinked(row: Op, *xs: Array, **params: Any) -> bool:
    """Whether an op is at a kink, or may be by rounding; raises ValueError where operands do not broadcast."""
    kink = KINKS.get(row.name)
    return kink is not None and bool(kink.at(row, *map(_coarse, xs), **params).any())


def _coarse(x: Array) -> Array:
    """The array with so few digits that rounding errors are gone: ties that an engine may see, too, are ties."""
    return np.round(x, 9 if x.dtype == np.float64 else 4) if x.dtype.kind == "f" else x


@cache
def choosing(op: str, element: str) -> Op:
    """The row of `op`, with another element of the subdifferential at its kinks."""
    row, kink = TABLE[op], KINKS[op]
    if isinstance(row.rule, Weighted):
        return replace(row, rule=Weighted(_shared(row.rule.weights, element)))
    assert isinstance(row.rule, Elementwise)
    choose = _sided if kink.points else _preferred
    return replace(row, rule=Elementwise(choose(row, kink, element)))


Partials = Callable[..., tuple[Any, ...]]


def _sided(row: Op, kink: Kink, element: str) -> Partials:
    rule = row.rule
    assert isinstance(rule, Elementwise)

    def slope(x: Array, toward: float, params: dict[str, Any]) -> Array:
        beside = np.nextafter(x, np.asarray(toward, x.dtype))
        return np.asarray(rule.partials(RAW, row(beside, **params), beside, **params)[0], x.dtype)

    def partials(_: Any, __: Any, x: Any, **params: Any) -> tuple[Any, ...]:
        # These ops are linear between their kinks, so their derivatives are constants.
        x = np.asarray(x) if isinstance(x, np.ndarray | np.generic) else x.array
        left, right = slope(x, -np.inf, params), slope(x, np.inf, params)
        smaller = np.abs(left) <= np.abs(right)
        chosen = {
            "left": left,
            "right": right,
            "middle": (left + right) / 2,
            "least": np.where(left * right < 0, 0, np.where(smaller, left, right)),
            "largest": np.where(smaller, right, left),
        }[element]
        return (np.where(kink.at(row, x), chosen, left),)

    return partials


def _preferred(row: Op, kink: Kink, element: str) -> Partials:
    rule = row.rule
    assert isinstance(rule, Elementwise)
    first = {"even": 0.5, "first": 1.0, "last": 0.0}[element]

    def partials(_: Any, __: Any, *xs: Any, **params: Any) -> tuple[Any, ...]:
        a, b = (np.asarray(x) if isinstance(x, np.ndarray | np.generic) else x.array for x in xs)
        p, q = rule.partials(RAW, row(a, b), a, b)
        tie = kink.at(row, a, b)
        return np.where(tie, first, p), np.where(tie, 1 - first, q)

    return partials


def _shared(weights: Callable[..., Array], element: str) -> Callable[..., Array]:
    def chosen(y: Array, x: Array, **params: Any) -> Array:
        shares = weights(y, x, **params)
        if element == "even":
            return shares
        dims = axes(params.get("dim"), x.ndim)
        rest = tuple(d for d in range(x.ndim) if d not in dims)
        order = (*rest, *dims)
        hits = np.transpose(shares > 0, order)
        flat = hits.reshape(*hits.shape[: len(rest)], -1)
        at = flat.argmax(-1) if element == "first" else flat.shape[-1] - 1 - flat[..., ::-1].argmax(-1)
        only = np.arange(flat.shape[-1]) == at[..., None]
        back = np.transpose(only.reshape(hits.shape), np.argsort(order))
        return np.asarray(back * 1.0)

    return chosen
