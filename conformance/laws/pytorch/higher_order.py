"""HO: what only PyTorch's `autograd.grad` takes and gives, gradient edges, and the cycle that create_graph leaves."""

from __future__ import annotations

import weakref
from typing import Any

from gradlaws.conformance.laws.pytorch.scene import AUTOGRAD, BACKWARD, GRAD, SOURCE, TESTS, Scene, promise

EDGE = f"{AUTOGRAD}#torch.autograd.graph.get_gradient_edge"
FUNCTION = f"{SOURCE}/autograd/__init__.py"


@promise("HO-08", GRAD)
def materialized_gradients_are_allowed_to_be_unused(s: Scene) -> None:
    """materialize_grads=True together with allow_unused=False is an error."""
    x, other = s.leaf(), s.leaf()
    inputs = s.pick([x], [x, other], [other])
    s.refused(
        "materialize_grads=True, allow_unused=False",
        lambda: s.torch.autograd.grad(
            s.curved(x).sum() + other.sum(), inputs, allow_unused=False, materialize_grads=True
        ),
    )


@promise("HO-10", f"{FUNCTION} and {TESTS} test_grad_empty_inputs", undocumented=True)
def asking_for_nothing_is_an_error(s: Scene) -> None:
    """`autograd.grad` with an empty list of inputs is an error."""
    x = s.leaf()
    s.refused("no inputs", lambda: s.torch.autograd.grad(s.curved(x).sum(), s.pick([], ())))


@promise("HO-13", f"{GRAD} and observed", undocumented=True)
def the_gradient_of_a_linear_function_has_no_history(s: Scene) -> None:
    """The gradient of a linear function has no history, with create_graph too: to differentiate it again is an
    error, also with allow_unused or materialize_grads.
    """
    x = s.leaf()
    (first,) = s.torch.autograd.grad(
        s.pick(lambda: x * 2, lambda: x + 1, lambda: -x)().sum(), x, create_graph=True
    )
    s.equal("requires_grad of the gradient", first.requires_grad, False)
    options: dict[str, Any] = s.pick({}, {"allow_unused": True}, {"materialize_grads": True})
    s.refused("the second derivative", lambda: s.torch.autograd.grad(first.sum(), x, **options))


@promise("HO-15", f"{BACKWARD}; {TESTS} test_backward_create_graph_warns")
def a_backward_that_creates_a_graph_warns(s: Scene) -> None:
    """A backward with create_graph warns of a reference cycle between a parameter and its gradient; `autograd.grad`
    does not.
    """
    x = s.leaf()
    y = s.curved(x).sum()
    given = s.warned(lambda: s.torch.autograd.grad(y, x, create_graph=True))
    s.equal("the warnings of autograd.grad", given, [])
    call = s.pick(y.backward, lambda **options: s.torch.autograd.backward([y], **options))
    s.warns("a backward with create_graph", lambda: call(create_graph=True), "reference cycle")
    x.grad = None


@promise("HO-16", BACKWARD)
def that_cycle_keeps_the_leaf_until_its_gradient_is_reset(s: Scene) -> None:
    """After a backward with create_graph a leaf is kept alive by its own gradient, until .grad is None; after
    `autograd.grad` it is not.
    """
    x = s.leaf()
    root = (x * x * x).sum()
    resets = s.chance()
    if s.chance(25):
        s.torch.autograd.grad(root, x, create_graph=True)
        resets = True
    else:
        root.backward(create_graph=True)
    alive = weakref.ref(x)
    held = x.grad
    if resets:
        x.grad = None
    del root, x, held
    s.claim(
        (alive() is None) == resets, "the leaf", "there" if resets else "gone", "gone" if resets else "there"
    )
    left = alive()
    if left is not None:
        left.grad = None


@promise("HO-17", GRAD, "torch.vmap")
def a_batch_of_gradients_gives_a_batch_of_products(s: Scene) -> None:
    """With is_grads_batched=True the first dim of each gradient argument is that of a batch, and the results are the
    products with each of its members, stacked; the unit vectors give the Jacobian.
    """
    torch = s.torch
    x = s.leaf((2,))
    y = s.pick(lambda: x * x, lambda: (x * x).sum() * x, lambda: x.sin())()
    batch = s.pick(torch.eye(2, dtype=x.dtype), s.tensor((3, 2)))
    (got,) = torch.autograd.grad(y, x, batch, is_grads_batched=True, retain_graph=True)
    each = [torch.autograd.grad(y, x, v, retain_graph=True)[0] for v in batch]
    s.close("the batch of products", got, torch.stack(each))


@promise("HO-18", f"{FUNCTION} and {TESTS} test_grad_batched_grad", undocumented=True)
def members_of_a_batch_have_the_shape_of_the_root(s: Scene) -> None:
    """With is_grads_batched=True the dims of a gradient argument after the first have to be those of the root."""
    x = s.leaf((3,))
    batch = s.tensor(s.pick((3,), (2, 2), (2, 3, 1)))
    s.refused(
        f"a batch of shape {tuple(batch.shape)} for a root of shape (3,)",
        lambda: s.torch.autograd.grad(s.curved(x), x, batch, is_grads_batched=True),
    )


@promise("HO-19", GRAD)
def only_inputs_has_no_effect(s: Scene) -> None:
    """only_inputs is deprecated and ignored: with False there is a warning, and nothing is accumulated all the
    same.
    """
    x, other = s.leaf(), s.leaf()
    root = (x * 2).sum() + other.sum()
    got: list[Any] = []
    call = s.torch.autograd.grad
    s.warns("only_inputs=False", lambda: got.extend(call(root, x, only_inputs=False)), "deprecated")
    s.same("the gradient", got[0], s.torch.full_like(x, 2).detach())
    s.same("the .grad of another leaf", other.grad, None)


@promise("HO-20", GRAD, "torch>=2.13")
def a_dict_of_inputs_gives_a_dict(s: Scene) -> None:
    """Where the inputs of `autograd.grad` are a dict, so is the result, with the same keys."""
    x, other = s.leaf(), s.leaf()
    v = s.tensor(x.shape)
    inputs = s.pick({"x": x}, {"x": x, "other": other}, {"other": other, "x": x})
    got = s.torch.autograd.grad([x * 2, other * 3], inputs, [v, s.torch.ones_like(other)])
    s.equal("the keys of the result", list(got), list(inputs))
    s.same("the gradient of x", got["x"], 2 * v)


@promise("HO-21", f"{TESTS} test_unused_grad_requires_grad_with_materialize", undocumented=True)
def zeros_for_unused_inputs_require_grad_where_a_graph_is_created(s: Scene) -> None:
    """The zeros that stand for the gradient of an unused input require grad with create_graph=True, and not
    without.
    """
    x, other = s.leaf(), s.leaf()
    create = s.chance()
    found = s.torch.autograd.grad(s.curved(x).sum(), [x, other], create_graph=create, materialize_grads=True)
    s.same("the gradient of an unused input", found[1].detach(), s.torch.zeros_like(other).detach())
    s.equal("its requires_grad", found[1].requires_grad, create)


# -- gradient edges -------------------------------------------------------------------------------------------


@promise("HO-24", EDGE, "torch.autograd.graph.get_gradient_edge")
def an_edge_stands_for_its_tensor(s: Scene) -> None:
    """The gradient edge of a tensor stands for it as an input of `autograd.grad` and of backward; a tensor that
    does not require grad has none.
    """
    torch = s.torch
    edge = torch.autograd.graph.get_gradient_edge
    x = s.leaf()
    y = torch.square(x)
    place, want = s.pick((x, 2 * x * torch.cos(y)), (y, torch.cos(y)))
    root = torch.sin(y).sum()
    (got,) = torch.autograd.grad(root, edge(place), retain_graph=True)
    s.close("the gradient of an edge", got, want.detach())
    s.refused("the edge of a tensor that does not require grad", lambda: edge(s.tensor()))


@promise("HO-26", BACKWARD, "torch>=2.5")
def an_edge_may_be_a_root(s: Scene) -> None:
    """A gradient edge may be a root, of `autograd.grad` and of backward, with a gradient as its tensor would have."""
    torch = s.torch
    x = s.leaf()
    y = torch.square(x)
    v = s.tensor(x.shape)
    edge = torch.autograd.graph.get_gradient_edge(y)
    if s.chance():
        (got,) = torch.autograd.grad(edge, x, v)
    else:
        torch.autograd.backward([edge], [v])
        got = x.grad
    s.same("the gradient from an edge", got, (2 * x * v).detach())


@promise(
    "HO-25", f"{TESTS} test_grad_to_node_inplace", "torch.autograd.graph.get_gradient_edge", undocumented=True
)
def an_edge_stays_with_the_value_it_was_taken_of(s: Scene) -> None:
    """An edge that was taken before an in-place op stays with the old value, one that is taken after it is the new
    one's.
    """
    torch = s.torch
    factor = s.pick(3, 5)
    x = s.leaf().clone()
    before = torch.autograd.graph.get_gradient_edge(x)
    x.mul_(factor)
    after = torch.autograd.graph.get_gradient_edge(x)
    got = torch.autograd.grad(x.sum(), [before, after])
    ones = torch.ones_like(x).detach()
    s.same("the gradient of the old value", got[0], ones * factor)
    s.same("the gradient of the new value", got[1], ones)
