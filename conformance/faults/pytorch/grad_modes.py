"""PyTorch whose grad modes reach less far, or further."""

from __future__ import annotations

from contextlib import nullcontext
from inspect import iscoroutinefunction
from typing import Any

from gradlaws.conformance.faults.pytorch.alteration import altered, mended, told


@mended("MODE-07", of="Tensor.requires_grad")
def leaves_that_are_views_do_not_require_grad(torch: Any, original: Any) -> Any:
    """A view without history says that it does not require grad."""

    def flag(x: Any) -> Any:
        return original.__get__(x) and not (x._base is not None and x.grad_fn is None)

    return property(flag, original.__set__)


@altered("MODE-08", of="set_grad_enabled.__exit__")
def set_grad_enabled_lasts(torch: Any, original: Any) -> Any:
    """A block of set_grad_enabled leaves its mode behind."""
    return lambda *args: None


@altered("MODE-10", of="utils._contextlib._DecoratorContextManager.__call__")
def decorators_leave_functions_as_they_are(torch: Any, original: Any) -> Any:
    """A grad mode as a decorator does nothing."""
    return lambda self, function: function


@mended("MODE-22", of="utils._contextlib._DecoratorContextManager.__call__")
def coroutines_run_within(torch: Any, original: Any) -> Any:
    """A mode that decorates an `async def` is on whenever its body runs."""

    def decorate(self: Any, function: Any) -> Any:
        if not iscoroutinefunction(function):
            return original(self, function)

        async def within(*args: Any) -> Any:
            with self.clone():
                return await function(*args)

        return within

    return decorate


@altered("MODE-12", of="autograd.backward")
def backwards_always_create_graphs(torch: Any, original: Any) -> Any:
    """A backward always records what it does."""
    return told(original, create_graph=True)


@altered("MODE-13", of="autograd.grad")
def modes_of_the_caller_hold_in_backward(torch: Any, original: Any) -> Any:
    """create_graph=True records nothing where the caller does not."""

    def grad(*args: Any, **given: Any) -> Any:
        if not torch.is_grad_enabled():
            given |= {"create_graph": False, "retain_graph": True}
        return original(*args, **given)

    return grad


@altered("MODE-14", "MODE-15", "MODE-17", "MODE-19", of="inference_mode")
def inference_mode_is_no_grad(torch: Any, original: Any) -> Any:
    """inference_mode is no_grad by another name."""
    return lambda mode=True: torch.no_grad() if mode else torch.enable_grad()


@altered("MODE-16", of="Tensor.__add__")
def sums_with_tensors_of_inference_mode_are_detached(torch: Any, original: Any) -> Any:
    """A sum with a tensor of inference mode has twice the gradient."""

    def add(x: Any, other: Any) -> Any:
        odd = isinstance(other, torch.Tensor) and other.is_inference() and x.requires_grad
        return original(original(x, other), original(x, -x.detach())) if odd else original(x, other)

    return add


@altered("MODE-18", of="enable_grad.__enter__")
def enable_grad_ends_inference_mode(torch: Any, original: Any) -> Any:
    """enable_grad records within inference mode."""

    def enter(self: Any) -> None:
        self.guard = torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext()
        self.guard.__enter__()
        original(self)

    return enter
