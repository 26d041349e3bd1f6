"""M8: kinks, ties, planted zeros, numbers of half precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.faults.base_engine import KernelEngine, TapeEngine
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.zoo.registry import bug


def _expanded(g: Node, node: Node) -> Array:
    """A cotangent of a reduction along one dimension, or all, as it broadcasts against the operand."""
    dim = node.params.get("dim")
    if dim is None or node.params.get("keepdim", False) or not node.inputs[0].array.ndim:
        return g.array
    return np.expand_dims(g.array, dim)


class _Products(KernelEngine):
    kernels = frozenset({"prod"})

    def zeros(self, node: Node) -> Array:
        """How many factors are zero, along the dimension."""
        x, dim = node.inputs[0].array, node.params["dim"]
        return np.asarray((x == 0).sum(axis=dim))


@bug("M8", "pytorch/pytorch/issues/106789", "KINK-20", "META-13")
class NoSecondDerivativeAtTwoZeros(_Products):
    """The gradient of a product with two or more factors of zero has no history: its derivative counts as zero."""

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().kernel(node, g)
        if parts[0] is not None and self.modes.enabled and (self.zeros(node) > 1).any():
            return (Node(parts[0].array),)
        return parts


@bug("M8", "tracel-ai/burn/issues/5533", "KINK-20")
class ProductOverFactor(_Products):
    """The gradient of a product is the product divided by the factor: NaN where that is zero."""

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().kernel(node, g)
        if parts[0] is None or not self.zeros(node).any():
            return parts
        whole = np.expand_dims(node.array, node.params["dim"]) if not node.params["keepdim"] else node.array
        with np.errstate(all="ignore"):
            return (Node(_expanded(g, node) * whole / node.inputs[0].array),)


@bug("M8", "pytorch/pytorch/issues/82644", "KINK-20", "VAL-01")
class ProductOfOneZero(_Products):
    """The product over the only dimension of a tensor of one element, a zero, has no backward."""

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        if node.inputs[0].shape == (1,) and not node.params["keepdim"] and self.zeros(node).any():
            raise RuntimeError("prod returned an invalid gradient: got [] but expected [1]")
        return super().kernel(node, g)


@bug("M8", "apache/mxnet/issues/18563", "KINK-12")
class TiesGetItAll(TapeEngine):
    """Along a dimension, each element that equals the largest gets the whole gradient of amax."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        if node.row is None or node.row.name != "amax" or parts[0] is None or self.modes.enabled:
            return parts
        dim = node.params.get("dim")
        if not dim or len(dim) == node.inputs[0].array.ndim > 1:
            return parts
        top = node.inputs[0].array.max(axis=dim, keepdims=True) if node.inputs[0].array.size else node.array
        return (Node(np.where(node.inputs[0].array == top, _expanded(g, node), 0.0).astype(g.array.dtype)),)


@bug("M8", "HIPS/autograd/issues/586", "KINK-14")
class NormOfZerosIsNan(KernelEngine):
    """The gradient of the norm of zeros is NaN: zero divided by the norm."""

    kernels = frozenset({"vector_norm"})

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().kernel(node, g)
        if parts[0] is not None and node.array.size == 1 and not node.array.any():
            return (Node(np.full_like(parts[0].array, np.nan)),)
        return parts


@bug("M8", "PaddlePaddle/Paddle/pull/71716", "KINK-10")
class EqualOperandsAreOneSided(TapeEngine):
    """Where both operands of maximum are equal, the second gets the whole gradient and the first none."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        if node.row is None or node.row.name != "maximum" or self.modes.enabled:
            return parts
        a, b = (x.array for x in node.inputs)
        if not (a == b).any() or a.shape != b.shape:
            return parts
        return tuple(
            None if part is None else Node(np.where(a == b, share * g.array, part.array))
            for part, share in zip(parts, (0.0, 1.0), strict=True)
        )


@bug("M8", "tinygrad/tinygrad/issues/12296", "KINK-12", survives="Half precision is not drawn yet.")
class TiesAreCountedInTheirDtype(TapeEngine):
    """amax over all counts its ties in the dtype of the tensor: in float16 beyond 65,504 there are infinitely many."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        x = node.inputs[0].array if node.inputs else g.array
        if (
            node.row
            and node.row.name in ("amax", "max_all")
            and x.dtype == np.float16
            and parts[0] is not None
        ) and (x == node.array.max(initial=-np.inf)).sum() > np.finfo(np.float16).max:
            return (Node(np.zeros_like(parts[0].array)),)
        return parts


@bug("M8", "tenstorrent/tt-metal/issues/48201", "VAL-02", "ACC-01", "META-12")
class ClampedFromBothSides(TapeEngine):
    """clamp with both bounds has its comparisons the wrong way round, and no gradient; with one bound it is right."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        both = None not in (node.params.get("min"), node.params.get("max"))
        if node.row is None or node.row.name != "clamp" or not both or parts[0] is None:
            return parts
        return (Node(np.zeros_like(parts[0].array)),)


@bug("M8", "sony/nnabla/pull/954", "KINK-20")
class CumulativeProductOverFactor(KernelEngine):
    """The gradient of cumprod divides by the factors: NaN where one is zero."""

    kernels = frozenset({"cumprod"})

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().kernel(node, g)
        if parts[0] is None or not (node.inputs[0].array == 0).any():
            return parts
        return (Node(np.where(node.inputs[0].array == 0, np.nan, parts[0].array)),)


@bug("M8", "tinygrad/tinygrad/pull/17404", "KINK-20")
class WholeProductOverFactor(KernelEngine):
    """The gradient of the product of all elements is the product divided by the factor: NaN where that is zero."""

    kernels = frozenset({"prod_all"})

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().kernel(node, g)
        if parts[0] is None or (node.inputs[0].array != 0).all():
            return parts
        with np.errstate(all="ignore"):
            return (Node(g.array * node.array / node.inputs[0].array),)
