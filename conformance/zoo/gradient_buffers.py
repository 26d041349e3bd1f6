"""M2: the memory of gradients: shared, borrowed, written to in place, wrong from the second backward on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import numpy as np

from gradlaws.conformance.faults.base_engine import KernelEngine, TapeEngine
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.graph_traversal import Seeded
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor, fresh
from gradlaws.conformance.zoo.registry import bug


@bug("M2", "Oneflow-Inc/oneflow/pull/9497", "VAL-06", "VAL-01")
class AddsIntoASharedBuffer(TapeEngine):
    """A sum hands one buffer to both operands; what comes to one of them later is added to it in place."""

    def start(self, old: Node | None, seed: Node) -> Node:
        return Node(seed.array) if old is None and not self.modes.enabled else super().start(old, seed)

    def join(self, old: Node, new: Node) -> Node:
        if self.modes.enabled:
            return old + new
        old.array = old.array + new.array
        return old


@bug("M2", "candle-org/candle/pull/363", "VAL-11", "VAL-10")
class LeafRootsKeepTheArgument(Engine):
    """A backward from a leaf stores the caller's gradient argument itself as .grad, instead of a copy."""

    def backward(self, roots: Sequence[Tensor], gradients: Any = None, *args: Any, **options: Any) -> Any:
        first = [x.grad is None for x in roots]
        super().backward(roots, gradients, *args, **options)
        for x, g, new in zip(roots, gradients or (), first, strict=False):
            if new and g is not None and x.is_leaf and x.grad is not None and len(roots) == 1:
                x.grad = g


@bug("M2", "pytorch/pytorch/issues/81417", "VAL-12", "VAL-02", "ACC-01")
class ReluMasksTheArgument(TapeEngine):
    """The backward of relu masks the cotangent in place; at the root that is the caller's gradient argument."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[int, Tensor] = {}

    def _seeded(self, roots: Sequence[Tensor], gradients: Sequence[Tensor | None] | None) -> Seeded:
        found = super()._seeded(roots, gradients)
        self.given = {id(g.node): g for g in gradients or () if isinstance(g, Tensor)}
        return found

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        if node.row and node.row.name == "relu" and id(g) in self.given and not self.modes.enabled:
            part, given = parts[0], self.given[id(g)]
            if part is not None and not given.requires_grad:
                given.family.write(given.within, Node(part.array), recorded=False)
        return parts


@bug("M2", "Oneflow-Inc/oneflow/issues/8248", "HO-14", "HO-11")
class AccumulatesWithoutHistory(Engine):
    """With create_graph the first gradient in .grad has a history, the sum with a second one has none."""

    @staticmethod
    def _accumulate(x: Tensor, value: Node, error: Any, create_graph: bool) -> None:
        before = x.grad
        Engine._accumulate(x, value, error, create_graph)
        if before is not None and create_graph and x.grad is not None:
            x.grad = fresh(Node(x.grad.array))


@bug("M2", "karpathy/llm.c/pull/163", "ACC-01", "ACC-02")
class BiasGradientIsAssigned(KernelEngine):
    """The kernel of a linear layer assigns the gradient of its bias, where all others add to what is there."""

    kernels = frozenset({"linear"})

    def __init__(self) -> None:
        super().__init__()
        self.biases: WeakSet[Tensor] = WeakSet()

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        if node.inputs[2].owner is not None:
            self.biases.add(node.inputs[2].owner)
        return super().kernel(node, g)

    def backward(self, *args: Any, **options: Any) -> Any:
        self.biases.clear()
        return super().backward(*args, **options)

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        if x in self.biases:
            x.grad = None
        Engine._accumulate(x, *rest)


@bug("M2", "axolotl-ai-cloud/axolotl/pull/3892", "LIFE-02", "ACC-01")
class ScratchIsTheSavedValue(KernelEngine):
    """The kernel of glu computes its gradient in the buffer of the saved gate: through a kept graph, once right."""

    kernels = frozenset({"glu"})

    def __init__(self) -> None:
        super().__init__()
        self.used: set[int] = set()

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().kernel(node, g)
        if node.order in self.used and not self.modes.enabled:
            return [None if part is None else Node(np.roll(part.array, 1) + g.array.sum()) for part in parts]
        self.used.add(node.order)
        return parts
