"""M4: views, in-place ops, and the history that they should share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

from gradlaws.conformance.faults.base_engine import TapeEngine
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node, untracked
from gradlaws.conformance.reference.tensor import Tensor, alias
from gradlaws.conformance.zoo.registry import bug

PARTING = ("chunk", "split", "unbind")


@bug(
    "M4",
    "pytorch/pytorch/issues/49824",
    "INP-12",
    "INP-08",
    survives="Of views that an op returned at once none is ever written to: PyTorch refuses that.",
)
class ViewsOfPartsForgetWhereTheyAre(Engine):
    """A write through a view of one of several views that an op returned at once is missing from the base's history."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: WeakSet[Tensor] = WeakSet()
        self.chained: WeakSet[Tensor] = WeakSet()

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        if op in PARTING:
            self.parts.update(made)
        elif (
            isinstance(made, Tensor)
            and not made.is_root
            and (inputs[0] in self.parts or inputs[0] in self.chained)
        ):
            self.chained.add(made)
        return made

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        with self.mode(self.modes.enabled and target not in self.chained):
            super().inplace(op, target, *inputs, **params)


@bug("M4", "PaddlePaddle/Paddle/pull/37367", "INP-08", "META-08")
class InPlaceRootsAreSeededTwice(TapeEngine):
    """A backward that starts at the result of an in-place op gives its seed to the old value of the tensor as well."""

    def __init__(self) -> None:
        super().__init__()
        self.written: set[int] = set()

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        super().inplace(op, target, *inputs, **params)
        if (
            target.is_root
            and self.modes.enabled
            and op in ("tanh_", "exp_", "sigmoid_", "relu_", "sqrt_", "neg_")
        ):
            self.written.add(target.anchor.order)

    def visit(self, node: Node, g: Node, seed: Node | None) -> Node:
        self.extra = seed if node.order in self.written else None
        return g

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        if node.order in self.written and self.extra is not None and parts[0] is not None:
            return parts[0] + self.extra, *parts[1:]
        return parts


@bug("M4", "pytorch/pytorch/issues/79708", "ROOT-15")
class ListedTensorsLoseTheirPlace(Engine):
    """A non-leaf that was written to in place gets nothing where a backward lists it under inputs=."""

    def _receivers(self, nodes: list[Node], inputs: Sequence[Tensor] | None) -> list[tuple[Node, Tensor]]:
        found = super()._receivers(nodes, inputs)
        if inputs is None:
            return found
        return [(node, x) for node, x in found if x.is_leaf or not x.family.storage.version]


@bug("M4", "twitter-archive/torch-autograd/issues/126", "INP-14")
class AssignedRowsGetNothing(Engine):
    """What is assigned to an item counts as a constant, where what is written to required no gradient before."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        if op == "set_item_" and not target.requires_grad:
            inputs = tuple(alias(x, untracked(x.node)) for x in inputs)
        super().inplace(op, target, *inputs, **params)


@bug("M4", "pytorch/pytorch/pull/46204", "INP-02")
class ViewsOfLeavesAreNotGuarded(Engine):
    """A write through a narrowed view of a leaf that requires grad is accepted, and breaks only the leaf's gradient."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        leaf = not target.is_root and target.family.anchor.owner is not None
        smaller = target.array.size < target.family.node.array.size
        with self.mode(self.modes.enabled and not (leaf and smaller)):
            super().inplace(op, target, *inputs, **params)


@bug("M4", "pytorch/pytorch/issues/110780", "INP-03", "HO-02")
class GradLosesWrittenLeaves(Engine):
    """autograd.grad does not find a leaf again that was written to since it was used; a backward does."""

    def grad(self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any) -> Any:
        for x in inputs:
            if x.is_leaf and x.requires_grad and x.family.node is not x.family.anchor:
                raise RuntimeError("one of the tensors appears to not have been used in the graph")
        return super().grad(roots, inputs, *args, **options)
