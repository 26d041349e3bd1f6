"""INP: version counters, views that may not be written to, out=, and writes that are made legal."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.laws.pytorch.scene import AUTOGRAD, DOCS, NOTES, SOURCE, TESTS, Scene, promise

CORRECTNESS = f"{NOTES}#in-place-correctness-checks"
MIGRATION = "https://pytorch.org/blog/pytorch-0_4_0-migration-guide/"
GRAPH = f"{AUTOGRAD}#torch.autograd.graph."


def write(s: Scene, x: Any) -> None:
    """Write to x in place."""
    s.pick(lambda: x.add_(1), lambda: x.mul_(2), lambda: x.zero_(), lambda: x.copy_(x.detach() + 1))()


@promise("INP-07", f"{TESTS} test_inplace", undocumented=True)
def what_was_not_saved_may_be_overwritten(s: Scene) -> None:
    """A value that no op has saved may be overwritten before the backward, and the gradients are right."""
    x = s.leaf()
    y = x * 2
    z = s.pick(lambda: y + 1, lambda: y.sum(), lambda: y.exp())()
    if z.shape == y.shape and s.chance():
        y = y + 0
    want = 2 * (z if z.grad_fn.name().startswith("Exp") else s.torch.ones_like(x)).detach().clone()
    with s.torch.no_grad():
        write(s, y)
    s.allowed("a backward after a value was overwritten that no op has saved", lambda: z.sum().backward())
    s.close("x.grad", x.grad, want)


@promise("INP-09", CORRECTNESS)
def writes_are_counted_not_values(s: Scene) -> None:
    """A value that was saved and then written to is an error in backward, even if it is what it was before."""
    x = s.leaf()
    y = x * 2
    z = y.sin()
    before = y.detach().clone()
    with s.torch.no_grad():
        s.pick(lambda: y.add_(0), lambda: y.mul_(1), lambda: (y.add_(1), y.copy_(before)))()
    s.refused("a backward after a saved value was written to and restored", lambda: z.sum().backward())


@promise("INP-15", f"{DOCS}generated/torch.split.html; {TESTS} test_inplace_on_view_multi_output_safe")
def views_that_come_together_may_not_be_written_to(s: Scene) -> None:
    """The results of split, chunk and unbind, where they are recorded, may not be written to in place."""
    x = s.leaf((4,)).clone()
    views = s.pick(lambda: x.chunk(2), lambda: x.split(2), lambda: x.unbind(0))()
    s.refused("writing to one of several views", lambda: write(s, s.pick(*views)))


@promise("INP-16", f"{MIGRATION} (What about .data?), {DOCS}generated/torch.Tensor.numpy.html")
def writes_through_other_aliases_go_unnoticed(s: Scene) -> None:
    """A saved value that is written to through .data, or through the array of numpy(), is not told by backward: the
    gradient is that of the new value.
    """
    x = s.leaf()
    y = s.torch.square(x)
    alias = s.pick(x.data, x.detach().numpy())
    alias += 1
    s.allowed("a backward after a write through .data", lambda: y.sum().backward())
    s.same("x.grad", x.grad, (2 * x).detach())


@promise("INP-18", CORRECTNESS)
def every_write_counts_once(s: Scene) -> None:
    """The version of a tensor grows by one with each in-place op on it or a view of it; a write through .data
    leaves it.
    """
    x = s.tensor((2, 2))
    start = x._version
    times = 1 + s.entropy.below(3)
    for _ in range(times):
        write_once = s.pick(x, x.view(4), x[0])
        write_once.add_(1)
    s.equal("the version after in-place ops", x._version - start, times)
    x.data.add_(1)
    s.equal("the version after a write through .data", x._version - start, times)


@promise("INP-19", f"{TESTS} test_autograd_views_codegen", undocumented=True)
def views_made_under_no_grad_may_not_be_written_to(s: Scene) -> None:
    """A view that was made under no_grad may not be written to where recording is on."""
    base = s.leaf((2, 2)).clone()
    with s.torch.no_grad():
        view = s.pick(lambda: base.view(4), lambda: base[0], lambda: base.t())()
        view.add_(1)
    s.refused("writing to a view that was made under no_grad", lambda: write(s, view))


@promise("INP-20", f"{TESTS} test_out_variant_raises_when_inputs_require_grad", undocumented=True)
def functions_with_out_are_not_recorded(s: Scene) -> None:
    """A function with out= is an error where an operand, or out, requires grad; under no_grad it is none."""
    torch = s.torch
    x, plain = s.leaf((2,)), s.tensor((2,))
    function = s.pick(torch.mul, torch.add)
    operand, out = s.pick((x, plain.clone()), (plain, x), (x, x))
    s.refused("out= with a tensor that requires grad", lambda: function(operand, 2, out=out))
    with torch.no_grad():
        s.allowed("the same under no_grad", lambda: function(operand, 2, out=out))


@promise("INP-21", f"{CORRECTNESS} and observed", undocumented=True)
def a_product_with_itself_in_place_is_an_error(s: Scene) -> None:
    """A tensor that is multiplied by itself in place has overwritten a value that was saved: backward is an error."""
    y = s.leaf() * 2
    y.mul_(y)
    s.refused("a backward through y.mul_(y)", lambda: y.sum().backward())


@promise("INP-22", f"{CORRECTNESS} and observed", undocumented=True)
def all_that_a_node_has_saved_must_be_unwritten(s: Scene) -> None:
    """A saved value that was written to is an error even where the gradient that is asked for does not need it."""
    x, w = s.leaf() * 2, s.leaf(())
    y = (x * w).sum()
    with s.torch.no_grad():
        write(s, w)
    s.refused("a gradient that does not need what was written to", lambda: s.torch.autograd.grad(y, w))


@promise("INP-23", f"{GRAPH}increment_version", "torch.autograd.graph.increment_version")
def a_version_may_be_incremented_by_hand(s: Scene) -> None:
    """increment_version marks a tensor as written to: where it was saved before, backward is an error."""
    x = s.leaf()
    y = x * 2
    z = y.sin()
    before = y._version
    s.torch.autograd.graph.increment_version(y)
    s.equal("the version", y._version, before + 1)
    s.refused("a backward after increment_version", lambda: z.sum().backward())


@promise("INP-24", f"{GRAPH}allow_mutation_on_saved_tensors")
def saved_values_may_be_overwritten_where_that_is_allowed(s: Scene) -> None:
    """Within allow_mutation_on_saved_tensors a saved value may be overwritten: the gradient is that of the old
    value.
    """
    x = s.leaf()
    with s.torch.autograd.graph.allow_mutation_on_saved_tensors():
        y = x.clone()
        z = s.pick(lambda: y**2, lambda: y * y, lambda: y.square())()
        write(s, y)
        z.sum().backward()
    s.same("x.grad", x.grad, (2 * x).detach())


@promise("INP-25", CORRECTNESS, after=("INP-08",))
def a_view_of_another_dtype_may_change_its_form_in_place(s: Scene) -> None:
    """With in-place functions and no error the gradients are right: also where a view of another dtype was
    transposed.
    """
    torch = s.torch
    transposes = s.chance(70)

    def build(x: Any, in_place: bool) -> Any:
        a = x * 1
        b = torch.view_as_real(a)
        if in_place:
            if transposes:
                b.transpose_(0, 1)
            b += 1
        else:
            b = (b.transpose(0, 1) if transposes else b) + 1
        return (b * weights).sum()

    weights = s.tensor((2, 2))
    x = s.tensor((2,)).to(torch.complex128).requires_grad_()
    (want,) = torch.autograd.grad(build(x, False), x)
    (got,) = torch.autograd.grad(build(x, True), x)
    s.same(f"the gradient through a view that was {'transposed' if transposes else 'written to'}", got, want)


# -- detach_ and .data ----------------------------------------------------------------------------------------


@promise("DET-07", f"{TESTS} test_detach_base", undocumented=True)
def views_keep_their_history_when_the_base_is_detached(s: Scene) -> None:
    """detach_() on a tensor leaves the views of it that exist with their history."""
    x = s.leaf((2, 2))
    base = x * 2
    view = s.pick(lambda: base.view(4), lambda: base[0], lambda: base.t())()
    base.detach_()
    s.equal("requires_grad of the view", view.requires_grad, True)
    view.sum().backward()
    s.claim(x.grad is not None and bool((x.grad != 0).any()), "x.grad", None, "the gradient through the view")


@promise(
    "DET-08", f"{TESTS} test_detach, test_saved_variable_saved_original_inplace_detach", undocumented=True
)
def graphs_outlast_detaching(s: Scene) -> None:
    """A graph that was recorded before detach_() can be gone through, unless an op saved that tensor as its
    operand: then backward is an error.
    """
    x = s.leaf()
    y = x * 2
    saves = s.chance()
    root = (y.sin() if saves else y + 1).sum()
    y.detach_()
    if saves:
        s.refused("a backward that needs a saved operand which was detached", root.backward)
    else:
        root.backward()
        s.same("x.grad", x.grad, s.torch.full_like(x, 2).detach())


@promise("DET-09", f"{DOCS}generated/torch.Tensor.detach_.html and observed", undocumented=True)
def detaching_keeps_a_retained_gradient(s: Scene) -> None:
    """detach_() keeps the gradient that a result has retained."""
    y = s.curved(s.leaf())
    y.retain_grad()
    y.sum().backward()
    held = y.grad
    y.detach_()
    s.claim(y.grad is held, "y.grad after detach_()", y.grad, "as it was")


@promise("DET-10", f"{MIGRATION} (What about .data?)")
def data_is_an_alias_with_a_version_of_its_own(s: Scene) -> None:
    """x.data shares x's memory, does not require grad and has no history; writes to it leave x's version as it is."""
    x = s.pick(s.leaf(), s.curved(s.leaf()))
    data, before = x.data, x._version
    s.equal("requires_grad of x.data", data.requires_grad, False)
    s.equal("the memory of x.data", data.data_ptr(), x.data_ptr())
    data.add_(1)
    s.equal("the version of x", x._version, before)
    s.same("x", x.detach(), data)


@promise("DET-11", f"{TESTS} test_set_data_tensorimpl_type", undocumented=True)
def assigning_data_replaces_the_contents_only(s: Scene) -> None:
    """`x.data = t` replaces the contents, even by some of another shape, and keeps the flag and the gradient;
    integers for a tensor that requires grad are an error.
    """
    x = s.leaf((2,))
    (x * 2).sum().backward()
    held = x.grad
    new = s.tensor(s.pick((2,), (3,)))
    x.data = new
    s.same("x after `x.data = ...`", x.detach(), new)
    s.equal("its requires_grad", x.requires_grad, True)
    s.claim(x.grad is held, "x.grad", x.grad, "as it was")

    def integers() -> None:
        x.data = s.torch.ones(2, dtype=s.torch.int64)

    s.refused("`x.data = ` integers", integers)


@promise(
    "DET-12", f"{SOURCE}/csrc/utils/tensor_numpy.cpp; {TESTS} test_numpy_requires_grad", undocumented=True
)
def numpy_refuses_what_requires_grad(s: Scene) -> None:
    """numpy() is an error on a tensor that requires grad, and none on what detach() gives."""
    x = s.pick(s.leaf(), s.curved(s.leaf()))
    s.refused("numpy() of a tensor that requires grad", x.numpy)
    s.equal("the shape of its detach().numpy()", x.detach().numpy().shape, tuple(x.shape))
