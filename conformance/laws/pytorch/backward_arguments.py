"""ROOT: what `backward` takes as roots, gradients and inputs."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.laws.pytorch.scene import BACKWARD, DOCS, SOURCE, TESTS, Scene, promise

METHOD = f"{DOCS}generated/torch.Tensor.backward.html"
FUNCTION = f"{SOURCE}/autograd/__init__.py"


@promise("ROOT-04", METHOD)
def a_gradient_argument_has_the_type_of_its_root(s: Scene) -> None:
    """The gradient argument is a tensor of the type of the root: one of another dtype is an error."""
    torch = s.torch
    x = s.leaf()
    y, other = s.curved(x), s.pick(torch.float32, torch.int64)
    call = (lambda v: y.backward(v)) if s.chance() else (lambda v: torch.autograd.backward([y], [v]))
    s.refused("a gradient argument of another real dtype", lambda: call(torch.ones_like(y, dtype=other)))


@promise("ROOT-08", BACKWARD)
def roots_that_do_not_require_grad_are_passed_over(s: Scene) -> None:
    """Among several roots None is acceptable as the gradient of one that does not require grad; it gets none."""
    x = s.leaf()
    roots = [s.curved(x).sum(), s.tensor()]
    roots = roots[::-1] if s.chance() else roots
    s.allowed(
        "a root that does not require grad, with None",
        lambda: s.torch.autograd.backward(roots, s.pick([None, None], None)),
    )
    s.claim(x.grad is not None, "x.grad", None, "the gradient of the other root")


@promise("ROOT-12", f"{FUNCTION} and observed", undocumented=True)
def no_roots_are_no_error(s: Scene) -> None:
    """A backward from an empty list of roots is no error, and changes no gradient."""
    x = s.leaf()
    _ = s.curved(x)
    s.allowed("autograd.backward([])", lambda: s.torch.autograd.backward(s.pick([], ())))
    s.same("x.grad", x.grad, None)


@promise("ROOT-14", BACKWARD)
def grad_variables_is_deprecated(s: Scene) -> None:
    """grad_variables means grad_tensors, with a warning that it is deprecated; both together are an error."""
    x = s.leaf()
    v = s.tensor(x.shape)
    backward = s.torch.autograd.backward
    s.warns("grad_variables=", lambda: backward([x * 2], grad_variables=[v]), "deprecated")
    s.same("x.grad", x.grad, 2 * v)
    s.refused("grad_tensors= and grad_variables=", lambda: backward([x * 2], [v], grad_variables=[v]))


@promise("ROOT-16", f"{FUNCTION}; {TESTS} test_backward_with_inputs", undocumented=True)
def an_empty_list_of_inputs_is_an_error(s: Scene) -> None:
    """A backward with an empty list of inputs is an error, and changes no gradient."""
    x = s.leaf()
    root = s.curved(x).sum()
    s.refused("inputs=[]", lambda: root.backward(inputs=s.pick([], ())))
    s.same("x.grad", x.grad, None)


@promise("ROOT-17", BACKWARD, "torch>=2.13")
def inputs_may_be_one_tensor_or_a_dict(s: Scene) -> None:
    """The inputs of a backward may be a single tensor, or a dict of tensors; any other mapping is an error."""
    x, other = s.leaf(), s.leaf()
    v = s.tensor(x.shape)

    def backward(inputs: Any) -> None:
        s.torch.autograd.backward([x * 2, other * 3], [v, s.torch.ones_like(other)], inputs=inputs)

    backward(s.pick(x, {"weight": x}))
    s.same("x.grad", x.grad, 2 * v)
    s.same("the .grad of a leaf that is not listed", other.grad, None)
    from types import MappingProxyType

    s.refused("inputs= a mapping that is no dict", lambda: backward(MappingProxyType({"weight": x})))


@promise("ROOT-19", f"{FUNCTION} and observed", undocumented=True)
def inputs_that_do_not_require_grad_are_an_error(s: Scene) -> None:
    """An input of a backward that does not require grad is an error."""
    x, plain = s.leaf(), s.tensor()
    inputs = [plain, x] if s.chance() else [plain]
    s.refused("inputs= one that does not require grad", lambda: s.curved(x).sum().backward(inputs=inputs))


@promise("ROOT-20", f"{BACKWARD} and observed", undocumented=True)
def an_input_listed_twice_gets_its_gradient_once(s: Scene) -> None:
    """An input that a backward lists several times gets its gradient once."""
    x = s.leaf()
    v = s.tensor(x.shape)
    (x * 2).backward(v, inputs=s.pick([x, x], [x, x, x]))
    s.same("x.grad", x.grad, 2 * v)


@promise("ZERO-06", f"{DOCS}generated/torch.optim.Optimizer.zero_grad.html")
def none_cannot_be_added_to(s: Scene) -> None:
    """After zero_grad() a gradient is None, with which user code cannot compute as with zeros."""
    x = s.leaf()
    s.curved(x).sum().backward()
    s.torch.optim.SGD([x], 0.1).zero_grad()

    def add() -> None:
        x.grad += 1

    s.refused("`x.grad += 1` where x.grad is None", add)
