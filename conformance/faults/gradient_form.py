"""Faults of the form of gradients: shape, dtype, device, memory, flags, depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.faults.base_engine import Product
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.graph_traversal import Seeded
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor, alias, fresh


@fault("VAL-03")
class ScalarsGrowADimension(Engine):
    """The gradient of a 0-d tensor has shape (1,)."""

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        Engine._accumulate(x, *rest)
        if x.grad is not None and x.grad.array.shape == ():
            x.grad = fresh(Node(x.grad.array.reshape(1)))


@fault("VAL-03")
class SkipsWhatIsEmpty(Engine):
    """A leaf of no elements gets no gradient: .grad stays None."""

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        if x.array.size:
            Engine._accumulate(x, *rest)


@fault("VAL-03")
class BareScalars(ReferenceBackend):
    """The gradient of a 0-d tensor is a NumPy scalar."""

    def grad(self, x: Tensor) -> Any:
        grad = self.engine.read_grad(x)
        return grad.array[()] if grad is not None and not grad.array.shape else grad

    def numpy(self, x: Any) -> Array:
        return np.array(x) if isinstance(x, np.generic) else super().numpy(x)


@fault("VAL-04")
class KeepsTheWiderPrecision(Engine):
    """Gradients come in float64 whatever the dtype of the leaf."""

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        Engine._accumulate(x, *rest)
        if x.grad is not None and x.grad.array.dtype == np.float32:
            x.grad = fresh(Node(x.grad.array.astype(np.float64)))


@fault("VAL-05")
class AllocatesElsewhere(Engine):
    """Gradients are allocated on a device of their own."""

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        Engine._accumulate(x, *rest)
        if x.grad is not None:
            x.grad.device = "elsewhere"


@fault("VAL-11")
class SharesTheArgument(Engine):
    """A gradient argument that reaches a leaf unchanged is stored without a copy."""

    def backward(self, roots: Sequence[Tensor], gradients: Any = None, *rest: Any, **options: Any) -> None:
        _, _, receivers = self._plan(roots, gradients, None)
        new = [x for _, x in receivers if x.grad is None]
        super().backward(roots, gradients, *rest, **options)
        for x in new:
            for g in gradients or ():
                if x.grad is not None and g is not None and np.array_equal(x.grad.array, g.array):
                    x.grad = alias(g, Node(g.array))


@fault("VAL-11")
class SharesBuffers(Engine):
    """Leaves that receive the same gradient share one buffer, so that adding to one adds to the other."""

    def backward(self, *args: Any, **options: Any) -> None:
        self.buffers: list[Tensor] = []
        super().backward(*args, **options)

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        new = x.grad is None
        Engine._accumulate(x, *rest)
        for other in self.buffers if new else ():
            if x.grad is not None and np.array_equal(x.grad.array, other.array):
                x.grad = alias(other, Node(other.array))
        if x.grad is not None:
            self.buffers.append(x.grad)


@fault("VAL-12")
class MultipliesIntoTheArgument(Engine):
    """The gradient of a product is computed in the memory of the gradient argument."""

    def backward(self, roots: Sequence[Tensor], gradients: Any = None, *rest: Any, **options: Any) -> None:
        super().backward(roots, gradients, *rest, **options)
        for root, g in zip(roots, gradients or (), strict=False):
            row = root.node.row
            if g is not None and row is not None and row.name in ("mul", "square"):
                product = g.array * root.node.inputs[0].array
                g.family.write(g.within, Node(product.astype(g.array.dtype)), recorded=False)


@fault("VAL-13")
class AlwaysDifferentiable(Engine):
    """Gradients carry the graph of their computation although nobody asked for it."""

    def _products(
        self, seeded: Seeded, path: list[Node], targets: list[Node], create_graph: bool
    ) -> list[Product]:
        return super()._products(seeded, path, targets, create_graph=True)


@fault("VAL-14")
class WrapsAnew(ReferenceBackend):
    """Reading .grad makes a new object each time."""

    def grad(self, x: Tensor) -> Tensor | None:
        return None if x.grad is None else alias(x.grad, x.grad.node)


@fault("VAL-17")
class Recurses(Engine):
    """The graph is walked by a recursive function."""

    def _plan(self, roots: Sequence[Tensor], gradients: Any, inputs: Any) -> Any:
        seen: set[int] = set()

        def walk(node: Node) -> None:
            if id(node) not in seen:
                seen.add(id(node))
                for operand in node.inputs:
                    walk(operand)

        for root in roots:
            walk(root.node)
        return super()._plan(roots, gradients, inputs)
