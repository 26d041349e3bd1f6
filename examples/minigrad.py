"""A tape of sixty lines, as everyone writes one: the engine that the README's adapter speaks to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Tensor:
    """An array that remembers how it was made; `.grad` is an array, or None."""

    def __init__(
        self,
        data: Any,
        requires_grad: bool = False,
        parents: tuple[Tensor, ...] = (),
        pull: Callable[..., Any] | None = None,
    ) -> None:
        self.data = np.array(data)
        self.requires_grad = requires_grad or any(p.requires_grad for p in parents)
        self.grad: Any = None
        self.parents = parents
        self.pull = pull

    def backward(self, gradient: Any = None) -> None:
        """Add d self / d leaf, weighted by `gradient`, to the .grad of every leaf."""
        if not self.requires_grad:
            raise RuntimeError("backward() of a tensor that does not require grad")
        if gradient is None:
            if self.data.size != 1:
                raise RuntimeError("backward() without a gradient needs a single element")
            gradient = np.ones_like(self.data)
        if np.shape(gradient) != self.data.shape:
            raise RuntimeError("the gradient must have the shape of the root")
        order: list[Tensor] = []
        _visit(self, order, set())
        arrived = {id(self): np.array(gradient)}
        for t in reversed(order):
            g = arrived.pop(id(t), None)
            if g is None:
                continue
            if t.pull is None:
                t.grad = g if t.grad is None else t.grad + g
            else:
                for parent, part in zip(t.parents, t.pull(g), strict=True):
                    if parent.requires_grad:
                        part = _fitted(part, parent.data.shape)
                        arrived[id(parent)] = (
                            part if id(parent) not in arrived else arrived[id(parent)] + part
                        )


def _visit(t: Tensor, order: list[Tensor], seen: set[int]) -> None:
    if t.requires_grad and id(t) not in seen:
        seen.add(id(t))
        for parent in t.parents:
            _visit(parent, order, seen)
        order.append(t)


def _fitted(g: Any, shape: tuple[int, ...]) -> Any:
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    return g.sum(
        axis=tuple(d for d, n in enumerate(shape) if n == 1 and g.shape[d] != 1), keepdims=True
    ).reshape(shape)


def add(a: Tensor, b: Tensor) -> Tensor:
    """A + b."""
    return Tensor(a.data + b.data, False, (a, b), lambda g: (g, g))


def mul(a: Tensor, b: Tensor) -> Tensor:
    """A * b."""
    return Tensor(a.data * b.data, False, (a, b), lambda g: (g * b.data, g * a.data))


def total(a: Tensor) -> Tensor:
    """The sum of all elements."""
    return Tensor(a.data.sum(), False, (a,), lambda g: (np.broadcast_to(g, a.data.shape),))
