"""The documented examples, pinned: written out by hand, with the values that the documentation gives.

They need no reference engine and no drawing, and always run. Laws say the same in general; these are what a
reader of the documentation would try first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradlaws.conformance.documented.script import Example, Script
from gradlaws.conformance.language.steps import (
    ClearGrad,
    Detach,
    Grad,
    InPlace,
    Mode,
    RetainGrad,
    Step,
    Var,
    ZeroGrad,
)

NOTES = "https://docs.pytorch.org/docs/2.13/"
TUTORIAL = "https://docs.pytorch.org/tutorials/beginner/basics/autogradqs_tutorial.html"


EXAMPLES: dict[str, Example] = {}


def example(
    sentence: str,
    where: str,
    laws: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
    stored: bool = True,
) -> Callable[[Callable[[Script], None]], None]:
    """Register a documented example; the function writes it down. `stored`: as in a law."""
    needed = frozenset((*needs, "stored") if stored else needs)

    def register(write: Callable[[Script], None]) -> None:
        script = Script()
        write(script)
        identity = f"EX-{len(EXAMPLES) + 1:02d}"
        EXAMPLES[identity] = Example(
            identity, write.__name__.strip("_"), sentence, where, needed, laws, script
        )

    return register


@example("x = [2, 3]: the sum of squares has the gradient [4, 6]", TUTORIAL, ("VAL-01",), stored=False)
def _sum_of_squares(s: Script) -> None:
    x = s.leaf([2.0, 3.0])
    root = s.total(s.op("mul", x, x))
    s.backward(root)
    s.grad_is(x, [4.0, 6.0])


@example(
    ".grad is None after construction and until backward",
    NOTES + "generated/torch.Tensor.grad.html",
    ("NONE-01", "NONE-02", "NONE-06"),
)
def _none_before_backward(s: Script) -> None:
    x = s.leaf([1.0, 2.0])
    s.grad_is(x, None)
    root = s.total(s.op("mul", x, x))
    s.grad_is(x, None)
    s.backward(root)
    s.grad_is(x, [2.0, 4.0])


@example("two backwards add; zero_() resets", TUTORIAL, ("ACC-01", "ZERO-01"), ("zero_grad", "retain_graph"))
def _two_backwards_add(s: Script) -> None:
    x = s.leaf([2.0, 3.0])
    root = s.total(s.op("mul", x, x))
    s.backward(root, retain_graph=True)
    s.backward(root, retain_graph=True)
    s.grad_is(x, [8.0, 12.0])
    s.do(ZeroGrad(x))
    s.grad_is(x, [0.0, 0.0])
    s.backward(root)
    s.grad_is(x, [4.0, 6.0])


@example(
    "y = 2 x with gradient [1, 1]",
    NOTES + "generated/torch.Tensor.backward.html",
    ("VAL-02", "ROOT-01"),
    stored=False,
)
def _vector_root_with_gradient(s: Script) -> None:
    x = s.leaf([2.0, 3.0])
    y = s.op("mul_scalar", x, value=2.0)
    s.backward(y, s.leaf([1.0, 1.0], requires_grad=False))
    s.grad_is(x, [2.0, 2.0])


@example(
    "y = 2 x without a gradient is an error",
    NOTES + "generated/torch.Tensor.backward.html",
    ("ROOT-01", "NONE-01"),
    ("bare_gradient",),
)
def _vector_root_without_gradient(s: Script) -> None:
    x = s.leaf([2.0, 3.0])
    s.backward(s.op("mul_scalar", x, value=2.0), refused=True)
    s.grad_is(x, None)


@example(
    "x = 2, y = x x, z = 3 y: y.retain_grad() keeps 3, x gets 12",
    NOTES + "generated/torch.Tensor.retain_grad.html",
    ("RET-01",),
    ("retain_grad",),
)
def _retain_grad(s: Script) -> None:
    x = s.leaf(2.0)
    y = s.op("mul", x, x)
    s.do(RetainGrad(y))
    s.backward(s.op("mul_scalar", y, value=3.0))
    s.grad_is(y, 3.0)
    s.grad_is(x, 12.0)


@example(
    "the same without retain_grad(): y.grad stays None",
    NOTES + "generated/torch.Tensor.is_leaf.html",
    ("LEAF-06", "REQ-15"),
)
def _non_leaf_keeps_none(s: Script) -> None:
    x = s.leaf(2.0)
    y = s.op("mul", x, x)
    s.backward(s.op("mul_scalar", y, value=3.0))
    s.grad_is(y, None)
    s.grad_is(x, 12.0)


@example(
    "x += 1 on a leaf that requires grad is an error and changes nothing",
    NOTES + "notes/autograd.html",
    ("INP-01",),
    ("inplace",),
)
def _in_place_on_a_leaf(s: Script) -> None:
    x = s.leaf([1.0, 2.0])
    s.do(InPlace("add_scalar_", x, (), (("value", 1.0),)), refused=True)
    s.value_is(x, [1.0, 2.0])


def _training(s: Script, clear: Callable[[Var], Step] | None) -> None:
    w = s.leaf([1.0, 2.0])
    for count in (1.0, 2.0, 3.0):
        data = s.leaf([1.0, 2.0], requires_grad=False)
        s.backward(s.total(s.op("mul", w, data)))
        s.grad_is(w, [1.0, 2.0] if clear else [count, 2.0 * count])
        if clear:
            s.do(clear(w))


@example("a training loop that forgets to clear piles gradients up", TUTORIAL, ("ACC-02",))
def _training_loop_that_forgets(s: Script) -> None:
    _training(s, None)


@example(
    "a training loop that clears to None sees fresh gradients",
    NOTES + "generated/torch.optim.Optimizer.zero_grad.html",
    ("ZERO-02",),
    ("set_grad",),
)
def _training_loop_clearing_to_none(s: Script) -> None:
    _training(s, ClearGrad)


@example(
    "a training loop that clears to zero sees fresh gradients",
    NOTES + "generated/torch.optim.Optimizer.zero_grad.html",
    ("ZERO-01",),
    ("zero_grad",),
)
def _training_loop_clearing_to_zero(s: Script) -> None:
    _training(s, ZeroGrad)


def _optimizer(s: Script, clear: Callable[[Var], Step], unused: Any) -> None:
    used, idle = s.leaf([1.0, 2.0]), s.leaf([5.0])
    s.backward(s.op("add", s.total(s.op("mul", used, used)), s.total(idle)))
    s.grad_is(idle, [1.0])
    s.do(Mode("no_grad"))
    s.do(InPlace("mul_scalar_", used, (), (("value", 0.5),)))
    s.do(Mode("exit"))
    for parameter in (used, idle):
        s.do(clear(parameter))
    s.backward(s.total(s.op("mul", used, used)))
    s.grad_is(used, [1.0, 2.0])
    s.grad_is(idle, unused)


@example(
    "an optimizer's step under no_grad, then zero_grad(set_to_none=True): an idle parameter has None",
    NOTES + "generated/torch.optim.Optimizer.zero_grad.html",
    ("ZERO-04", "INP-03"),
    ("set_grad", "no_grad", "inplace"),
)
def _optimizer_clearing_to_none(s: Script) -> None:
    _optimizer(s, ClearGrad, None)


@example(
    "an optimizer's step under no_grad, then zero_grad(set_to_none=False): an idle parameter has zeros",
    NOTES + "generated/torch.optim.Optimizer.zero_grad.html",
    ("ZERO-04", "INP-03"),
    ("zero_grad", "no_grad", "inplace"),
)
def _optimizer_clearing_to_zero(s: Script) -> None:
    _optimizer(s, ZeroGrad, [0.0])


@example(
    "autograd.grad of autograd.grad: the second derivative of x x x at 2 is 12",
    NOTES + "generated/torch.autograd.grad.html",
    ("HO-11",),
    ("autograd_grad", "create_graph"),
    stored=False,
)
def _second_derivative(s: Script) -> None:
    x = s.leaf(2.0)
    y = s.op("mul", s.op("mul", x, x), x)
    first, second = s._new(), s._new()
    s.do(Grad((y,), (x,), create_graph=True, outs=(first,)))
    s.value_is(first, 12.0)
    s.do(Grad((first,), (x,), outs=(second,)))
    s.value_is(second, 12.0)
    s.grad_is(x, None)


@example(
    "a tensor that does not require grad gets no gradient, and is no root",
    NOTES + "notes/autograd.html#setting-requires-grad",
    ("REQ-08", "REQ-09", "ROOT-07"),
    ("constants",),
)
def _untracked_tensor(s: Script) -> None:
    x, c = s.leaf([2.0, 3.0]), s.leaf([4.0, 5.0], requires_grad=False)
    s.backward(s.total(s.op("mul", x, c)))
    s.grad_is(x, [4.0, 5.0])
    s.grad_is(c, None)
    s.backward(s.total(c), refused=True)


@example(
    "detach() cuts: y = x + detach(2 x) has the gradient 1",
    NOTES + "generated/torch.Tensor.detach.html",
    ("DET-02",),
    ("detach",),
)
def _detach_cuts(s: Script) -> None:
    x = s.leaf([2.0, 3.0])
    double, cut = s.op("mul_scalar", x, value=2.0), s._new()
    s.do(Detach(double, outs=(cut,)))
    s.backward(s.total(s.op("add", x, cut)))
    s.grad_is(x, [1.0, 1.0])
