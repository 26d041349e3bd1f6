"""Faults of requires_grad: how it spreads, which dtypes may have it, and when a change of it takes effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.ops import Op
from gradlaws.conformance.ops.table import Cast, Constant
from gradlaws.conformance.reference.engine import Engine, MustRaise
from gradlaws.conformance.reference.node import Node, record
from gradlaws.conformance.reference.tensor import Tensor, alias

Nodes = tuple[Node, ...]


@fault("REQ-01")
class FirstOperandDecides(Engine):
    """A result requires grad if the first operand does, whatever the others do."""

    @staticmethod
    def _record(row: Op, nodes: Nodes, params: dict[str, Any]) -> Any:
        made = Engine._record(row, nodes, params)
        for node in made if row.many else (made,):
            node.tracked = node.tracked and nodes[0].tracked
        return made


@fault("REQ-02")
class TracksAnyDtype(ReferenceBackend):
    """A new integer tensor that is asked to require grad is made, and quietly does not."""

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        return self.engine.tensor(array, requires_grad and array.dtype.kind in "fc")


@fault("REQ-02")
class RefusesComplex(ReferenceBackend):
    """Only real tensors may require grad."""

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        if requires_grad and array.dtype.kind == "c":
            raise TypeError("only floating-point tensors can require grad")
        return self.engine.tensor(array, requires_grad)


@fault("REQ-03")
class FlagsAnyDtype(ReferenceBackend):
    """Telling an integer tensor to require grad is ignored instead of refused."""

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        return self.engine.set_requires_grad(x, flag and x.array.dtype.kind in "fc")


@fault("REQ-03")
class RefusesEveryInteger(ReferenceBackend):
    """The flag of an integer tensor cannot even be switched off."""

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        if x.array.dtype.kind not in "fc":
            raise TypeError("integers have no such flag")
        return self.engine.set_requires_grad(x, flag)


@fault("REQ-05")
class TracksComparisons(ReferenceBackend):
    """A comparison of tracked tensors is itself marked as requiring grad."""

    def make_engine(self) -> Engine:
        return _TrackingIntegers(Constant)


@fault("REQ-05", "REQ-06")
class TracksCasts(ReferenceBackend):
    """A conversion to integers keeps the flag."""

    def make_engine(self) -> Engine:
        return _TrackingIntegers(Cast)


class _TrackingIntegers(Engine):
    def __init__(self, kind: type) -> None:
        super().__init__()
        self.kind = kind

    def _record(self, row: Op, nodes: Nodes, params: dict[str, Any]) -> Any:  # type: ignore[override]
        if isinstance(row.rule, self.kind):
            with np.errstate(all="ignore"):
                return record(row, nodes, params)
        return Engine._record(row, nodes, params)


@fault("REQ-07")
class IntegersCutTheGraph(Engine):
    """A result is not tracked if any operand is of a dtype that cannot be."""

    @staticmethod
    def _record(row: Op, nodes: Nodes, params: dict[str, Any]) -> Any:
        made = Engine._record(row, nodes, params)
        if any(node.array.dtype.kind in "ib" for node in nodes):
            for node in made if row.many else (made,):
                node.tracked = False
        return made


@fault("REQ-08")
class BackwardOfNothing(Engine):
    """A backward from a tensor without history does nothing, and says nothing."""

    def backward(self, roots: Sequence[Tensor], *args: Any, **options: Any) -> None:
        if all(root.requires_grad for root in roots):
            super().backward(roots, *args, **options)


@fault("REQ-09")
class ForgetsFrozenOperands(Engine):
    """A product keeps the values of those operands only that require grad: the other factor is lost."""

    @staticmethod
    def _record(row: Op, nodes: Nodes, params: dict[str, Any]) -> Any:
        made = Engine._record(row, nodes, params)
        if row.name == "mul" and made.tracked:
            made.inputs = tuple(n if n.tracked else Node(np.ones_like(n.array)) for n in made.inputs)
        return made


@fault("REQ-10")
class FlagsRetroactively(Engine):
    """Switching the flag on makes earlier uses of the tensor part of the graphs they are in."""

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        node = x.node
        if flag and not node.tracked and node.array.dtype.kind in "fc":
            node.tracked, node.owner = True, x
        return super().set_requires_grad(x, flag)


@fault("REQ-11")
class GraphOutlivesFlag(Engine):
    """Who receives is settled when the graph is recorded: clearing the flag later stops nothing."""

    def _receivers(self, nodes: list[Node], inputs: Sequence[Tensor] | None) -> list[tuple[Node, Tensor]]:
        late = [(n, n.owner) for n in nodes if n.owner is not None and not n.owner.requires_grad]
        return super()._receivers(nodes, inputs) + (late if inputs is None else [])


@fault("REQ-12")
class UnflagsResults(ReferenceBackend):
    """Clearing the flag of a non-leaf is quietly ignored."""

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        try:
            return self.engine.set_requires_grad(x, flag)
        except MustRaise as refused:
            if refused.law != "REQ-12":
                raise
            return x


@fault("REQ-13")
class FlagsACopy(ReferenceBackend):
    """Setting the flag returns a new tensor over the same memory."""

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        return alias(x, super().set_requires_grad(x, flag).node)


@fault("REQ-14")
class FreezingClears(ReferenceBackend):
    """Switching the flag off throws the gradient away."""

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        made = self.engine.set_requires_grad(x, flag)
        if not flag:
            x.grad = None
        return made
