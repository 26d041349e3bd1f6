"""Users of `.grad` on the reference engine: gradient descent, and clipping.

What they write is no part of any history, and carries the bounds of its rounding errors along.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import reduce
from typing import Any, Protocol

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.reference.error_bounds import bound_of, doubt
from gradlaws.conformance.reference.node import Node, one, record, untracked
from gradlaws.conformance.reference.tensor import Tensor, fresh

#: What an engine may add to a norm before it divides by it: PyTorch does so, and nothing says that it must.
EPSILON = 1e-6


class Engine(Protocol):
    """The verbs of the reference engine that its users' own tools are made of."""

    def mode(self, enabled: bool) -> AbstractContextManager[None]:
        """Grad mode on or off within a block."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        """Write the result of an in-place op."""

    def detach_in_place(self, x: Tensor) -> Tensor:
        """Make a tensor a leaf without history."""

    def read_grad(self, x: Tensor) -> Tensor | None:
        """Look at .grad."""

    def set_grad(self, x: Tensor, value: Any) -> None:
        """Store something in .grad."""

    def zero_grad(self, x: Tensor) -> None:
        """Write zeros into .grad."""


class GradientDescent:
    """Stochastic gradient descent with momentum and weight decay; skips parameters without a gradient.

    Source of the rules: `torch.optim.SGD`, and `torch.optim.Optimizer.zero_grad`.
    """

    def __init__(
        self, engine: Engine, parameters: Sequence[Tensor], lr: float, momentum: float, weight_decay: float
    ) -> None:
        self.engine = engine
        self.parameters = list(parameters)
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self._velocity: dict[int, Node] = {}

    def step(self) -> None:
        """Write to each parameter that has a gradient."""
        for x in self.parameters:
            grad = self.engine.read_grad(x)
            if grad is not None:
                self.write(x, self.moved(x, untracked(grad.node)))

    def moved(self, x: Tensor, g: Node) -> Node:
        """What a parameter becomes by a gradient."""
        value = untracked(x.node)
        if self.weight_decay:
            g = g + value * self.weight_decay
        if self.momentum:
            earlier = self._velocity.get(id(x))
            g = self._velocity[id(x)] = g if earlier is None else earlier * self.momentum + g
        return value - g * self.lr

    def write(self, x: Tensor, value: Node) -> None:
        """Give a parameter other contents, in place and unrecorded."""
        with self.engine.mode(False):
            self.engine.inplace("copy_", x, fresh(value))

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Reset all gradients: to None, or to zeros in place where there is one."""
        for x in self.parameters:
            if set_to_none:
                self.engine.set_grad(x, None)
            elif x.grad is not None:
                if x.grad.requires_grad:
                    self.engine.detach_in_place(x.grad)
                self.engine.zero_grad(x)


def graded(engine: Engine, parameters: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """The parameters that have a gradient, with it."""
    found = [(x, engine.read_grad(x)) for x in parameters]
    return [(x, grad) for x, grad in found if grad is not None]


def clipped_by_norm(engine: Engine, parameters: Sequence[Tensor], limit: float) -> None:
    """Scale all gradients, in place, by the one factor that makes their common norm at most the limit.

    Source: `torch.nn.utils.clip_grad_norm_`.
    """
    found = graded(engine, parameters)
    if found:
        norm = common_norm([untracked(grad.node) for _, grad in found])
        for x, grad in found:
            scale(engine, x, grad, factor(norm, limit))


def common_norm(gradients: Sequence[Node]) -> Node:
    """The 2-norm of all gradients together."""
    squares = [
        record(TABLE["sum"], (one(TABLE["square"], (g,)),), {"dim": None, "keepdim": False})
        for g in gradients
    ]
    return one(TABLE["sqrt"], (reduce(lambda a, b: a + b, squares),))


def factor(norm: Node, limit: float) -> Node:
    """What gradients of a common norm are multiplied by; 1 where that is at most the limit."""

    def of(value: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(np.where(value > limit, limit / value, 1.0))

    made = Node(of(norm.array + EPSILON).astype(norm.array.dtype))

    def noise() -> Array:
        error = bound_of(norm)
        sides = [
            np.abs(of(v) - made.array)
            for v in (np.maximum(norm.array - error, 0), norm.array + error + EPSILON)
        ]
        rounding = np.where(made.array < 1, 4 * made.array * np.finfo(made.array.dtype).eps, 0)
        return np.asarray(np.maximum(*sides) + rounding, np.float64)

    made.noise = noise
    return made


def scale(engine: Engine, x: Tensor, grad: Tensor, by: Node) -> None:
    """Multiply a gradient in place."""
    if by.array.dtype != grad.array.dtype:
        by = record(TABLE["cast"], (by,), {"dtype": str(grad.array.dtype)})
    rewrite(engine, x, grad, untracked(grad.node) * by)


def clipped_by_value(engine: Engine, parameters: Sequence[Tensor], limit: float) -> None:
    """Cut the elements of all gradients, in place, to within plus or minus the limit.

    Source: `torch.nn.utils.clip_grad_value_`.
    """
    for x, grad in graded(engine, parameters):
        within = record(TABLE["clamp"], (untracked(grad.node),), {"min": -limit, "max": limit})
        rewrite(engine, x, grad, within)


def rewrite(engine: Engine, x: Tensor, grad: Tensor, value: Node) -> None:
    """Give a gradient other contents, in place and unrecorded."""
    with engine.mode(False):
        engine.inplace("copy_", grad, fresh(value))
    x.error = doubt(value)
