"""Faults of derivatives of derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.ops import TABLE, Op
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.graph_traversal import ancestors
from gradlaws.conformance.reference.jacobian_products import pull
from gradlaws.conformance.reference.node import Node, one, record, untracked
from gradlaws.conformance.reference.tensor import Tensor, fresh


class SecondDerivative(Engine):
    """The derivatives of some rows depend on operands and result `factor` times as much as they should.

    rows: their names. With factor 0 the second derivative is lost, with 2 it is doubled; first ones are right.
    """

    rows: tuple[str, ...] = ()
    factor = 0.0

    def __init__(self) -> None:
        super().__init__()
        #: When nodes of these rows were made: first and last number, those that a composite is made of included.
        self._spans: list[tuple[int, int]] = []

    def _record(self, row: Op, nodes: tuple[Node, ...], params: dict[str, Any]) -> Any:  # type: ignore[override]
        first = Node(np.zeros(())).order
        made = Engine._record(row, nodes, params)
        if row.name in self.rows:
            self._spans.append((first, Node(np.zeros(())).order))
        return made

    def _pull(self, node: Node, g: Node) -> tuple[Node | None, ...]:
        if any(first < node.order < last for first, last in self._spans):
            inputs = tuple(self.mixed(x, k) for k, x in enumerate(node.inputs))
            assert node.row is not None
            node = Node(node.array, node.row, inputs, node.params, node.tracked)
        return pull(node, g)

    def mixed(self, x: Node, k: int) -> Node:
        """Operand number k with the same value, and another derivative."""
        if not x.tracked:
            return x
        own = one(TABLE["mul_scalar"], (x,), {"value": self.factor})
        rest = one(TABLE["mul_scalar"], (untracked(x),), {"value": 1 - self.factor})
        made: Node = record(TABLE["add"], (own, rest))
        return made


def second_derivative(row: str, factor: float) -> ReferenceBackend:
    """The reference with the second derivative of a row lost (factor 0) or doubled (2)."""
    made = type("Planted", (SecondDerivative,), {"rows": (row,), "factor": factor})
    return ReferenceBackend(engine=made())


@fault("HO-11", "HO-14", "OPT-17")
class LosesTheSecondOfTanh(SecondDerivative):
    """The derivative of tanh is taken for a constant when it is differentiated."""

    rows = ("tanh",)


@fault("HO-11", "HO-14", "META-13")
class LosesTheSecondOfProducts(SecondDerivative):
    """The derivative of every product is taken for a constant when it is differentiated."""

    rows = ("mul", "mm", "mv", "bmm", "dot", "outer", "matmul", "prod", "prod_all", "cumprod", "square")


@fault("HO-11", "HO-14")
class DoublesTheSecondOfSoftmax(SecondDerivative):
    """The second derivative of softmax is twice what it should be."""

    rows = ("softmax",)
    factor = 2.0


@fault("HO-23")
class ForgetsTheSecondOperand(SecondDerivative):
    """The derivative of a product in its first operand is taken for a constant of the second, and not the reverse."""

    rows = ("mul", "mm", "mv", "bmm", "dot", "outer", "matmul", "div")

    def mixed(self, x: Node, k: int) -> Node:
        return super().mixed(x, k) if k else x


@fault("HO-14")
class RecordedGradientsAreOverwritten(Engine):
    """A backward after one with create_graph stores its gradient instead of adding it."""

    def backward(self, roots: Sequence[Tensor], *args: Any, **options: Any) -> Any:
        _, _, receivers = self._plan(roots, args[0] if args else None, None)
        for _, x in receivers:
            if x.grad is not None and x.grad.requires_grad:
                x.grad = x.error = None
        return super().backward(roots, *args, **options)


@fault("HO-11")
class LosesTheSecondThroughViews(Engine):
    """Once something was written to through a view, derivatives have no history."""

    def __init__(self) -> None:
        super().__init__()
        self._written = False

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        super().inplace(op, target, *inputs, **params)
        if not target.is_root:
            self._written = True

    def grad(self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any) -> Any:
        found = super().grad(roots, inputs, *args, **options)
        return tuple(fresh(Node(g.array)) if g is not None and self._written else g for g in found)


@fault("HO-11")
class LosesTheThird(Engine):
    """What `autograd.grad` returns of a derivative has no history: third derivatives are lost."""

    def __init__(self) -> None:
        super().__init__()
        #: When nodes of derivatives were made: first and last number.
        self._spans: list[tuple[int, int]] = []

    def grad(self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any) -> Any:
        orders = [node.order for node in ancestors([root.node for root in roots])]
        derived = any(first < order < last for order in orders for first, last in self._spans)
        first = Node(np.zeros(())).order
        found = super().grad(roots, inputs, *args, **options)
        self._spans.append((first, Node(np.zeros(())).order))
        return tuple(fresh(Node(g.array)) if g is not None and derived else g for g in found)
