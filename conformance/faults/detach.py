"""Faults of detach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node, untracked
from gradlaws.conformance.reference.tensor import Tensor, alias, fresh


@fault("DET-01")
class DetachCopies(ReferenceBackend):
    """detach() returns a copy, which does not see later writes."""

    def detach(self, x: Tensor) -> Tensor:
        return fresh(untracked(x.node))


@fault("DET-01", "DET-02", "META-06", "OPT-16")
class DetachKeepsTheHistory(ReferenceBackend):
    """detach() of a result is just another view of it."""

    def detach(self, x: Tensor) -> Tensor:
        if x.is_leaf:
            return self.engine.detach(x)
        return self.engine.apply("view", x, shape=x.array.shape)  # type: ignore[no-any-return]


@fault("DET-03")
class DetachDetachesTheOriginal(ReferenceBackend):
    """detach() cuts the tensor that it is called on as well."""

    def detach(self, x: Tensor) -> Tensor:
        if not x.is_leaf:
            x.alone(untracked(x.node))
        return self.engine.detach(x)


@fault("DET-03")
class DetachUntracksLeaves(ReferenceBackend):
    """After detach() a leaf is no longer given a gradient."""

    def detach(self, x: Tensor) -> Tensor:
        made = self.engine.detach(x)
        if x.is_leaf and x.requires_grad:
            self.engine.set_requires_grad(x, False)
        return made


@fault("DET-04")
class DetachedLeavesShareTheGradient(ReferenceBackend):
    """A detached tensor made to require grad hands its gradient on to the leaf that it was detached from."""

    def __init__(self) -> None:
        super().__init__()
        self.origins: list[tuple[Tensor, Tensor]] = []

    def detach(self, x: Tensor) -> Tensor:
        made = self.engine.detach(x)
        if x.is_leaf and x.requires_grad:
            self.origins.append((made, x))
        return made

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        made = self.engine.set_requires_grad(x, flag)
        for detached, source in self.origins:
            if detached is x and flag and x.family.anchor.owner is x:
                x.family.anchor.owner = source
        return made


@fault("DET-05")
class DetachInPlaceReturnsAnother(ReferenceBackend):
    """detach_() returns an alias instead of the tensor itself."""

    def detach_inplace(self, x: Tensor) -> Tensor:
        super().detach_inplace(x)
        return alias(x, untracked(x.node))


@fault("DET-05")
class DetachInPlaceDoesNothing(ReferenceBackend):
    """detach_() is detach(): the tensor itself keeps its history."""

    def detach_inplace(self, x: Tensor) -> Tensor:
        return x


@fault("DET-06")
class DetachesViewsInPlace(Engine):
    """detach_() on a view is accepted, and cuts the view alone."""

    def detach_in_place(self, x: Tensor) -> Tensor:
        if not x.is_root:
            x.alone(untracked(x.node))
        return Engine.detach_in_place(self, x)


@fault("DET-06")
class DetachesViewsThenRefuses(ReferenceBackend):
    """detach_() on a view raises after it has cut the view's history."""

    def detach_inplace(self, x: Tensor) -> Tensor:
        if not x.is_root:
            x.alone(untracked(x.node))
            raise RuntimeError("views cannot be detached in place")
        return self.engine.detach_in_place(x)


@fault("DET-13", "META-10")
class GradientArgumentsAreAveraged(Engine):
    """Instead of the gradient argument its mean is multiplied in."""

    def _seeded(self, roots: Sequence[Tensor], gradients: Any) -> Any:
        found = Engine._seeded(self, roots, gradients)
        return [(node, Node(seed.array * 0 + seed.array.mean())) for node, seed in found]
