"""M14: what an earlier call leaves behind, and a later one takes for its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.faults.base_engine import TapeEngine
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor, fresh
from gradlaws.conformance.zoo.registry import bug


@bug("M14", "Oneflow-Inc/oneflow/issues/9390", "HO-02", "ACC-12")
class GradBorrowsTheGradient(Engine):
    """autograd.grad uses .grad of a leaf for its work: where there was one, it is added to what is returned."""

    def grad(self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any) -> Any:
        found = super().grad(roots, inputs, *args, **options)
        return tuple(
            g if g is None or not x.is_leaf or x.grad is None else fresh(Node(g.array + x.grad.array))
            for x, g in zip(inputs, found, strict=True)
        )


@bug("M14", "pytorch/pytorch/issues/6535", "HO-05")
class UnusedIsAllowed(Engine):
    """autograd.grad returns None for an input that the roots do not depend on, although nobody allowed it."""

    def grad(self, *args: Any, **options: Any) -> Any:
        return super().grad(*args, **{**options, "allow_unused": True})


@bug("M14", "pytorch/pytorch/issues/168059", "HO-12", "HO-07")
class MaterializedZerosRequireGrad(Engine):
    """Zeros that autograd.grad makes up for an unused input require grad, without create_graph."""

    def grad(
        self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any
    ) -> tuple[Tensor | None, ...]:
        if not options.get("materialize_grads"):
            return super().grad(roots, inputs, *args, **options)
        bare = super().grad(
            roots, inputs, *args,
            **{**options, "materialize_grads": False, "allow_unused": True, "retain_graph": True},
        )  # fmt: skip
        found = super().grad(roots, inputs, *args, **options)
        return tuple(
            self.parameter(np.zeros_like(x.array)) if g is None else made
            for x, g, made in zip(inputs, bare, found, strict=True)
        )


@bug("M14", "rsokl/MyGrad/pull/361", "NONE-02", "VAL-14")
class ViewsClearTheGradient(Engine):
    """Taking a view of a tensor clears its .grad."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        if op in ("view", "narrow", "get_item", "get_slice", "select", "transpose"):
            inputs[0].grad = None
        return made


@bug("M14", "karpathy/micrograd/pull/102", "LIFE-02", "ACC-01")
class IntermediatesAreNotZeroed(TapeEngine):
    """The gradients of non-leaves stay where they are, and are added to in the next backward through them."""

    def __init__(self) -> None:
        super().__init__()
        self.buffers: dict[int, Node] = {}

    def visit(self, node: Node, g: Node, seed: Node | None) -> Node:
        if node.row is not None and seed is None and not self.modes.enabled:
            if node.order in self.buffers:
                g = Node(g.array + self.buffers[node.order].array)
            self.buffers[node.order] = g
        return g


@bug("M14", "PaddlePaddle/Paddle/pull/24187", "HO-11", "HO-14", "META-13")
class SecondPassReusesNames(TapeEngine):
    """A second differentiation takes for the gradient of a square what the first had stored under the same name."""

    def __init__(self) -> None:
        super().__init__()
        self.named: dict[int, Node] = {}

    def visit(self, node: Node, g: Node, seed: Node | None) -> Node:
        if node.row is None or node.row.name != "square" or seed is not None:
            return g
        first = self.named.setdefault(node.order, g)
        return g if first is g or first.shape != g.shape or not first.tracked else first
