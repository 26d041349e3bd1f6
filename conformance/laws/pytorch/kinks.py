"""KINK: the rules for points without a derivative, on functions by which PyTorch breaks them, and what has none at
all.

A rule is given by what the function does on both sides: between two slopes lies the one of minimum norm, whether
the function is convex there or concave (rules 2 and 3). What PyTorch breaks is listed by the name of the function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradlaws.conformance.laws.pytorch.scene import DOCS, NOTES, TESTS, Scene, promise

RULES = f"{NOTES}#gradients-for-non-differentiable-functions"
GRAD = f"{DOCS}generated/torch.Tensor.grad.html"


def at(s: Scene, *numbers: float) -> list[Any]:
    """Leaves of one drawn shape, full of these numbers."""
    shape = s.shape()
    full = s.torch.full
    return [full(shape, number, dtype=s.torch.float64, requires_grad=True) for number in numbers]


def slopes(s: Scene, function: Callable[..., Any], *numbers: float) -> list[Any]:
    """The gradients of a function of several operands, all full of a number each."""
    xs = at(s, *numbers)
    return list(s.torch.autograd.grad(function(*xs).sum(), xs))


def least(left: float, right: float) -> float:
    """The number of the smallest magnitude between two."""
    return 0.0 if left * right <= 0 else min(left, right, key=abs)


@promise("KINK-07", f"{RULES} rules 2 and 3")
def activations_at_zero_have_the_least_slope(s: Scene) -> None:
    """The slope of leaky_relu, prelu, elu, celu and selu at 0 is the one of minimum norm between those on either
    side.
    """
    torch, f = s.torch, s.torch.nn.functional
    slope = s.pick(0.5, 0.0, 2.0, -0.5, 0.25)
    alpha = s.pick(1.0, 2.0, 0.5)
    name, function, left, right = s.pick(
        (f"leaky_relu of slope {slope}", lambda x: f.leaky_relu(x, slope), slope, 1.0),
        (f"prelu of slope {slope}", lambda x: f.prelu(x, torch.tensor(slope, dtype=x.dtype)), slope, 1.0),
        (f"elu of alpha {alpha}", lambda x: f.elu(x, alpha), alpha, 1.0),
        (f"celu of alpha {alpha}", lambda x: f.celu(x, alpha), 1.0, 1.0),
        ("selu", f.selu, SCALE * ALPHA, SCALE),
        ("relu", f.relu, 0.0, 1.0),
    )
    (got,) = slopes(s, function, 0.0)
    s.close(f"the slope of {name} at 0", got, torch.full_like(got, least(left, right)))


SCALE, ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717  # of selu


@promise("KINK-08", f"{RULES} rules 2 and 3")
def bounded_functions_are_flat_at_their_bounds(s: Scene) -> None:
    """The slope of clamp, hardtanh and relu6 at a bound is the one of minimum norm, 0."""
    torch, f = s.torch, s.torch.nn.functional
    low, high = -1.0, 1.0
    name, function, number = s.pick(
        ("hardtanh", f.hardtanh, s.pick(low, high)),
        ("relu6", f.relu6, s.pick(0.0, 6.0)),
        ("clamp", lambda x: torch.clamp(x, low, high), s.pick(low, high)),
        ("clamp", lambda x: torch.clamp(x, min=low), low),
        ("clamp", lambda x: torch.clamp(x, max=high), high),
    )
    (got,) = slopes(s, function, number)
    s.close(f"the slope of {name} at a bound", got, torch.zeros_like(got))


@promise("KINK-11", f"{RULES} rules 2 and 3")
def ties_of_two_operands_are_shared(s: Scene) -> None:
    """Where the operands of maximum, minimum, fmax, fmin or a clamp by a tensor are equal, each gets half of the
    gradient, which is of minimum norm.
    """
    torch = s.torch
    name, function = s.pick(
        ("maximum", torch.maximum),
        ("minimum", torch.minimum),
        ("fmax", torch.fmax),
        ("fmin", torch.fmin),
        ("clamp by a tensor", lambda x, w: torch.clamp(x, min=w)),
    )
    number = s.pick(1.0, 0.0, -2.0)
    for operand, got in zip(("first", "second"), slopes(s, function, number, number), strict=True):
        s.close(f"the gradient of the {operand} operand of {name} at a tie", got, torch.full_like(got, 0.5))


@promise("KINK-13", f"{DOCS}generated/torch.max.html")
def selections_along_a_dim_give_the_gradient_to_what_they_select(s: Scene) -> None:
    """max, min, median, sort and topk along a dim give the gradient to the elements whose indices they return, though
    others be equal.
    """
    torch = s.torch
    x = torch.tensor([s.pick(1.0, 0.0, 2.0) for _ in range(4)], dtype=torch.float64, requires_grad=True)
    values, indices = s.pick(
        lambda: x.max(0), lambda: x.min(0), lambda: x.median(0), lambda: x.sort(0), lambda: x.topk(2)
    )()
    v = s.tensor(values.shape)
    values.backward(v)
    want = torch.zeros_like(x).detach().index_put((indices.reshape(-1),), v.reshape(-1), accumulate=True)
    s.same("x.grad", x.grad, want)


@promise("KINK-15", f"{RULES} rule 2")
def the_norm_of_two_numbers_at_the_origin_is_flat(s: Scene) -> None:
    """The gradient of hypot at the origin, and that of a norm, is the one of minimum norm, 0."""
    torch = s.torch
    name, function = s.pick(
        ("linalg.vector_norm", lambda x, y: torch.linalg.vector_norm(torch.stack([x, y]), dim=0)),
        ("hypot", torch.hypot),
    )
    for got in slopes(s, function, 0.0, 0.0):
        s.close(f"the gradient of {name} at the origin", got, torch.zeros_like(got))


@promise("KINK-17", f"{RULES} rule 6")
def sampling_is_an_error_in_backward(s: Scene) -> None:
    """A function that is not deterministic, as all that sample, has no derivative: it is an error in backward."""
    torch = s.torch
    name, sample = s.pick(
        ("bernoulli", torch.bernoulli),
        ("normal", torch.normal),
        ("poisson", torch.poisson),
        ("uniform_", lambda x: (x * 1).uniform_()),
    )
    x = s.torch.full(s.shape(), 0.5, dtype=torch.float64, requires_grad=True)
    with torch.random.fork_rng():
        y = sample(x)
    s.refused(f"a backward through {name}", lambda: y.sum().backward())


@promise("KINK-18", f"{TESTS} test_not_implemented_grad", undocumented=True)
def an_op_without_a_derivative_is_an_error_in_backward(s: Scene) -> None:
    """An op that no derivative was written for can be called, and is an error in backward."""
    torch = s.torch
    x = s.leaf()
    y = s.allowed("heaviside", lambda: torch.heaviside(x, s.tensor(())))
    s.refused("a backward through heaviside", lambda: y.sum().backward())


@promise("VAL-18", GRAD, after=("ACC-01",))
def any_gradient_can_be_added_to(s: Scene) -> None:
    """A .grad is a tensor to which further backwards add, and that can be written to, whatever op it comes from."""
    torch = s.torch
    x = s.leaf()
    name, function = s.pick(
        ("a sine", torch.sin), ("sgn", torch.sgn), ("sign", torch.sign), ("an absolute value", torch.abs)
    )
    function(x).sum().backward()
    first = x.grad.clone()
    what, use = s.pick(
        ("a further backward", lambda: (x * 2).sum().backward()),
        ("zero_()", lambda: x.grad.zero_()),
        ("clip_grad_norm_", lambda: torch.nn.utils.clip_grad_norm_([x], 1.0)),
    )
    s.allowed(f"{what} onto the gradient of {name}", use)
    if what == "a further backward":
        s.same("x.grad", x.grad, first + 2)
