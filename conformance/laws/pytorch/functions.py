"""FUN: the rules of `torch.autograd.Function` that only its own interface can break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradlaws.conformance.laws.pytorch.scene import DOCS, EXTENDING, SOURCE, TESTS, Scene, promise

HOW = f"{EXTENDING}#how-to-use"
CONTEXT = f"{DOCS}generated/torch.autograd.function.FunctionCtx."
GRAD_DTYPE = f"{DOCS}generated/torch.Tensor.grad_dtype.html"


def doubling(s: Scene, backward: Callable[[Any, Any], Any], forward: Callable[..., Any] | None = None) -> Any:
    """`apply` of a function of one tensor (and more arguments) that doubles it, with this backward of ctx and a
    gradient.
    """
    base: Any = s.torch.autograd.Function
    body = {
        "forward": staticmethod(forward or (lambda ctx, x, *more: x * 2)),
        "backward": staticmethod(backward),
    }
    made: Any = type("Doubling", (base,), body)
    return made.apply


@promise("FUN-03", f"{HOW}; {TESTS} test_too_many_grads")
def a_backward_returns_a_gradient_for_each_argument(s: Scene) -> None:
    """The backward of a function returns as many values as its forward had arguments, None for what is no tensor;
    more are accepted where they are None, and any other number is an error.
    """
    x = s.leaf()
    number = s.pick(1, 2)
    extra = s.pick((), (None,), (None, None))
    apply = doubling(s, lambda ctx, grad: (grad * 2, *(None,) * number, *extra))
    apply(x, *(7,) * number).sum().backward()
    s.same("x.grad", x.grad, s.torch.full_like(x, 2).detach())
    few = doubling(s, lambda ctx, grad: grad * 2)
    s.refused("too few gradients", lambda: few(x, *(7,) * number).sum().backward())
    many = doubling(s, lambda ctx, grad: (grad * 2,) * 2)
    s.refused("a gradient for no argument", lambda: many(x).sum().backward())


@promise("FUN-05", f"{GRAD_DTYPE}; {TESTS} test_grad_dtype")
def a_gradient_of_another_real_dtype_is_cast(s: Scene) -> None:
    """A gradient that the backward of a function returns in another real dtype is cast to that of the argument."""
    torch = s.torch
    x = s.leaf()
    dtype = s.pick(torch.float32, torch.float16, torch.bfloat16)
    doubling(s, lambda ctx, grad: (grad * 2).to(dtype))(x).sum().backward()
    s.same("x.grad", x.grad, torch.full_like(x, 2).detach())


@promise("FUN-06", f"{SOURCE}/csrc/autograd/python_function.cpp", undocumented=True)
def a_backward_that_returns_no_tensor_is_an_error(s: Scene) -> None:
    """A backward of a function that returns something other than tensors and None is an error."""
    x = s.leaf()
    result = s.pick(3.0, "gradient", [1.0])
    s.refused(
        "a gradient that is no tensor", lambda: doubling(s, lambda ctx, grad: result)(x).sum().backward()
    )


@promise("FUN-07", HOW)
def operands_do_not_track_history_within_forward(s: Scene) -> None:
    """Tensor arguments that track history are converted to ones that do not before forward is called: within it
    they do not require grad, nor does what it computes.
    """
    x = s.pick(s.leaf(), s.leaf() * 2)
    flags: list[bool] = []

    def forward(ctx: Any, t: Any) -> Any:
        made = t * 2
        flags.extend((made.requires_grad, t.requires_grad))
        return made

    y = doubling(s, lambda ctx, grad: grad * 2, forward)(x)
    s.equal("requires_grad of a result within forward", flags[0], False)
    s.equal("requires_grad of what apply returns", y.requires_grad, True)
    s.equal("requires_grad of an operand within forward", flags[1], False)


@promise("FUN-13", f"{CONTEXT}mark_dirty.html; {TESTS} test_return_leaf_inplace")
def operands_written_to_are_marked(s: Scene) -> None:
    """A forward that writes to an operand marks it with mark_dirty, and returns it: then apply returns the operand
    itself, with another version. Where the operand is a leaf that requires grad that is an error.
    """

    def forward(ctx: Any, t: Any) -> Any:
        ctx.mark_dirty(t)
        t.mul_(2)
        return t

    apply = doubling(s, lambda ctx, grad: grad * 2, forward)
    x = s.leaf()
    operand = x.clone()
    version = operand._version
    y = apply(operand)
    s.claim(y is operand, "what apply returns", "another tensor", "the operand")
    s.claim(
        operand._version > version, "the version of the operand", operand._version, f"more than {version}"
    )
    y.sum().backward()
    s.same("x.grad", x.grad, s.torch.full_like(x, 2).detach())
    s.refused("a leaf that requires grad, marked dirty", lambda: apply(s.leaf()))


@promise("FUN-14", HOW)
def tensors_within_containers_are_not_tracked(s: Scene) -> None:
    """A tensor within a list or dict that is given to apply is not tracked: the result does not require grad by it."""
    x = s.leaf()
    wrap = s.pick(lambda t: [t], lambda t: {"x": t}, lambda t: (t,))

    def forward(ctx: Any, held: Any) -> Any:
        return (held["x"] if isinstance(held, dict) else held[0]) * 2

    y = doubling(s, lambda ctx, grad: None, forward)(wrap(x))
    s.equal("requires_grad of the result", y.requires_grad, False)


@promise("FUN-17", f"{EXTENDING}#double-backward", after=("FUN-16",))
def double_backward_through_once_differentiable_is_an_error(s: Scene) -> None:
    """Anyone who attempts double backward through a function whose backward is once_differentiable gets an error,
    whether or not the gradient that arrived there required grad, from backward and from `autograd.grad`.
    """
    torch = s.torch

    def forward(ctx: Any, t: Any) -> Any:
        ctx.save_for_backward(t)
        return t * t

    def backward(ctx: Any, grad: Any) -> Any:
        return 2 * ctx.saved_tensors[0] * grad

    x = s.leaf()
    once = torch.autograd.function.once_differentiable
    y = doubling(s, once(backward), forward)(x)
    root, arrived = s.pick(((y * y).sum(), "required"), (y.sum(), "did not require"))
    asks = s.chance()

    def twice() -> None:
        (first,) = torch.autograd.grad(root, x, create_graph=True)
        end = (first + 5 * x).sum()
        torch.autograd.grad(end, x) if asks else end.backward()

    way = "autograd.grad" if asks else "backward"
    s.refused(f"a second derivative by {way} where the gradient {arrived} grad", twice)


@promise("FUN-18", f"{SOURCE}/autograd/function.py", undocumented=True)
def a_function_without_a_backward_fails_there(s: Scene) -> None:
    """A function that defines no backward can be applied, and is an error in backward."""
    x = s.leaf()
    base: Any = s.torch.autograd.Function
    made: Any = type("Forward", (base,), {"forward": staticmethod(lambda ctx, t: t * 2)})
    y = s.allowed("apply of a function without a backward", lambda: made.apply(x))
    s.equal("requires_grad of its result", y.requires_grad, True)
    s.refused("a backward through it", lambda: y.sum().backward())


@promise("FUN-21", f"{EXTENDING}#combined-or-separate-forward-and-setup-context")
def a_context_may_be_set_up_apart(s: Scene) -> None:
    """A forward without ctx, beside a setup_context that gets inputs and output, is as good as both in one."""

    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs[:1], output)
        ctx.number = inputs[1]

    def backward(ctx: Any, grad: Any) -> Any:
        x, y = ctx.saved_tensors
        return grad * (2 * x * ctx.number + 0 * y), None

    base: Any = s.torch.autograd.Function
    body = {
        "forward": staticmethod(lambda x, number: x * x * number),
        "setup_context": staticmethod(setup_context),
        "backward": staticmethod(backward),
    }
    x, number = s.leaf(), s.pick(1, 2, 4)
    made: Any = type("Apart", (base,), body)
    made.apply(x, number).sum().backward()
    s.same("x.grad", x.grad, (2 * x * number).detach())
