"""User-defined functions of engines that define them as PyTorch does: classes with a forward and a backward."""

from __future__ import annotations

from functools import cache
from typing import Any

from gradlaws.conformance.engines.user_function import UserFunction


@cache
def function_class(engine: Any, once: bool = False) -> Any:
    """A subclass of the engine's `autograd.Function` whose `apply` takes a `UserFunction` and its operands.

    once: its backward is marked as differentiable once.
    """
    marked: Any = engine.autograd.function.once_differentiable if once else lambda backward: backward

    class Defined(engine.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, function: UserFunction, *inputs: Any) -> Any:
            ctx.function = function
            results, saved = function.forward(*inputs)
            ctx.save_for_backward(*saved)
            ctx.mark_non_differentiable(*[results[k] for k in function.constant])
            return tuple(results)

        @staticmethod
        @marked  # type: ignore[untyped-decorator]
        def backward(ctx: Any, *grads: Any) -> Any:
            return (None, *ctx.function.backward(ctx.saved_tensors, grads))

    return Defined
