"""Faults of accumulation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.faults.base_engine import TapeEngine
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.graph_traversal import Seeded
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor, fresh


@fault("ACC-01", "META-09", "OPT-15")
class Overwrites(Engine):
    """What a backward computes replaces .grad instead of being added to it."""

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        x.grad = None
        Engine._accumulate(x, *rest)


@fault("ACC-02")
class StartsAnewForEachRoot(Engine):
    """A backward from another root than the last one replaces .grad."""

    def __init__(self) -> None:
        super().__init__()
        self.last: list[Tensor] = []
        self.anew = False

    def backward(self, roots: Sequence[Tensor], *args: Any, **options: Any) -> None:
        self.anew = [id(root) for root in roots] != [id(root) for root in self.last]
        super().backward(roots, *args, **options)
        self.last = list(roots)

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        x.grad = None if self.anew else x.grad
        Engine._accumulate(x, *rest)


@fault("ACC-05")
class OnlyTheLastRoot(Engine):
    """Of several roots only the last one is differentiated."""

    def _seeded(self, roots: Sequence[Tensor], gradients: Sequence[Tensor | None] | None) -> Seeded:
        return super()._seeded(roots, gradients)[-1:]


@fault("ACC-06")
class DistinctRoots(Engine):
    """Roots are kept in a dictionary, so that one listed twice counts once."""

    def _seeded(self, roots: Sequence[Tensor], gradients: Sequence[Tensor | None] | None) -> Seeded:
        return list({id(node): (node, seed) for node, seed in super()._seeded(roots, gradients)}.values())


@fault("ACC-07")
class SeedsReplace(TapeEngine):
    """The gradient argument of a root replaces what arrives at it from other roots."""

    def visit(self, node: Node, g: Node, seed: Node | None) -> Node:
        return g if seed is None else seed


@fault("ACC-08", "ACC-09")
class KeepsItsOwnLedger(Engine):
    """The engine adds up gradients in a store of its own and copies the sum to .grad, whatever was there."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger: WeakKeyDictionary[Tensor, Array] = WeakKeyDictionary()

    def _accumulate(self, x: Tensor, value: Node, *rest: Any) -> None:  # type: ignore[override]
        total = value.array + self.ledger[x] if x in self.ledger else value.array
        self.ledger[x] = total.astype(x.array.dtype)
        x.grad = fresh(Node(self.ledger[x]))


@fault("ACC-12")
class FunctionalFormAccumulates(Engine):
    """`autograd.grad` uses the .grad of its inputs as scratch memory."""

    def grad(self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any) -> Any:
        found = super().grad(roots, inputs, *args, **options)
        for x, g in zip(inputs, found, strict=True):
            if g is not None and x.is_leaf:
                self._accumulate(x, Node(g.array), None, create_graph=False)
        return found
