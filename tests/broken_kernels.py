"""Adapters of PyTorch's with a fused kernel of their own, sound and broken: y = a * a * b."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from gradlaws import Row
from gradlaws.conformance.adapters.torch import TorchBackend


def kernel(formula: Callable[..., Any]) -> Callable[..., Any]:
    """A function of two tensors, whose backward is a formula over both, and what comes in."""

    class Fused(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a, b)
            ctx.twice = a is b
            return a * a * b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            by_a, by_b = formula(ctx, g, *ctx.saved_tensors)
            return _summed(by_a, ctx.saved_tensors[0]), _summed(by_b, ctx.saved_tensors[1])

    def fused(a: Any, b: Any) -> Any:
        return Fused.apply(a, b)  # type: ignore[no-untyped-call]

    return fused


def _summed(g: Any, like: Any) -> Any:
    return None if g is None else g.sum_to_size(like.shape)


def right(ctx: Any, g: Any, a: Any, b: Any) -> Any:
    return 2 * g * a * b, g * a * a


def forgets_to_accumulate(ctx: Any, g: Any, a: Any, b: Any) -> Any:
    """Where both operands are one tensor, only the contribution of the first arrives."""
    return 2 * g * a * b, None if ctx.twice else g * a * a


def mutates_its_gradient(ctx: Any, g: Any, a: Any, b: Any) -> Any:
    """What comes in is written to."""
    by_b = g * a * a
    with torch.no_grad():
        g.mul_(2)
    return g * a * b, by_b


def loses_the_second_derivative(ctx: Any, g: Any, a: Any, b: Any) -> Any:
    """The slopes are constants."""
    return 2 * g * (a * b).detach(), g * (a * a).detach()


def row(formula: Callable[..., Any]) -> Row:
    """The row of a kernel with this backward."""
    return Row(
        name="fused",
        call=kernel(formula),
        forward=lambda a, b: a * a * b,
        elementwise=True,
        arity=2,
        domain=(-8, 8),
    )


class Fused(TorchBackend):
    """PyTorch, with a sound kernel."""

    name = "fused"
    rows = (row(right),)


class Forgetting(TorchBackend):
    """PyTorch, with one that forgets to accumulate."""

    name = "forgetting"
    rows = (row(forgets_to_accumulate),)


class Mutating(TorchBackend):
    """PyTorch, with one that writes to what comes in."""

    name = "mutating"
    rows = (row(mutates_its_gradient),)


class Losing(TorchBackend):
    """PyTorch, with one that cannot be differentiated twice."""

    name = "losing"
    rows = (row(loses_the_second_derivative),)
