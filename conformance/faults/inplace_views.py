"""Faults of in-place ops on tensors that share memory."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from gradlaws.conformance.faults.inplace import Unseeing
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import untracked
from gradlaws.conformance.reference.tensor import Tensor, fresh


@fault("INP-02")
class WritesToLeavesThroughViews(Engine):
    """Only the leaf itself is guarded; its views may be written to, as if under no_grad."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        leaf = not target.is_root and target.family.anchor.owner is not None
        with self.mode(self.modes.enabled and not leaf):
            Engine.inplace(self, op, target, *inputs, **params)


@fault("INP-02")
class WritesToLeavesThroughViewsThenRefuses(Engine):
    """A write to a view of a leaf is refused after the leaf was changed."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        leaf = not target.is_root and target.family.anchor.owner is not None
        if leaf and self.modes.enabled:
            with self.mode(False):
                Engine.inplace(self, op, target, *inputs, **params)
        Engine.inplace(self, op, target, *inputs, **params)


@fault("INP-12")
class BasesIgnoreTheirViews(Engine):
    """A write through a view changes the values of what it is a view of, but not the history."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        with self.mode(self.modes.enabled and target.is_root):
            Engine.inplace(self, op, target, *inputs, **params)


@fault("INP-12")
class ViewsAreCopiesOnWrite(Engine):
    """A view gets memory of its own when it is written to."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        if not target.is_root:
            own = fresh(target.node)
            target.family, target.within, target.is_root = own.family, own.within, True
        Engine.inplace(self, op, target, *inputs, **params)


@fault("INP-13")
class WritingDoesNotTrack(Engine):
    """An untracked tensor stays untracked, whatever is written into it."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        with self.mode(self.modes.enabled and target.requires_grad):
            Engine.inplace(self, op, target, *inputs, **params)


@fault("INP-13")
class WritingTracksOnlyTheTarget(Engine):
    """A tracked value written through a view makes the view tracked, but not what it is a view of."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        base = target.family
        before = untracked(base.node) if not target.requires_grad and not target.is_root else None
        Engine.inplace(self, op, target, *inputs, **params)
        if before is not None and target.requires_grad:
            target.alone(target.node)
            base.become(untracked(base.node))


@fault("INP-17")
class DetachedTensorsCountForThemselves(Unseeing):
    """detach() shares the memory but not the version counter."""

    def __init__(self) -> None:
        super().__init__(lambda target, recorded: target in self.detached)
        self.detached: WeakSet[Tensor] = WeakSet()

    def detach(self, x: Tensor) -> Tensor:
        made = super().detach(x)
        self.detached.add(made)
        return made
