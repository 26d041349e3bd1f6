"""What becomes of the memory and of the history of what is written to in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from gradlaws.conformance.deviations.registry import deviation
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.error_bounds import bound_of
from gradlaws.conformance.reference.graph_traversal import Seeded, ancestors
from gradlaws.conformance.reference.node import Node, untracked
from gradlaws.conformance.reference.outcomes import MustRaise
from gradlaws.conformance.reference.tensor import Tensor, fresh


@deviation
class FunctionsInPlaceAreApart(Engine):
    """A function in place gives its target memory of its own, which nothing shares, and is not recorded."""

    _FUNCTIONS = frozenset({"exp_", "neg_", "sigmoid_", "sqrt_", "tanh_"})

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        enabled = self.modes.enabled
        guarded = enabled and target.family.anchor.owner is not None
        if op in self._FUNCTIONS and not guarded:
            target.family.storage.version += 1  # who kept it notices
            anchor, own = target.anchor, fresh(untracked(target.node)).family
            target.alone(anchor)
            target.family.storage, target.family.where = own.storage, own.where
        with self.mode(enabled and (guarded or op not in self._FUNCTIONS)):
            super().inplace(op, target, *inputs, **params)


@deviation
class FillsAreUnrecorded(Engine):
    """What was overwritten by a number still passes gradients on to what it was computed from."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        guarded = target.family.anchor.owner is not None
        with self.mode(self.modes.enabled and (guarded or op != "fill_")):
            super().inplace(op, target, *inputs, **params)


@deviation
class RefusedWritesAreCarriedOut(Engine):
    """An in-place op on a leaf that requires grad is refused after it has written; an assignment is not carried out."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        try:
            super().inplace(op, target, *inputs, **params)
        except MustRaise as refused:
            if refused.law == "INP-01" and not op.startswith("set_"):
                with self.mode(False):
                    super().inplace(op, target, *inputs, **params)
            raise


@deviation
class WrittenLeadsNowhere(Engine):
    """What an in-place op was recorded for leads to nothing that it was computed from, before or after the write.

    A backward from there may be refused. A write to a view leaves the history of what it is a view of.
    """

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[int, Node] = {}
        self._places: WeakKeyDictionary[Tensor, list[Node]] = WeakKeyDictionary()

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        before, guarded = target.anchor, target.family.anchor.owner is not None
        with self.mode(self.modes.enabled and (target.is_root or guarded)):
            super().inplace(op, target, *inputs, **params)
        if self.modes.enabled and any(x.requires_grad for x in (target, *inputs)):
            if not target.requires_grad:
                target.alone(Node(target.array, TABLE["clone"], (), tracked=True))
            for node in {id(node): node for node in (before, target.anchor)}.values():
                _cut(node)
                self._written[id(node)] = node
            # Hooks are the tensor's, whichever value it holds.
            before.hooks = target.anchor.hooks = before.hooks or []
            self._places.setdefault(target, []).append(before)

    def _retainers(self) -> list[tuple[Node, Tensor]]:
        found = super()._retainers()
        return found + [
            (place, x) for _, x in found for place in self._places.get(x, ()) if place is not x.anchor
        ]

    def _seeded(self, roots: Sequence[Tensor], gradients: Sequence[Tensor | None] | None) -> Seeded:
        seeded = super()._seeded(roots, gradients)
        if not self.rehearsing and any(id(x) in self._written for x in ancestors(x for x, _ in seeded)):
            self._may_raise("something was written to in place")
        return seeded


def _cut(node: Node) -> None:
    """Nothing comes to what a value was computed from; its rounding error stays what it was."""
    made = Node(node.array, node.row, node.inputs, node.params)
    made.noise = node.noise
    node.row, node.inputs, node.noise = None, (), lambda: bound_of(made)
