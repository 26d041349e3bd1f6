"""Faults of leaf-ness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.ops.table import Movement
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor


@fault("LEAF-01")
class TracksUnasked(ReferenceBackend):
    """Every new floating-point tensor requires grad, asked or not."""

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        return self.engine.tensor(array, requires_grad or array.dtype.kind == "f")


@fault("LEAF-01")
class UntrackedParameters(ReferenceBackend):
    """A parameter is made like any other tensor, without requiring grad."""

    def parameter(self, array: Array) -> Tensor:
        return self.engine.tensor(array)


@fault("LEAF-02", "LEAF-07")
class ResultsAreNoLeaves(ReferenceBackend):
    """Whatever came out of an op is called a non-leaf, tracked or not."""

    def is_leaf(self, x: Tensor) -> bool:
        return x.node.row is None


@fault("LEAF-03")
class ViewsAreLeaves(ReferenceBackend):
    """A view of a tracked tensor is called a leaf, as if no op had made it."""

    def is_leaf(self, x: Tensor) -> bool:
        row = x.node.row
        return x.is_leaf or (row is not None and row.alias == "view" and isinstance(row.rule, Movement))


@fault("LEAF-04")
class ConvertsAlways(ReferenceBackend):
    """A conversion to the dtype that a tensor has already makes a copy of it."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        same = op == "cast" and params["dtype"] == str(inputs[0].array.dtype)
        return super().apply("clone", *inputs) if same else super().apply(op, *inputs, **params)


@fault("LEAF-04")
class ConvertedLeaves(ReferenceBackend):
    """The result of converting a leaf is a new leaf."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        if op == "cast" and made is not inputs[0] and inputs[0].is_leaf:
            return self.engine.tensor(made.array, made.requires_grad)
        return made


@fault("LEAF-05")
class RemembersCreator(ReferenceBackend):
    """A result that is told to require grad still counts as made by its op."""

    def __init__(self) -> None:
        super().__init__()
        self.flagged: WeakSet[Tensor] = WeakSet()

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        if flag and x.node.row is not None:
            self.flagged.add(x)
        return self.engine.set_requires_grad(x, flag)

    def is_leaf(self, x: Tensor) -> bool:
        return x.is_leaf and x not in self.flagged


@fault("LEAF-06", "REQ-15")
class KeepsEveryGradient(Engine):
    """Every tensor on the way gets its .grad, wanted or not."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        self._retaining.update(x for x in (made if isinstance(made, tuple) else (made,)) if x.requires_grad)
        return made


@fault("LEAF-07")
class FlagGoesWithGraph(ReferenceBackend):
    """Once a backward has freed the graph, its non-leaves no longer say that they require grad."""

    def requires_grad(self, x: Tensor) -> bool:
        return x.requires_grad and not x.node.freed


@fault("LEAF-10")
class WritesUnrecorded(Engine):
    """A tracked value written into an untracked tensor leaves that untracked."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        with self.mode(self.modes.enabled and target.requires_grad):
            super().inplace(op, target, *inputs, **params)


@fault("LEAF-12")
class ReplaysTape(Engine):
    """The tape is not emptied between forward passes: a backward goes through the one before once more."""

    def __init__(self) -> None:
        super().__init__()
        self.last: list[tuple[Tensor, Node]] = []

    def backward(
        self,
        roots: Sequence[Tensor],
        gradients: Sequence[Tensor | None] | None = None,
        *args: Any,
        **options: Any,
    ) -> None:
        tape = self.contributions(roots, gradients)
        super().backward(roots, gradients, *args, **options)
        for x, value in self.last:
            if x.grad is not None:
                x.grad = self.tensor(x.grad.array + value.array)
        self.last = tape
