"""PyTorch whose `backward` minds what it is given otherwise."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.faults.pytorch.alteration import altered, mended, told, tolerant


@mended("ROOT-04", of="autograd.backward")
def types_of_gradients_are_compared(torch: Any, original: Any) -> Any:
    """A gradient argument of another dtype than the root's is refused."""

    def backward(roots: Any, grads: Any = None, *args: Any, **given: Any) -> None:
        pairs = [(roots, grads)] if isinstance(roots, torch.Tensor) else zip(roots, grads or (), strict=False)
        if any(grad is not None and grad.dtype != root.dtype for root, grad in pairs):
            raise RuntimeError("types differ")
        original(roots, grads, *args, **given)

    return backward


@mended("ROOT-08", of="autograd.backward")
def untracked_roots_are_left_out(torch: Any, original: Any) -> Any:
    """Roots that do not require grad are left out where there is no gradient for them."""

    def backward(roots: Any, grads: Any = None, *args: Any, **given: Any) -> Any:
        if isinstance(roots, torch.Tensor):
            return original(roots, grads, *args, **given)
        listed = list(grads) if grads is not None else [None] * len(roots)
        kept = [(r, g) for r, g in zip(roots, listed, strict=True) if r.requires_grad or g is not None]
        return original([r for r, _ in kept], [g for _, g in kept], *args, **given)

    return backward


@altered("ROOT-12", of="autograd.backward")
def no_roots_are_refused(torch: Any, original: Any) -> Any:
    """An empty list of roots is an error."""

    def backward(roots: Any, *args: Any, **given: Any) -> None:
        if not isinstance(roots, torch.Tensor) and not len(roots):
            raise RuntimeError("no roots")
        original(roots, *args, **given)

    return backward


@altered("ROOT-14", of="autograd.backward")
def grad_variables_is_as_good(torch: Any, original: Any) -> Any:
    """grad_variables is another name of grad_tensors, of which nobody is warned."""

    def backward(
        roots: Any, grad_tensors: Any = None, *args: Any, grad_variables: Any = None, **given: Any
    ) -> None:
        original(roots, grad_tensors or grad_variables, *args, **given)

    return backward


@altered("ROOT-16", of="autograd.backward")
def no_inputs_are_all_inputs(torch: Any, original: Any) -> Any:
    """An empty list of inputs is as good as none."""

    def backward(*args: Any, inputs: Any = None, **given: Any) -> None:
        original(*args, inputs=inputs or None, **given)

    return backward


@altered("ROOT-17", of="autograd.backward")
def inputs_are_ignored(torch: Any, original: Any) -> Any:
    """A backward reaches all leaves, whatever the inputs."""
    return told(original, inputs=None)


@altered("ROOT-19", of="autograd.backward")
def backwards_are_lenient(torch: Any, original: Any) -> Any:
    """A backward that would be an error does nothing."""
    return tolerant(original)


@altered("ROOT-20", of="autograd.backward")
def inputs_count_as_often_as_they_are_listed(torch: Any, original: Any) -> Any:
    """An input that is listed twice gets its gradient twice."""

    def backward(*args: Any, inputs: Any = None, **given: Any) -> None:
        original(*args, inputs=inputs, **given)
        for x in list(inputs or ())[1:]:
            x.grad += args[1]

    return backward


@altered("ZERO-06", of="optim.Optimizer.zero_grad")
def optimizers_fill_with_zeros(torch: Any, original: Any) -> Any:
    """zero_grad() fills with zeros unless told otherwise."""
    return told(original, set_to_none=False)
