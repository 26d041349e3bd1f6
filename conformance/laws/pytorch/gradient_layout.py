"""LAY: strides of gradients, and whether a backward adds to the .grad that is there or puts a new one in its place."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.laws.pytorch.scene import AUTOGRAD, DOCS, SOURCE, TESTS, Scene, promise

LAYOUTS = f"{AUTOGRAD}#default-gradient-layouts"
MANUAL = f"{AUTOGRAD}#manual-gradient-layouts"
EMBEDDING = f"{DOCS}generated/torch.nn.Embedding.html"


def permuted(s: Scene) -> Any:
    """A dense tensor of three dims in drawn order."""
    return s.tensor(s.shape(3)).permute(s.pick((0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1), (2, 0, 1)))


def dense(s: Scene) -> Any:
    """A dense leaf whose dims lie in drawn order."""
    return permuted(s).detach().requires_grad_()


def strides(x: Any) -> tuple[int, ...]:
    """The strides of the dims that have more than one element: of others they mean nothing."""
    return tuple(stride for stride, size in zip(x.stride(), x.shape, strict=True) if size > 1)


def backward(s: Scene, x: Any, **options: Any) -> None:
    """A backward that gives x a gradient."""
    s.curved(x).sum().backward(**options)


@promise("LAY-01", f"{LAYOUTS} item 1")
def a_new_gradient_has_the_strides_of_its_leaf(s: Scene) -> None:
    """A gradient that a backward makes has the strides of its leaf, where that is non-overlapping and dense."""
    x = dense(s)
    backward(s, x)
    s.equal("the strides of x.grad", strides(x.grad), strides(x))


@promise("LAY-02", f"{LAYOUTS} item 2")
def other_new_gradients_are_contiguous(s: Scene) -> None:
    """A gradient that a backward makes for a leaf that is not dense, or overlaps, is contiguous."""
    rows, columns = 2 + s.pick(0, 1), 2 + s.pick(0, 1)
    wide = s.tensor((columns, 2 * rows)).t()
    x = s.pick(wide[::2], s.tensor((columns, 1)).expand(columns, rows).t()).detach().requires_grad_()
    backward(s, x)
    s.claim(x.grad.is_contiguous(), "the strides of x.grad", x.grad.stride(), "contiguous")


@promise("LAY-03", f"{LAYOUTS} item 3, {MANUAL}", after=("ACC-03",))
def a_gradient_that_is_added_to_keeps_its_strides(s: Scene) -> None:
    """A backward without create_graph keeps the strides of the .grad that is there, whatever those of the leaf are."""
    held = permuted(s)
    x = s.tensor(held.shape).requires_grad_()
    x.grad = held
    before = strides(held)
    backward(s, x)
    s.equal("the strides of x.grad", strides(x.grad), before)


@promise("LAY-04", MANUAL)
def zeroing_does_not_affect_layouts(s: Scene) -> None:
    """Calls to zero_grad() of modules and optimizers do not affect the layouts of gradients.

    The sentence is older than set_to_none=True as the default, by which .grad is None afterwards, and the next
    gradient has the strides of its parameter; the note on zero_grad says that. With set_to_none=False both readings
    agree.
    """
    held = s.tensor((2, 3)).t()
    parameter = s.torch.nn.Parameter(s.tensor((3, 2)))
    parameter.grad = held
    clear = s.torch.optim.SGD([parameter], 0.1).zero_grad
    if s.chance():
        module = s.torch.nn.Module()
        module.weight = parameter
        clear = module.zero_grad
    options = s.pick({}, {"set_to_none": False})
    clear(**options)
    backward(s, parameter)
    call = f"zero_grad({'set_to_none=False' if options else ''})"
    s.equal(f"the strides of the gradient after {call}", strides(parameter.grad), strides(held))


@promise(
    "LAY-05",
    f"{DOCS}generated/torch.autograd.enforce_grad_layout_policy.html",
    "torch.autograd.enforce_grad_layout_policy",
)
def without_the_policy_gradients_keep_the_strides_they_come_with(s: Scene) -> None:
    """With enforce_grad_layout_policy(False) a gradient may have other strides than its leaf, and the same
    contents.
    """
    x = dense(s)
    v = s.tensor(x.shape)
    with s.torch.autograd.enforce_grad_layout_policy(False):
        (x * 2).backward(v)
    s.same("x.grad", x.grad, 2 * v)
    x.grad = None
    (x * 2).backward(v)
    s.equal("the strides of x.grad after the block", strides(x.grad), strides(x))


@promise("LAY-06", f"{EMBEDDING} and {TESTS} test_accumulate_grad_tensor_reference", undocumented=True)
def sparse_gradients_stay_sparse_among_themselves(s: Scene) -> None:
    """Sparse gradients add up to a sparse one in the same tensor, and with a dense one to a dense one."""
    torch = s.torch
    weight = s.leaf((3, 2))
    rows = torch.tensor([s.pick(0, 1, 2), s.pick(0, 1, 2)])

    def look_up(sparse: bool) -> None:
        torch.nn.functional.embedding(rows, weight, sparse=sparse).sum().backward()

    look_up(True)
    first = weight.grad
    s.claim(first.is_sparse, "a sparse gradient", first.layout, "sparse")
    once = first.to_dense()
    look_up(True)
    s.claim(
        weight.grad is first and first.is_sparse,
        "the sum of two of them",
        weight.grad.layout,
        "the same tensor",
    )
    s.same("the sum of two of them", weight.grad.to_dense(), 2 * once)
    look_up(False)
    s.claim(not weight.grad.is_sparse, "the sum with a dense one", weight.grad.layout, "dense")
    s.same("the sum with a dense one", weight.grad, 3 * once)


# -- the tensor that .grad is ---------------------------------------------------------------------------------


@promise("ACC-03", f"{LAYOUTS} item 3")
def a_plain_backward_adds_in_place(s: Scene) -> None:
    """A backward without create_graph adds to the tensor that .grad is: whoever holds it sees the sum."""
    x = dense(s)
    (x * x).sum().backward()
    held = x.grad
    (x * x).sum().backward()
    s.claim(x.grad is held, "x.grad after another backward", "another tensor", "the same tensor")
    s.same("the gradient that was held", held, 4 * x.detach())


@promise("ACC-04", f"{LAYOUTS} item 4")
def a_backward_that_creates_a_graph_replaces_the_gradient(s: Scene) -> None:
    """A backward with create_graph puts a new tensor into .grad, and leaves the one that was there as it was."""
    x = dense(s)
    (x * x).sum().backward()
    held = x.grad
    (x * x).sum().backward(create_graph=True)
    s.claim(x.grad is not held, "x.grad after another backward", "the same tensor", "another tensor")
    s.same("the gradient that was held", held, 2 * x.detach())
    s.same("x.grad", x.grad, 4 * x.detach())
    x.grad = None  # which lets go of the cycle


@promise("ACC-10", f"{LAYOUTS} item 3 and observed", undocumented=True)
def a_plain_backward_leaves_the_history_of_a_gradient(s: Scene) -> None:
    """A plain backward onto a .grad with a history adds to its contents, and leaves the history as it was."""
    x = s.leaf()
    (x * x * x).sum().backward(create_graph=True)
    history = x.grad.grad_fn
    (x * x).sum().backward()
    s.claim(history is not None and x.grad.grad_fn is history, "x.grad.grad_fn", x.grad.grad_fn, "as it was")
    s.close("x.grad", x.grad.detach(), (3 * x * x + 2 * x).detach())
    x.grad = None


@promise("ACC-11", f"{SOURCE}/csrc/autograd/functions/accumulate_grad.h", undocumented=True)
def overlapping_gradients_cannot_be_added_to(s: Scene) -> None:
    """A backward that would add to a .grad of overlapping memory is an error."""
    x = s.leaf((2 + s.pick(0, 1),))
    x.grad = s.tensor((1,)).expand(x.shape)
    s.refused("a backward onto an expanded gradient", lambda: backward(s, x))


@promise("ACC-14", f"{DOCS}generated/torch.Tensor.grad.html and observed", undocumented=True)
def a_gradient_of_another_size_cannot_be_added_to(s: Scene) -> None:
    """A backward is an error where .grad no longer fits, since the data was replaced by some of another size."""
    x = s.leaf((2,))
    backward(s, x)
    x.data = s.tensor((3,))
    s.refused("a backward after `x.data = ...` of another size", lambda: backward(s, x))


@promise("RET-08", f"{TESTS} test_retain_grad", undocumented=True)
def retained_gradients_add_up_in_new_tensors(s: Scene) -> None:
    """A retained gradient grows by every backward, each time in a new tensor: one that was held does not change."""
    x = s.leaf()
    y = s.curved(x)
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    held = y.grad
    y.sum().backward()
    s.same("the gradient that was held", held, s.torch.ones_like(y))
    s.same("y.grad", y.grad, 2 * s.torch.ones_like(y))
