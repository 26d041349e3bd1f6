"""Faults of None: gradients that are there too early, too late, or on the wrong tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import numpy as np

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.ops import Op
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Storage, Tensor, alias


@fault("NONE-01")
class BornWithZeros(ReferenceBackend):
    """A new tensor that requires grad has zeros in .grad from the start."""

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        made = self.engine.tensor(array, requires_grad)
        if requires_grad:
            made.grad = self.engine.tensor(np.zeros_like(array))
        return made


@fault("NONE-02")
class ForwardPrepares(Engine):
    """An op puts zeros into .grad of the leaves it uses, for backward to add to."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        for x in inputs:
            if x.requires_grad and x.is_leaf and x.grad is None:
                x.grad = self.tensor(np.zeros_like(x.array))
        return made


@fault("NONE-03", "ZERO-04")
class ZerosForAll(Engine):
    """A backward leaves zeros, not None, in the leaves that it does not reach."""

    def __init__(self) -> None:
        super().__init__()
        self.leaves: WeakSet[Tensor] = WeakSet()

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        made = super().tensor(array, requires_grad)
        if requires_grad:
            self.leaves.add(made)
        return made

    def backward(self, *args: Any, **options: Any) -> None:
        super().backward(*args, **options)
        for x in list(self.leaves):
            if x.grad is None and x.requires_grad:
                x.grad = self.tensor(np.zeros_like(x.array))


@fault("NONE-04")
class DetachKeepsHistory(Engine):
    """detach() gives an alias that is still part of the graph."""

    def detach(self, x: Tensor) -> Tensor:
        return alias(x, Node(x.array, x.node.row, x.node.inputs, x.node.params, x.node.tracked, x.node.owner))


@fault("NONE-05")
class DropsEqualOperand(Engine):
    """A difference of a tensor and itself sends back the gradient of one operand only."""

    @staticmethod
    def _record(row: Op, nodes: tuple[Node, ...], params: dict[str, Any]) -> Any:
        if row.name == "sub" and nodes[0] is nodes[1]:
            nodes = (nodes[0], Node(nodes[1].array))
        return Engine._record(row, nodes, params)


@fault("NONE-06")
class GradientsComeLate(Engine):
    """What a backward computes for a leaf without gradient is held back until the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.due: list[Callable[[], None]] = []
        self.held: list[Callable[[], None]] = []

    def backward(self, *args: Any, **options: Any) -> None:
        self.due, self.held = self.held, []
        super().backward(*args, **options)
        for pay in self.due:
            pay()

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        if x.grad is None:
            self.held.append(lambda: Engine._accumulate(x, *rest))
        else:
            Engine._accumulate(x, *rest)


@fault("NONE-08")
class GradientBelongsToMemory(ReferenceBackend):
    """.grad is kept with the memory: all aliases of a tensor show the gradient that one of them received."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[int, tuple[Storage, Tensor]] = {}

    def backward(self, root: Tensor, gradient: Any = None, **options: Any) -> None:
        found = self.engine.contributions([root], None if gradient is None else [gradient])
        super().backward(root, gradient, **options)
        for x, _ in found:
            if x.grad is not None:
                self.known[id(x.family.storage)] = (x.family.storage, x.grad)

    def grad(self, x: Tensor) -> Tensor | None:
        storage, found = self.known.get(id(x.family.storage), (None, None))
        return found if x.grad is None and storage is x.family.storage else x.grad
