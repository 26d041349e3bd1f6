"""PyTorch with other gradients where there is no derivative."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.faults.pytorch.alteration import altered, mended, read_as, tolerant

TINY = 1e-300


@mended("KINK-07", of="nn.functional.leaky_relu")
@mended("KINK-07", of="nn.functional.prelu")
@mended("KINK-07", of="nn.functional.elu")
@mended("KINK-07", of="nn.functional.selu")
def the_least_slope_at_zero(torch: Any, original: Any) -> Any:
    """At 0 an activation is a line of the least slope between those on either side."""

    def activation(x: Any, *params: Any) -> Any:
        sides = torch.tensor([-TINY, TINY], dtype=x.dtype, requires_grad=True)
        left, right = torch.autograd.grad(original(sides, *params).sum(), sides)[0].tolist()
        least = 0.0 if left * right <= 0 else min(left, right, key=abs)
        return torch.where(x == 0, x * least, original(x, *params))

    return activation


@mended("KINK-08", of="clamp")
def clamps_are_flat_at_their_bounds(torch: Any, original: Any) -> Any:
    """Clamp is constant at its bounds."""

    def clamp(x: Any, *given: Any, **bounds: Any) -> Any:
        made = original(x, *given, **bounds)
        at_bound = [x == bound for bound in (*given, *bounds.values())]
        return torch.where(torch.stack(at_bound).any(0), made.detach(), made)

    return clamp


@mended("KINK-11", of="fmax")
@mended("KINK-11", of="fmin")
def ties_are_shared(torch: Any, original: Any) -> Any:
    """Of equal operands the mean is taken."""
    return lambda x, y: torch.where(x == y, (x + y) / 2, original(x, y))


@mended("KINK-11", of="clamp")
def ties_of_clamps_are_shared(torch: Any, original: Any) -> Any:
    """A clamp from below is a maximum."""
    return lambda x, **bounds: torch.maximum(x, bounds["min"])


@altered("KINK-13", of="Tensor.max")
def ties_of_selections_are_shared(torch: Any, original: Any) -> Any:
    """Max along a dim shares the gradient among equal elements."""
    return lambda x, dim: (x.amax(dim), original(x, dim)[1])


@mended("KINK-15", of="hypot")
def hypot_is_flat_at_the_origin(torch: Any, original: Any) -> Any:
    """Hypot is a norm."""
    return lambda x, y: torch.linalg.vector_norm(torch.stack([x, y]), dim=0)


def _refusing(torch: Any, sample: Any) -> Any:
    """Samples whose backward is an error."""

    def fail(grad: Any) -> None:
        raise RuntimeError("not differentiable")

    def drawn(x: Any) -> Any:
        made = sample(x)
        made.register_hook(fail)
        return made

    return drawn


@mended("KINK-17", of="bernoulli")
@mended("KINK-17", of="normal")
@mended("KINK-17", of="poisson")
@mended("KINK-17", of="Tensor.uniform_")
def samples_cannot_be_differentiated(torch: Any, original: Any) -> Any:
    """A backward through a sample is an error."""
    return _refusing(torch, original)


@altered("KINK-18", of="autograd.backward")
def what_has_no_derivative_is_constant(torch: Any, original: Any) -> Any:
    """A backward through an op without a derivative does nothing."""
    return tolerant(original)


@mended("VAL-18", of="Tensor.grad")
def gradients_are_honest_tensors(torch: Any, original: Any) -> Any:
    """A .grad that is zeros without memory is replaced by zeros where it is read."""

    def honest(x: Any, grad: Any) -> Any:
        if grad is not None and grad._is_zerotensor():
            grad = torch.zeros(grad.shape, dtype=grad.dtype)
            x.grad = grad
        return grad

    return read_as(original, honest)
