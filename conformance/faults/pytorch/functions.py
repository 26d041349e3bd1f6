"""PyTorch whose user-defined functions are called otherwise."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.faults.pytorch.alteration import altered, mended, tolerant

APPLY = "autograd.Function.apply"


def changing(original: Any, change: Any) -> Any:
    """`apply` of functions whose class is first changed, in a subclass."""

    @classmethod  # type: ignore[misc]
    def apply(cls: Any, *args: Any) -> Any:
        body = change(cls)
        return original.__func__(type(cls.__name__, (cls,), body) if body else cls, *args)

    return apply


@altered("FUN-03", of=APPLY)
def missing_gradients_are_none(torch: Any, original: Any) -> Any:
    """A backward may return fewer gradients than there were arguments."""

    def change(cls: Any) -> Any:
        def backward(ctx: Any, *grads: Any) -> Any:
            found = cls.backward(ctx, *grads)
            return (*(found if isinstance(found, tuple) else (found,)), *(None,) * 4)

        return {"backward": staticmethod(backward)}

    return changing(original, change)


@altered("FUN-05", of=APPLY)
def dtypes_of_gradients_are_insisted_on(torch: Any, original: Any) -> Any:
    """A backward that returns a gradient of another dtype is an error."""

    def change(cls: Any) -> Any:
        def backward(ctx: Any, grad: Any) -> Any:
            found = cls.backward(ctx, grad)
            if found.dtype != grad.dtype:
                raise RuntimeError("another dtype")
            return found

        return {"backward": staticmethod(backward)}

    return changing(original, change)


@altered("FUN-06", "FUN-18", of=APPLY)
def whatever_is_wrong_in_backward_is_none(torch: Any, original: Any) -> Any:
    """A backward that fails, or returns no tensor, returns None."""

    def change(cls: Any) -> Any:
        def backward(ctx: Any, grad: Any) -> Any:
            found = tolerant(cls.backward)(ctx, grad)
            return found if isinstance(found, torch.Tensor) else None

        return {"backward": staticmethod(backward)}

    return changing(original, change)


def _with_forward(cls: Any, around: Any) -> Any:
    """A changed forward, which is given the old one and its arguments."""
    return {"forward": staticmethod(lambda *args: around(cls.forward, *args))}


@mended("FUN-07", of=APPLY)
def operands_are_detached(torch: Any, original: Any) -> Any:
    """Forward is called with detached operands."""

    def around(forward: Any, ctx: Any, *args: Any) -> Any:
        return forward(ctx, *(a.detach() if isinstance(a, torch.Tensor) else a for a in args))

    return changing(original, lambda cls: _with_forward(cls, around))


@altered("FUN-13", of=APPLY)
def operands_are_copied_for_forward(torch: Any, original: Any) -> Any:
    """Forward is called with copies of its operands."""

    def around(forward: Any, ctx: Any, *args: Any) -> Any:
        return forward(ctx, *(a.clone() for a in args))

    return changing(original, lambda cls: _with_forward(cls, around))


@altered("FUN-14", of=APPLY)
def tensors_within_containers_are_tracked(torch: Any, original: Any) -> Any:
    """The result requires grad where a container holds a tensor that does."""

    @classmethod  # type: ignore[misc]
    def apply(cls: Any, *args: Any) -> Any:
        made = original.__func__(cls, *args)
        return made.detach().requires_grad_() if isinstance(args[0], list | tuple | dict) else made

    return apply


@mended("FUN-17", of="autograd.function.once_differentiable")
def once_is_once(torch: Any, original: Any) -> Any:
    """A backward that is once differentiable is an error whenever a graph of it is created."""

    def decorate(backward: Any) -> Any:
        def call(*args: Any) -> Any:
            if torch.is_grad_enabled():
                raise RuntimeError("once differentiable")
            return backward(*args)

        return call

    return decorate


@altered("FUN-21", of=APPLY)
def contexts_keep_no_numbers(torch: Any, original: Any) -> Any:
    """What setup_context keeps on the context beside tensors is 1."""

    def change(cls: Any) -> Any:
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            cls.setup_context(ctx, (inputs[0], *(1 for _ in inputs[1:])), output)

        return {"setup_context": staticmethod(setup_context)}

    return changing(original, change)
