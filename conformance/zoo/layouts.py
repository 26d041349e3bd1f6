"""M9: how operands and cotangents lie in memory: transposed, expanded, anything but row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.faults.base_engine import KernelEngine, TapeEngine
from gradlaws.conformance.reference.jacobian_products import origins
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.zoo.registry import bug

#: What makes a node a view of another one: of the program, and of gradients.
VIEWS = ("transpose", "permute", "movedim", "expand", "take", "put")


def memory(x: Node) -> Array | None:
    """The elements of a node in the order in which they lie in memory, where that is not row by row; else None."""
    if x.row is None or x.row.name not in VIEWS or not x.array.size or len(x.inputs) != 1:
        return None
    whole = x.inputs[0].array.ravel()
    if x.row.name == "put":  # the transpose of a view: where each element of the gradient went
        index = np.asarray(x.params["index"]).ravel()
        return (
            whole if index.size == x.array.size and (np.diff(index) < 0).any() and index.min() > 0 else None
        )
    index = origins(x).ravel()
    if index.size and index.min() > 0 and (np.diff(index) <= 0).any():
        return whole
    return None


def misread(x: Node) -> Node:
    """The node as a kernel sees it that takes its memory to lie row by row."""
    found = memory(x)
    return x if found is None else Node(np.resize(found, x.shape))


@bug("M9", "pytorch/pytorch/issues/175188", "VAL-02", "ACC-01", "META-05")
class TanhOfPermuted(TapeEngine):
    """The backward of tanh reads the cotangent row by row, in whatever order a permuted operand lies."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        if node.row and node.row.name == "tanh" and not self.modes.enabled:
            operand = node.inputs[0]
            if operand.row and operand.row.name in ("transpose", "permute") and memory(operand) is not None:
                where = np.argsort(origins(operand).ravel(), kind="stable")
                return super().pull(node, Node(g.array.ravel()[where].reshape(g.shape)))
        return super().pull(node, g)


@bug("M9", "torch/nn/pull/345", "VAL-02", "ACC-01")
class MeanOfMean(KernelEngine):
    """The backward of mean takes its cotangent to lie row by row: behind another mean, which expands, it does not."""

    kernels = frozenset({"mean"})

    def __init__(self) -> None:
        super().__init__()
        self.expanded: dict[int, tuple[Node, Array]] = {}

    def _products(self, *args: Any) -> Any:
        self.expanded = {}
        return super()._products(*args)

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        if id(g) in self.expanded and not self.modes.enabled:
            g = Node(np.resize(self.expanded[id(g)][1], g.shape))
        parts = super().kernel(node, g)
        if (
            parts[0] is not None and node.params.get("dim") is not None
        ):  # one number a row, which is not written out
            share = g.array.size / max(node.inputs[0].array.size, 1)
            self.expanded[id(parts[0])] = (parts[0], (g.array * share).astype(g.array.dtype))
        return parts


@bug("M9", "torch/cunn/issues/68", "VAL-02", "ACC-01")
class PoolingOfStrided(TapeEngine):
    """The backward of max_pool2d takes its cotangent to lie row by row."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        return super().pull(node, misread(g) if node.row and node.row.name == "max_pool2d" else g)


@bug("M9", "pytorch/pytorch/issues/180201", "VAL-02", "ACC-01")
class ProductsOfExpanded(TapeEngine):
    """A matrix product whose cotangent is one number, expanded by sum, sees that number once and zeros after it."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        if (
            (
                node.row
                and node.row.name in ("bmm", "mm")
                and g.row
                and g.row.name == "take"
                and g.array.size > 1
            )
            and g.inputs[0].array.size == 1
            and g.inputs[0].array.size < g.array.size
        ):
            first = np.zeros_like(g.array)
            first.ravel()[0] = g.inputs[0].array.ravel()[0]
            return super().pull(node, Node(first))
        return super().pull(node, g)


@bug("M9", "pytorch/pytorch/issues/30303", "VAL-02", "ACC-01")
class ReshapedFromExpanded(TapeEngine):
    """Reshaping what was expanded along the first dimension gives each copy the gradient of the first."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        operand = node.inputs[0] if node.inputs else node
        expanded = operand.row is not None and operand.row.name == "expand"
        if (
            node.row is None
            or node.row.name not in ("reshape", "flatten")
            or not expanded
            or parts[0] is None
        ):
            return parts
        own = operand.inputs[0].shape
        if len(own) != operand.array.ndim or not own or own[0] != 1 or operand.shape[0] < 2:
            return parts
        return (Node(np.broadcast_to(parts[0].array[:1], operand.shape).copy()),)


@bug("M9", "Dao-AILab/flash-attention/issues/355", "VAL-02", "ACC-01")
class AttentionOfStrided(KernelEngine):
    """The backward of attention takes its cotangent to lie row by row, however what came after it was laid out."""

    kernels = frozenset({"scaled_dot_product_attention"})

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        return super().kernel(node, misread(g))
