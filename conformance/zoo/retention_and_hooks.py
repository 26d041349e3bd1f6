"""M5: gradients of non-leaves that are kept, and functions that are called with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor
from gradlaws.conformance.zoo.registry import bug

Receivers = list[tuple[Node, Tensor]]
Inputs = Sequence[Tensor] | None


class _Stuck(Engine):
    """Tensors, once `stuck`, retain the gradient of the value that they had when they were told to."""

    def __init__(self) -> None:
        super().__init__()
        self.places: WeakKeyDictionary[Tensor, Node] = WeakKeyDictionary()
        self.stuck: WeakSet[Tensor] = WeakSet()

    def retain_grad(self, x: Tensor) -> None:
        super().retain_grad(x)
        if not x.is_leaf:
            self.places.setdefault(x, x.anchor)

    def _retainers(self) -> Receivers:
        return [(self.places[x] if x in self.stuck else node, x) for node, x in super()._retainers()]


@bug("M5", "pytorch/pytorch/pull/79996", "RET-13", "RET-17")
class HooksHoldRetentionBack(_Stuck):
    """Of a tensor with a hook, the gradient retained after an in-place op is that of the value before it."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        if target in self.places and target.anchor.hooks:
            self.stuck.add(target)
        super().inplace(op, target, *inputs, **params)


@bug("M5", "pytorch/pytorch/pull/117552", "RET-14")
class BasesRetainTheOldValue(_Stuck):
    """A write through a view leaves the retained gradient of what it is a view of with the old value."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        if not target.is_root:
            self.stuck.update(x for x in list(self.places) if x.is_root and x.family is target.family)
        super().inplace(op, target, *inputs, **params)


@bug("M5", "Oneflow-Inc/oneflow/pull/7685", "HOOK-01", "HOOK-03")
class HooksOnlyWhereGradientsStay(Engine):
    """Hooks run on leaves and on tensors that retain their gradient, and on no other."""

    def _visit(self, node: Node, g: Node) -> Node:
        if node.owner is None and not any(x.anchor is node for x in list(self._retaining)):
            return g
        return super()._visit(node, g)


@bug("M5", "candle-org/candle/pull/291", "RET-01")
class RetainsNothingButLeaves(Engine):
    """A non-leaf that was told to retain its gradient gets none."""

    def _retainers(self) -> Receivers:
        return []


@bug("M5", "candle-org/candle/pull/363", "HOOK-01", "VAL-10")
class HooksOfLeafRootsRunTwice(Engine):
    """A hook on a leaf that is itself the root runs twice."""

    _roots: Sequence[Tensor] = ()

    def backward(self, roots: Sequence[Tensor], *args: Any, **options: Any) -> Any:
        self._roots = roots
        try:
            return super().backward(roots, *args, **options)
        finally:
            self._roots = ()

    def _visit(self, node: Node, g: Node) -> Node:
        if node.owner is not None and any(x is node.owner for x in self._roots):
            g = super()._visit(node, g)
        return super()._visit(node, g)
