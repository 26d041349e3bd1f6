"""Derivatives by differences in extended precision, for rows of which nothing but the value is known.

Central differences of steps h, 2h and 4h are extrapolated (Richardson), so that what is left out is of sixth order; how
far two estimates of fourth order are apart says how much it may be. A derivative is a row like any other, and is
differentiated in the same way, to any order: with each, some three digits of the eighteen are lost.

How an engine computes such a derivative is not known either, so its numbers are bounded as those of an algorithm that
is stable as a whole: by units in the last place of the largest of 1, the number (of the whole result, where elements
are mixed), and its change where operands change by as much as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops.table import Elementwise, Op, Rule

#: Powers of two, so that differences of polynomials of low degree do not round.
STEP = np.longdouble(2.0**-10)
_NUDGE = np.longdouble(2.0**-20)
#: Ulps of rounding in a value that differences are taken of.
_ROUGH = 8


@dataclass(frozen=True)
class Difference:
    """The derivative of `forward(*xs, **params)` by its operand k, as a function of the same operands.

    pointwise: whether elements are not mixed: the derivative has the shape of the value. Else it has that shape and,
               after it, the operand's.
    order:     of the derivative.
    """

    forward: Callable[..., Any]
    k: int
    pointwise: bool
    order: int

    def __call__(self, *xs: Array, **params: Any) -> Array:
        """The derivative, of the operands' dtype."""
        return self._taken(xs, params)[0].astype(_dtype(xs))

    def doubt(self, *xs: Array, **params: Any) -> Array:
        """How far it may be from the derivative."""
        return np.asarray(self._taken(xs, params)[1], np.float64)

    @np.errstate(all="ignore")
    def _taken(self, xs: tuple[Array, ...], params: dict[str, Any]) -> tuple[Array, Array]:
        """(the derivative, a bound of its error)."""
        wide = [np.asarray(x, np.longdouble) for x in xs]
        if self.pointwise:
            return self._along(wide, params, np.asarray(STEP))
        x, parts = wide[self.k], []
        for at in range(x.size):
            step = np.zeros(x.shape, np.longdouble)
            step.flat[at] = STEP
            parts.append(self._along(wide, params, step))
        value = np.asarray(part_of(self.forward, wide, params))
        if not parts:
            return (np.zeros(value.shape + x.shape, np.longdouble),) * 2
        made, doubt = (np.stack([p[n] for p in parts], -1) for n in (0, 1))
        return made.reshape(value.shape + x.shape), doubt.reshape(value.shape + x.shape)

    def _along(self, xs: list[Array], params: dict[str, Any], step: Array) -> tuple[Array, Array]:
        sides = []
        for times in (1, 2, 4):
            up, down = (
                np.asarray(
                    part_of(
                        self.forward, [*xs[: self.k], xs[self.k] + sign * step, *xs[self.k + 1 :]], params
                    )
                )
                for sign in (times, -times)
            )
            sides.append((up - down) / (2 * times * STEP))
        near, middle, far = sides
        fine, coarse = (4 * near - middle) / 3, (4 * middle - far) / 3
        size = np.maximum(np.abs(up), 1)
        rounding = _ROUGH * np.finfo(up.dtype).eps * size / STEP**self.order
        return fine + (fine - coarse) / 15, np.abs(fine - coarse) / 15 + rounding


def part_of(forward: Callable[..., Any], xs: list[Array], params: dict[str, Any]) -> Any:
    """The value, or that of the result `part` where there are several."""
    params = dict(params)
    part = None if isinstance(forward, Difference) else params.pop("part", None)
    made = forward(*xs, **params)
    return made if part is None else made[part]


def _dtype(xs: tuple[Array, ...]) -> Any:
    return np.result_type(*(x.dtype for x in xs if x.dtype.kind == "f"))


@dataclass(frozen=True)
class _Measured:
    """What rules have in common whose derivatives are differences of `forward`."""

    forward: Callable[..., Any]
    arity: int
    ulps: float
    passive: tuple[int, ...] = ()

    @property
    def order(self) -> int:
        """Of the derivative that `forward` is; 0 for the function itself."""
        return self.forward.order if isinstance(self.forward, Difference) else 0

    def derivative(self, k: int) -> Op:
        """The row of the derivative by operand k."""
        return _derivative(self, k)

    @np.errstate(all="ignore")
    def doubt(self, *xs: Array, **params: Any) -> Any:
        """How far the value may be from that of the function; infinite where an operand is not finite."""
        known = all(np.isfinite(x).all() for x in xs)
        if isinstance(self.forward, Difference) and known:
            return self.forward.doubt(*xs, **params)
        if isinstance(self, Elementwise):
            return sum(np.where(np.isfinite(x), 0.0, np.inf) for x in xs)
        return 0.0 if known else np.inf

    @np.errstate(all="ignore")
    def size(self, value: Array, *xs: Array, **params: Any) -> Array:
        """The numbers whose last places count."""
        wide = [np.asarray(x, np.longdouble) for x in xs]
        at = np.asarray(part_of(self.forward, wide, params))
        total = np.maximum(np.abs(at), 1)
        for alternating in (False, True):
            moved = [x * (1 + _NUDGE * _signs(x, alternating)) for x in wide]
            total = total + np.abs(np.asarray(part_of(self.forward, moved, params)) - at) / _NUDGE
        if not isinstance(self, Elementwise):
            total = np.full(total.shape, total.max(initial=1))
        return np.asarray(np.nan_to_num(total, nan=np.inf), np.float64)


def _signs(x: Array, alternating: bool) -> Array:
    return np.where(np.arange(x.size).reshape(x.shape) % 2, -1, 1) if alternating else np.ones(x.shape)


@dataclass(frozen=True)
class Slopes(_Measured, Elementwise):
    """Position by position, with slopes that are differences."""

    partials: Callable[..., tuple[Any, ...]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "partials", self._partials)

    def _partials(self, F: Any, _: Any, *xs: Any, **params: Any) -> tuple[Any, ...]:
        return tuple(
            None if k in self.passive else F.row(self.derivative(k))(*xs, **params) for k in range(self.arity)
        )


@dataclass(frozen=True)
class Jacobians(_Measured, Rule):
    """Any function at all: `derivative(k)` is shaped like the result and, after it, like operand k."""


@cache
def _derivative(rule: _Measured, k: int) -> Op:
    pointwise = isinstance(rule, Slopes)
    forward = Difference(rule.forward, k, pointwise, rule.order + 1)
    made = (Slopes if pointwise else Jacobians)(forward, rule.arity, rule.ulps, rule.passive)
    return Op("derivative", "", made, forward, rule.arity, ulps=rule.ulps, tags=frozenset({"internal"}))
