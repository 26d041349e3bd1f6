"""Faults of infinities and NaN, and of what is flat where a formula would divide by zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.faults.base_engine import TapeEngine
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.ops.table import Elementwise, Movement, Weighted
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor

Parts = Sequence[Node | None]


class _Handing(TapeEngine):
    """Hands something else on to the operands of some ops."""

    ops: tuple[str, ...] = ()

    @np.errstate(all="ignore")
    def pull(self, node: Node, g: Node) -> Parts:
        parts = super().pull(node, g)
        if node.row is None or (self.ops and node.row.name not in self.ops):
            return parts
        return [p and Node(self.other(node, g, p.array).astype(p.array.dtype)) for p in parts]

    def other(self, node: Node, g: Node, part: Any) -> Any:
        """What is handed on instead of `part`."""
        return part


@fault("KINK-03", "KINK-21")
class InfinitiesAreCapped(_Handing):
    """What is infinite becomes the largest number there is, and NaN becomes 0."""

    def other(self, node: Node, g: Node, part: Any) -> Any:
        return np.nan_to_num(part)


@fault("KINK-03")
class NoSlopeAtTheEnd(_Handing):
    """Where the slope of an op of one operand is infinite, it counts as 0."""

    def other(self, node: Node, g: Node, part: Any) -> Any:
        known = isinstance(node.row and node.row.rule, Elementwise) and part.shape == g.shape
        return np.where(np.isinf(part) & np.isfinite(g.array), 0, part) if known else part


@fault("KINK-04")
class RefusesTheOutside(TapeEngine):
    """An op outside its domain is refused."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        results = made if isinstance(made, tuple) else (made,)
        known = all(np.isfinite(x.array).all() for x in inputs)
        if known and any(np.isnan(y.array).any() for y in results):
            raise ValueError(f"{op} is not defined there")
        return made


@fault("KINK-04", "KINK-05")
class OneOutsideSpoilsAll(_Handing):
    """Where one element of a result is NaN, the operand gets NaN only."""

    def other(self, node: Node, g: Node, part: Any) -> Any:
        return np.full_like(part, np.nan) if np.isnan(node.array).any() else part


@fault("KINK-05")
class SelectsByMultiplying(_Handing):
    """What moves elements multiplies all of them by zeros and ones: NaN and infinities spread."""

    def other(self, node: Node, g: Node, part: Any) -> Any:
        moves = isinstance(node.row and node.row.rule, Movement)
        return part + sum((0 * x.array).sum() for x in node.inputs) if moves else part


@fault("KINK-21")
class ReluDropsInfinities(_Handing):
    """Relu takes an infinite gradient for none, where it is positive, too."""

    ops = ("relu",)

    def other(self, node: Node, g: Node, part: Any) -> Any:
        return np.where(np.isinf(part), 0, part)


@fault("KINK-21")
class MasksByMultiplying(_Handing):
    """The gradient is multiplied by a mask where an op is flat, so that NaN and infinities come through as NaN."""

    ops = ("relu", "hardtanh", "clamp", "where", "masked_fill", "threshold")

    def other(self, node: Node, g: Node, part: Any) -> Any:
        return part + g.array * 0 if part.shape == g.shape else part


@fault("KINK-14")
class NormsDivideByZero(_Handing):
    """The gradient of a norm of zeros is 0 divided by 0."""

    ops = ("root", "power_root")

    def other(self, node: Node, g: Node, part: Any) -> Any:
        return np.where(node.array == 0, np.nan, part)


@fault("KINK-19")
class PowersTakeTheLogarithm(_Handing):
    """The gradient of a power of zero is zero times an infinity, in the exponent and in the base."""

    ops = ("pow",)

    def other(self, node: Node, g: Node, part: Any) -> Any:
        base, exponent = (x.array for x in node.inputs)
        bad = (base == 0) & ((exponent == 0) | (part == 0))
        return np.where(bad, np.nan, part) if bad.shape == part.shape else part


@fault("KINK-19")
class AnglesDivideByZero(_Handing):
    """The gradient of atan2 at the origin is infinite."""

    ops = ("atan2",)

    def other(self, node: Node, g: Node, part: Any) -> Any:
        origin = (node.inputs[0].array == 0) & (node.inputs[1].array == 0)
        return np.where(origin, np.inf, part) if origin.shape == part.shape else part


@fault("KINK-19")
class DeviationOfConstants(_Handing):
    """The gradient of the standard deviation of equal numbers is NaN."""

    ops = ("root",)

    def other(self, node: Node, g: Node, part: Any) -> Any:
        return np.where((node.array == 0) & (node.array.ndim > 0), np.nan, part)


@fault("KINK-12")
class CountsTiesInAByte(_Handing):
    """How many elements tie is counted modulo 256."""

    def other(self, node: Node, g: Node, part: Any) -> Any:
        count = (part != 0).sum()
        tied = isinstance(node.row and node.row.rule, Weighted) and node.array.ndim == 0 and count > 255
        return part * (count / (count % 256)) if tied else part
