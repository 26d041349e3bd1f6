"""Faults of the users of .grad: optimizers, and clipping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node, untracked
from gradlaws.conformance.reference.optimizers import (
    GradientDescent,
    clipped_by_norm,
    common_norm,
    factor,
    graded,
    scale,
)
from gradlaws.conformance.reference.tensor import Tensor, fresh

# -- zero_grad -----------------------------------------------------------------------------------------------


class _ZeroesInstead(GradientDescent):
    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none=False)


@fault("OPT-01")
class ResetIsAlwaysToZeros(Engine):
    """`zero_grad()` of an optimizer fills gradients with zeros, whatever it is told."""

    _descent = _ZeroesInstead


class _FirstOnly(GradientDescent):
    def zero_grad(self, set_to_none: bool = True) -> None:
        whole, self.parameters = self.parameters, self.parameters[:1]
        super().zero_grad(set_to_none)
        self.parameters = whole


@fault("OPT-01", "OPT-02")
class ResetsTheFirstParameter(Engine):
    """`zero_grad()` of an optimizer resets its first parameter, and leaves the others their stale gradients."""

    _descent = _FirstOnly


class _Replaces(GradientDescent):
    def zero_grad(self, set_to_none: bool = True) -> None:
        for x in self.parameters:
            x.grad = None if set_to_none or x.grad is None else fresh(Node(np.zeros_like(x.array)))


@fault("OPT-02")
class ResetReplaces(Engine):
    """`zero_grad(set_to_none=False)` puts new tensors of zeros in the place of gradients."""

    _descent = _Replaces


class _Materializes(GradientDescent):
    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        for x in self.parameters:
            if not set_to_none and x.grad is None:
                x.grad = fresh(Node(np.zeros_like(x.array)))


@fault("OPT-02")
class ResetMakesZeros(Engine):
    """`zero_grad(set_to_none=False)` makes zeros where .grad was None."""

    _descent = _Materializes


class _Remembers(GradientDescent):
    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        if set_to_none:
            self.engine.owed.update(dict.fromkeys(self.parameters))  # type: ignore[attr-defined]


@fault("OPT-03")
class ArrivesWhereNothingDoes(Engine):
    """A backward after `zero_grad()` fills all gradients that were reset, with zeros where none arrived."""

    _descent = _Remembers

    def __init__(self) -> None:
        super().__init__()
        self.owed: WeakKeyDictionary[Tensor, None] = WeakKeyDictionary()

    def backward(self, *args: Any, **options: Any) -> Any:
        found = super().backward(*args, **options)
        for x in list(self.owed):
            x.grad = fresh(Node(np.zeros_like(x.array))) if x.grad is None else x.grad
        self.owed.clear()
        return found


class _KeepsHistory(GradientDescent):
    def zero_grad(self, set_to_none: bool = True) -> None:
        for x in self.parameters:
            if set_to_none or x.grad is None:
                x.grad = None
            else:
                self.engine.zero_grad(x)


@fault("OPT-05")
class ZeroingIsRecorded(Engine):
    """`zero_grad(set_to_none=False)` writes zeros into a gradient that keeps its history."""

    _descent = _KeepsHistory

    def zero_grad(self, x: Tensor) -> None:
        if x.grad is not None and x.grad.requires_grad:
            x.grad = fresh(x.grad.node * 0.0)
        else:
            super().zero_grad(x)


# -- step ----------------------------------------------------------------------------------------------------


class _NoneIsZeros(GradientDescent):
    def step(self) -> None:
        for x in self.parameters:
            g = Node(np.zeros_like(x.array)) if x.grad is None else untracked(x.grad.node)
            self.write(x, self.moved(x, g))


@fault("OPT-04", "OPT-08")
class StepsWithoutGradient(Engine):
    """A step takes a gradient that is None for zeros: weight decay and momentum move the parameter."""

    _descent = _NoneIsZeros


class _SkipsZeros(GradientDescent):
    def moved(self, x: Tensor, g: Node) -> Node:
        return super().moved(x, g) if g.array.any() else untracked(x.node)


@fault("OPT-04")
class SkipsZeros(Engine):
    """A step skips parameters whose gradient is all zeros, in spite of weight decay and momentum."""

    _descent = _SkipsZeros


class _Rebinds(GradientDescent):
    def write(self, x: Tensor, value: Node) -> None:
        tracked = x.requires_grad
        x.alone(Node(value.array, tracked=tracked, owner=x if tracked else None))
        x.family.storage = fresh(Node(value.array)).family.storage


@fault("OPT-06")
class StepRebinds(Engine):
    """A step gives parameters new memory instead of writing to theirs: aliases keep the old values."""

    _descent = _Rebinds


class _Clears(GradientDescent):
    def step(self) -> None:
        super().step()
        self.zero_grad()


@fault("OPT-06")
class StepClears(Engine):
    """A step sets the gradients that it has used to None."""

    _descent = _Clears


class _DecaysInPlace(GradientDescent):
    def moved(self, x: Tensor, g: Node) -> Node:
        if self.weight_decay and x.grad is not None:
            scaled = g + untracked(x.node) * self.weight_decay
            with self.engine.mode(False):
                self.engine.inplace("copy_", x.grad, fresh(scaled))
        return super().moved(x, g)


@fault("OPT-06")
class DecayGoesIntoGradients(Engine):
    """A step adds weight decay to .grad itself, where the program sees it."""

    _descent = _DecaysInPlace


class _Forgets(GradientDescent):
    def step(self) -> None:
        super().step()
        self._velocity.clear()


@fault("OPT-06")
class MomentumForgotten(Engine):
    """A step does not remember the steps before it: momentum has no effect."""

    _descent = _Forgets


class _Records(GradientDescent):
    def write(self, x: Tensor, value: Node) -> None:
        super().write(x, value)
        if x.requires_grad:
            x.family.become(Node(x.array, tracked=True))


@fault("OPT-06")
class StepIsRecorded(Engine):
    """A parameter that a step has written to is no leaf any more."""

    _descent = _Records


@fault("OPT-08")
class FreezesTooLate(Engine):
    """A parameter that is frozen after its first backward goes on receiving gradients."""

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        return x if not flag and x.grad is not None else super().set_requires_grad(x, flag)


@fault("OPT-08")
class ThawsInVain(Engine):
    """A parameter that was frozen once receives nothing after it has been thawed."""

    def __init__(self) -> None:
        super().__init__()
        self.once: WeakKeyDictionary[Tensor, None] = WeakKeyDictionary()

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        if not flag:
            self.once[x] = None
        return super().set_requires_grad(x, flag)

    def backward(self, *args: Any, **options: Any) -> Any:
        before = [(x, x.grad) for x in self.once]
        found = super().backward(*args, **options)
        for x, grad in before:
            x.grad = grad
        return found


@fault("OPT-07")
class OptimizesAnything(Engine):
    """An optimizer takes parameters that are no leaves."""

    def optimizer(self, parameters: Sequence[Tensor], *options: float) -> GradientDescent:
        return GradientDescent(self, parameters, *options)


# -- clipping ------------------------------------------------------------------------------------------------


@fault("OPT-09")
class ClipsEachByItself(Engine):
    """Clipping scales each gradient by its own norm, which turns the step as a whole."""

    def clip_grad_norm(self, parameters: Sequence[Tensor], limit: float) -> None:
        for x in parameters:
            clipped_by_norm(self, [x], limit)


@fault("OPT-09")
class ClippingReplaces(Engine):
    """Clipping puts new tensors in the place of gradients."""

    def clip_grad_norm(self, parameters: Sequence[Tensor], limit: float) -> None:
        super().clip_grad_norm(parameters, limit)
        for x, grad in graded(self, parameters):
            x.grad = fresh(untracked(grad.node))


@fault("OPT-09")
class ClippingNeedsAll(Engine):
    """Clipping is refused where one of the gradients is None."""

    def clip_grad_norm(self, parameters: Sequence[Tensor], limit: float) -> None:
        if any(x.grad is None for x in parameters):
            raise TypeError("a gradient is None")
        super().clip_grad_norm(parameters, limit)


@fault("OPT-09")
class ClippingNormalizes(Engine):
    """Clipping brings gradients to the limit that are below it, too."""

    def clip_grad_norm(self, parameters: Sequence[Tensor], limit: float) -> None:
        found = graded(self, parameters)
        norm = common_norm([untracked(g.node) for _, g in found]) if found else Node(np.zeros(()))
        by = Node(np.asarray(limit / norm.array)) if norm.array.any() else factor(norm, limit)
        for x, grad in found:
            scale(self, x, grad, by)


@fault("OPT-09")
class CutsTheTopAlone(Engine):
    """Clipping by value cuts what is too large, and not what is too small."""

    def clip_grad_value(self, parameters: Sequence[Tensor], limit: float) -> None:
        for x, grad in graded(self, parameters):
            with self.mode(False):
                self.inplace("copy_", grad, fresh(Node(np.minimum(grad.array, limit))))
            x.error = None
