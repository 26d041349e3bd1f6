"""Faults of the setter of .grad."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

import numpy as np

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.tensor import Tensor


class _Filling(ReferenceBackend):
    """The setter of .grad with a step before or after the engine's own."""

    def filled(self, x: Tensor, value: Any) -> Tensor:
        """A gradient for x that is `value` everywhere, converted."""
        return self.engine.tensor(np.broadcast_to(value, x.array.shape).astype(x.array.dtype))


@fault("SET-01")
class StoresACopy(_Filling):
    """What is assigned to .grad is copied."""

    def set_grad(self, x: Tensor, value: Any) -> None:
        super().set_grad(x, value)
        if x.grad is not None:
            x.grad = self.engine.tensor(x.grad.array)


@fault("SET-02")
class AcceptsNumbers(_Filling):
    """A number that is assigned to .grad fills it."""

    def set_grad(self, x: Tensor, value: Any) -> None:
        super().set_grad(x, self.filled(x, value) if isinstance(value, float) else value)


@fault("SET-03")
class BroadcastsGradients(_Filling):
    """A gradient that broadcasts to the tensor's shape is accepted, and broadcast."""

    def set_grad(self, x: Tensor, value: Any) -> None:
        shape = value.array.shape if isinstance(value, Tensor) else x.array.shape
        if shape != x.array.shape and shape in ((), (1,)):
            value = self.filled(x, value.array)
        super().set_grad(x, value)


@fault("SET-04")
class ConvertsGradients(_Filling):
    """A gradient of another dtype is accepted, and converted."""

    def set_grad(self, x: Tensor, value: Any) -> None:
        dtype = value.array.dtype if isinstance(value, Tensor) else x.array.dtype
        if dtype != x.array.dtype and value.array.shape == x.array.shape:
            value = self.filled(x, value.array.real)
        super().set_grad(x, value)


@fault("SET-05")
class MovesGradients(_Filling):
    """A gradient on another device is accepted, and moved."""

    def set_grad(self, x: Tensor, value: Any) -> None:
        if isinstance(value, Tensor) and value.device != x.device:
            value = self.filled(x, value.array)
        super().set_grad(x, value)


@fault("SET-05", "SET-09")
class ClearsBeforeChecking(ReferenceBackend):
    """The setter drops the old gradient before it looks at the new one."""

    def set_grad(self, x: Tensor, value: Any) -> None:
        x.grad = None
        super().set_grad(x, value)


@fault("SET-08")
class OverwritesEarlyGradient(Engine):
    """The first backward after the flag was switched on replaces the gradient that was there."""

    def __init__(self) -> None:
        super().__init__()
        self.early: WeakSet[Tensor] = WeakSet()

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        if flag and not x.requires_grad:
            self.early.add(x)
        return super().set_requires_grad(x, flag)

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        if x in self.early:
            self.early.discard(x)
            x.grad = None
        Engine._accumulate(x, *rest)


@fault("SET-08")
class FlagStartsAnew(Engine):
    """Switching the flag on drops a gradient that is there already."""

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        if flag and not x.requires_grad:
            x.grad = None
        return super().set_requires_grad(x, flag)
