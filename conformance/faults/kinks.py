"""Faults of subgradients, and of products with zeros."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlaws.conformance.faults.base_engine import TapeEngine
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.ops import Op
from gradlaws.conformance.ops.kinks import choosing
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.jacobian_products import pull
from gradlaws.conformance.reference.node import Node


class _Chooser(Engine):
    """Takes other elements of the subdifferential than it declares."""

    element = "right"
    ops: tuple[str, ...] = ()

    def _row(self, row: Op) -> Op:
        return choosing(row.name, self.element) if row.name in self.ops else row


@fault("KINK-01")
class ReluHasSlopeOne(_Chooser):
    """The gradient of relu at 0 is 1, and nothing says so."""

    ops = ("relu",)


@fault("KINK-02")
class AbsHasSlopeOne(_Chooser):
    """The gradient of abs at 0 is 1, and nothing says so."""

    ops = ("abs",)


@fault("KINK-06")
class LeakyReluFromTheRight(_Chooser):
    """The gradient of leaky_relu at 0 is 1, and nothing says so."""

    ops = ("leaky_relu",)


@fault("KINK-09")
class BoundsBelongToTheInside(_Chooser):
    """The gradients of hardtanh and relu6 at their bounds are 1, and nothing says so."""

    element = "largest"
    ops = ("hardtanh", "relu6")


@fault("KINK-10")
class FirstOperandTakesAll(_Chooser):
    """Where the operands of maximum are equal, the first gets the whole gradient."""

    element = "first"
    ops = ("maximum", "minimum")


@fault("KINK-12")
class LastTieTakesAll(_Chooser):
    """Of the elements that tie for an extremum the last gets the whole gradient."""

    element = "last"
    ops = ("amax", "amin", "max_all", "min_all")


@fault("KINK-10", "KINK-12")
class AllThatTieGetAll(TapeEngine):
    """Each element that ties for an extremum gets the whole gradient: no subgradient is that large."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        if node.row and node.row.name in ("maximum", "minimum"):
            tie = node.inputs[0].array == node.inputs[1].array
            if tie.shape == node.shape:
                return [
                    p if p is None or p.shape != tie.shape else Node(p.array * np.where(tie, 2, 1))
                    for p in parts
                ]
        if node.row and node.row.name in ("max_all", "min_all"):
            return [None if p is None else Node((p.array != 0) * g.array) for p in parts]
        return parts


@fault("KINK-19")
class LossCountsZeroAsPositive(TapeEngine):
    """The gradient of l1_loss is 1 where input and target are equal."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        if node.row and node.row.name == "abs":
            return (Node(g.array * np.where(node.inputs[0].array >= 0, 1.0, -1.0)),)
        return super().pull(node, g)


@fault("KINK-16")
class FusesReluOfBothSigns(TapeEngine):
    """A difference at 0, both of whose operands are, counts as the identity: what was relu(x) - relu(-x)."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = list(super().pull(node, g))
        if node.row and node.row.name == "relu" and node.array.ndim == 0 and parts[0] is not None:
            scaled = bool(np.abs(g.array) != 1)
            return [Node(parts[0].array + (node.array == 0) * scaled * g.array)]
        return parts


@fault("KINK-20")
class DividesTheProduct(TapeEngine):
    """The gradient of a product is the product divided by the factor, and 0 where that is 0."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = list(super().pull(node, g))
        if node.row and node.row.name == "mul" and not node.array.any():
            return [
                None if p is None else Node(np.where(x.array == 0, 0.0, p.array))
                for p, x in zip(parts, node.inputs, strict=True)
            ]
        return parts


@fault("KINK-20")
class SecondDerivativeOfZero(Engine):
    """The gradient of a product is a constant where a factor is zero: it is not differentiated again."""

    def _pull(self, node: Node, g: Node) -> Sequence[Node | None]:  # type: ignore[override]
        parts = pull(node, g)
        if node.row and node.row.name == "mul" and not node.array.all():
            return [
                p if p is None or x.array.all() else Node(p.array)
                for p, x in zip(parts, node.inputs, strict=True)
            ]
        return parts
