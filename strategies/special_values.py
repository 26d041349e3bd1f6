"""Numbers that are not finite, or at which an op has no derivative, strewn among ordinary ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops import RAW, TABLE, Op
from gradlaws.conformance.ops.table import Elementwise, Params, no_params

#: NaN and the infinities.
SPECIAL: tuple[float, ...] = (float("nan"), float("inf"), float("-inf"))
#: Where domains may end, and what may lie beyond.
CANDIDATES: tuple[float, ...] = (0.0, 1.0, -1.0, 2.0, -0.5, 1.5, -2.0)
#: A row of one operand, its parameters, and points.
Spot = tuple[Op, Params, tuple[float, ...]]


def strewn(entropy: Entropy, array: Array, numbers: tuple[float, ...] = SPECIAL, percent: int = 30) -> Array:
    """The array with some elements replaced by one of `numbers`, one at least where it has any."""
    values = np.array(array, dtype=np.float64).ravel()
    if values.size:
        chosen = [k for k in range(values.size) if entropy.chance(percent)]
        for k in chosen or (entropy.below(values.size),):
            values[k] = entropy.pick(numbers)
    return values.reshape(np.shape(array))


@cache
def edges() -> tuple[Spot, ...]:
    """Where rows of one operand are defined and have an infinite slope."""
    return _spots(lambda y, slope: bool(np.isinf(slope).all() and not np.isnan(y).any()))


@cache
def outside() -> tuple[Spot, ...]:
    """Where rows of one operand are not defined."""
    return _spots(lambda y, slope: bool(np.isnan(y).all()))


@np.errstate(all="ignore")
def _spots(fits: Callable[[Array, Array], bool]) -> tuple[Spot, ...]:
    found: list[Spot] = []
    for row in TABLE:
        roots = row.name == "pow_scalar"
        if not isinstance(row.rule, Elementwise) or row.arity > 1 or "internal" in row.tags:
            continue
        if row.params is not no_params and not roots:
            continue
        params: Params = {"exponent": 0.5} if roots else {}
        points = []
        for number in CANDIDATES:
            x = np.full((1,), number)
            y = row(x, **params)
            slope = np.asarray(row.rule.partials(RAW, y, x, **params)[0], float)
            if fits(y, slope):
                points.append(number)
        if points:
            found.append((row, params, tuple(points)))
    return tuple(found)
