"""What views show of themselves, where they stand once their memory was written to; and writes that are lost."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

import numpy as np

from gradlaws.conformance.deviations.registry import deviation
from gradlaws.conformance.ops import Op
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.error_bounds import bound_of
from gradlaws.conformance.reference.jacobian_products import origins
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor, alias, leaf


@deviation
class UnrecordedViewLooksTracked(Engine):
    """A view made under no_grad of what requires grad claims to do so, too, and to be a leaf, yet gets no gradient."""

    def _placed(self, row: Op, inputs: tuple[Tensor, ...], node: Node) -> Tensor:
        made = super()._placed(row, inputs, node)
        if not self.modes.enabled and inputs[0].requires_grad:
            # It belongs to a tensor that takes no gradient.
            shown = Node(node.array, tracked=True, owner=leaf(np.zeros(()), False))
            shown.noise = lambda: bound_of(node)
            made.family.relabel(shown)
        return made


@deviation
class WritesMoveViews(Engine):
    """A write to memory, recorded or not, gives each view of it another place in the graph, once it is looked at.

    Hooks stay at the old place, which nothing leads to that is computed later, the write itself included.
    """

    def __init__(self) -> None:
        super().__init__()
        self._views: WeakSet[Tensor] = WeakSet()

    def _placed(self, row: Op, inputs: tuple[Tensor, ...], node: Node) -> Tensor:
        made = super()._placed(row, inputs, node)
        if not made.is_root:
            self._views.add(made)
        return made

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        before = (target._anchor, target._node, target._seen, target._stamp, target.family.stamp)
        if not target.is_root:
            # As an operand of the write it still stands at the old place.
            inputs = tuple(alias(x, x.node) if x is target else x for x in inputs)
            target.family.stamp += 1
        try:
            super().inplace(op, target, *inputs, **params)
        except Exception:
            target._anchor, target._node, target._seen, target._stamp, target.family.stamp = before
            raise
        storage = target.family.storage
        for family in {x.family for x in self._views if x.family.storage is storage}:
            family.stamp += 1

    def _retainers(self) -> list[tuple[Node, Tensor]]:
        return [(x.anchor if x.is_root else x._anchor, x) for x in list(self._retaining)]


@deviation
class WritesToDoublesAreLost(Engine):
    """An in-place op on a 0-d tensor of float64 does nothing, whether it is allowed or not."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        if target.array.ndim or target.array.dtype != np.float64:
            super().inplace(op, target, *inputs, **params)


@deviation
class ViewsHaveHistoriesOfTheirOwn(Engine):
    """A write to a view changes what it is a view of, but not where that came from; and the other way round."""

    def _placed(self, row: Op, inputs: tuple[Tensor, ...], node: Node) -> Tensor:
        return alias(inputs[0], node, origins(node))
