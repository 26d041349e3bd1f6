"""Faults of resetting gradients."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.tensor import Tensor


@fault("ZERO-01")
class ZeroingClears(ReferenceBackend):
    """Zeroing a gradient sets it to None."""

    def zero_grad(self, x: Tensor) -> None:
        x.grad = None


@fault("ZERO-01")
class ZeroingReplaces(ReferenceBackend):
    """Zeroing a gradient puts a new tensor of zeros in its place."""

    def zero_grad(self, x: Tensor) -> None:
        assert x.grad is not None
        x.grad = self.engine.tensor(np.zeros_like(x.grad.array))


@fault("ZERO-01", "ZERO-03")
class ZeroesTheCopy(Engine):
    """Zeroing reaches the tensor that is shown, not the buffer that backward adds to."""

    def __init__(self) -> None:
        super().__init__()
        self.buffers: WeakKeyDictionary[Tensor, Tensor] = WeakKeyDictionary()

    def zero_grad(self, x: Tensor) -> None:
        if x.grad is not None:
            self.buffers[x] = self.tensor(x.grad.array)
        super().zero_grad(x)

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        if x in self.buffers and x.grad is not None:
            x.grad = self.buffers.pop(x)
        Engine._accumulate(x, *rest)


@fault("ZERO-02", "ZERO-03")
class ClearingHides(ReferenceBackend):
    """Setting a gradient to None hides it; the next backward adds to it all the same."""

    def make_engine(self) -> Engine:
        return _Hiding()


class _Hiding(Engine):
    def __init__(self) -> None:
        super().__init__()
        self.hidden: WeakKeyDictionary[Tensor, Tensor] = WeakKeyDictionary()

    def set_grad(self, x: Tensor, value: Any) -> None:
        if value is None and x.grad is not None:
            self.hidden[x] = x.grad
        super().set_grad(x, value)

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        if x.grad is None:
            x.grad = self.hidden.pop(x, None)
        Engine._accumulate(x, *rest)


@fault("ZERO-02")
class ReusesCleared(_Hiding):
    """The memory of a cleared gradient is taken for the next one, though the program still holds it."""

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        if x.grad is None and x in self.hidden:
            Engine.set_grad(self, x, self.hidden[x])
            Engine.zero_grad(self, x)
        super()._accumulate(x, *rest)


@fault("ZERO-04")
class ZerosAreNone(Engine):
    """A backward takes a gradient that is all zeros for none, and drops it where nothing arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.zeroed: WeakKeyDictionary[Tensor, Tensor] = WeakKeyDictionary()

    def zero_grad(self, x: Tensor) -> None:
        super().zero_grad(x)
        if x.grad is not None:
            self.zeroed[x] = x.grad

    def backward(self, *args: Any, **options: Any) -> None:
        super().backward(*args, **options)
        for x, grad in list(self.zeroed.items()):
            if x.grad is grad and not grad.array.any():
                x.grad = None
        self.zeroed.clear()


@fault("ZERO-05")
class ZeroesAlike(Engine):
    """Gradients of one shape are zeroed together, as one group."""

    def __init__(self) -> None:
        super().__init__()
        self.group: WeakKeyDictionary[Tensor, tuple[int, ...]] = WeakKeyDictionary()

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        Engine._accumulate(x, *rest)
        self.group[x] = x.array.shape

    def zero_grad(self, x: Tensor) -> None:
        for other, shape in list(self.group.items()):
            if shape == x.array.shape and other.grad is not None:
                super().zero_grad(other)
        super().zero_grad(x)
