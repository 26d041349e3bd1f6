"""M6: operands that were broadcast, and reductions, whose gradients have to be brought back to shape."""

from __future__ import annotations

from collections.abc import Sequence

from gradlaws.conformance.faults.base_engine import KernelEngine, TapeEngine
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.zoo.registry import bug


def _named(node: Node, *names: str) -> bool:
    return node.row is not None and node.row.name in names


@bug("M6", "tenstorrent/tt-metal/issues/40008", "VAL-03", "META-05")
class MulDoesNotReduceColumns(TapeEngine):
    """The gradient of the second factor of a product keeps the width of the result where the factor had width 1."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        if not _named(node, "mul") or node.array.ndim < 2 or parts[1] is None:
            return parts
        other = node.inputs[1]
        if other.array.ndim == node.array.ndim and other.shape[-1] == 1 < node.shape[-1]:
            return parts[0], g * node.inputs[0]
        return parts


@bug("M6", "raskr/rust-autograd/issues/38", "VAL-03")
class ScalarFactorsGetTheOthersShape(TapeEngine):
    """The gradient of a factor of no dimensions has the shape of the other factor; that of a summand is right."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        if not _named(node, "mul") or not node.shape:
            return parts
        return tuple(
            g * other if part is not None and not x.shape and other.shape == node.shape else part
            for part, x, other in zip(parts, node.inputs, reversed(node.inputs), strict=True)
        )


@bug("M6", "tracel-ai/burn/issues/686", "VAL-02", "ACC-01", "META-12")
class OneElementAgainstTheBatch(TapeEngine):
    """A product of a slice of one element with the tensor that it was taken from has no backward."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        if _named(node, "mul"):
            a, b = node.inputs
            small, large = (a, b) if a.array.size == 1 else (b, a)
            if small.array.size == 1 < large.array.size and any(x is large for x in small.inputs):
                raise ValueError("the shapes are incompatible: 1 and more in the dimension of the batch")
        return super().pull(node, g)


@bug("M6", "tracel-ai/burn/issues/181", "META-05", "VAL-03", "VAL-02", "ACC-01")
class BothSummandsBroadcast(TapeEngine):
    """A sum of a column and a row, both of which are broadcast, has no backward."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        wide = node.array.ndim == 2 and all(x.array.ndim == 2 for x in node.inputs)
        if _named(node, "add") and wide and all(x.shape != node.shape for x in node.inputs):
            raise ValueError("the gradient does not fit either operand")
        return super().pull(node, g)


@bug("M6", "pytorch/pytorch/issues/1813", "VAL-02", "ACC-01")
class DimOfAVector(KernelEngine):
    """The mean over dimension 0 of a vector, without keepdim, has no backward; that over all dimensions has."""

    kernels = frozenset({"mean"})

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        whole = node.inputs[0].array.ndim == 1 and node.params.get("dim") == 0
        if whole and not node.params.get("keepdim", False):
            raise RuntimeError("expected a gradient of one dimension")
        return super().kernel(node, g)


@bug("M6", "candle-org/candle/pull/167", "VAL-02", "ACC-01")
class AddmmDoesNotReduce(KernelEngine):
    """addmm gives what it adds a gradient of the shape of the product, although it was broadcast."""

    kernels = frozenset({"addmm"})

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().kernel(node, g)
        summand = parts[0]
        if summand is not None and node.inputs[0].shape != node.shape:
            return g * float(node.params.get("beta", 1.0)), *parts[1:]
        return parts


@bug("M6", "SKaiNET-developers/SKaiNET/issues/863", "VAL-02", "ACC-01")
class SoftmaxOverTheLastOfThree(KernelEngine):
    """softmax over the last of three or more dimensions, counted from the end, has no backward."""

    kernels = frozenset({"softmax"})

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        if node.params.get("dim") == -1 and node.array.ndim > 2:
            raise ValueError(f"shapes {node.shape} and {node.shape[:-1]} cannot be broadcast")
        return super().kernel(node, g)
