"""Gradient descent written out in ops, for engines that have no optimizer: as programs of their users have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from gradlaws.conformance.engines.tape import Traced


class Computing(Protocol):
    """What computes ops on values of an engine."""

    def computed(self, op: str, *values: Any, **params: Any) -> Any:
        """The result of an op."""


class Descent:
    """Gradient descent by the definition in the documentation of `torch.optim.SGD`.

    With g the gradient plus weight_decay times the parameter, and v the g of the first step, then momentum v + g: the
    parameter less lr v. Parameters without a gradient are passed over.
    """

    def __init__(
        self, engine: Computing, parameters: Sequence[Traced], lr: float, momentum: float, weight_decay: float
    ) -> None:
        self._call = engine.computed
        self._parameters = list(parameters)
        self._lr, self._momentum, self._weight_decay = lr, momentum, weight_decay
        self._velocity: dict[Traced, Any] = {}

    def step(self) -> None:
        """Move each parameter that has a gradient."""
        for x in self._parameters:
            if x.grad is not None:
                moved = self._times(self._slope(x, x.grad.value), -self._lr)
                x.value = self._call("add", x.value, moved)

    def _slope(self, x: Traced, g: Any) -> Any:
        """What the parameter moves along."""
        if self._weight_decay:
            g = self._call("add", g, self._times(x.value, self._weight_decay))
        if self._momentum:
            old = self._velocity.get(x)
            g = g if old is None else self._call("add", self._times(old, self._momentum), g)
            self._velocity[x] = g
        return g

    def _times(self, value: Any, factor: float) -> Any:
        return self._call("mul_scalar", value, value=factor)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """The gradients of the parameters are as before any backward, or zeros."""
        for x in self._parameters:
            if set_to_none:
                x.grad = None
            elif x.grad is not None:
                x.grad = Traced(self._times(x.grad.value, 0.0))
