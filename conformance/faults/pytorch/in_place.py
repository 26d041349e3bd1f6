"""PyTorch whose in-place ops and views are guarded less, or more."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from gradlaws.conformance.faults.pytorch.alteration import altered, mended, read_as, tolerant


@altered("INP-07", of="Tensor.__add__")
def sums_save_their_operands(torch: Any, original: Any) -> Any:
    """A sum with a number saves its operand."""
    return lambda x, other: original(x, other) + 0 * x.sin() if x.requires_grad else original(x, other)


@altered("INP-09", "INP-21", of="autograd._engine_run_backward")
def overwritten_values_give_nothing(torch: Any, original: Any) -> Any:
    """A backward that needs an overwritten value gives no gradient, and no error."""
    return tolerant(original)


@altered("INP-22", of="autograd.grad")
def gradients_that_need_no_overwritten_value_are_right(torch: Any, original: Any) -> Any:
    """`autograd.grad` gives zeros where an overwritten value is met."""
    return tolerant(original, lambda root, inputs: (torch.zeros_like(inputs),))


@altered("INP-15", of="Tensor.chunk")
def chunks_are_copies(torch: Any, original: Any) -> Any:
    """Chunk gives copies."""
    return lambda x, *args: tuple(part.clone() for part in original(x, *args))


@altered("INP-16", "DET-10", of="Tensor.data")
def data_is_detached(torch: Any, original: Any) -> Any:
    """x.data is x.detach(), with the same version."""
    return read_as(original, lambda x, data: x.detach())


@altered("INP-18", of="Tensor._version")
def versions_do_not_grow(torch: Any, original: Any) -> Any:
    """The version of a tensor is 0."""
    return property(lambda x: 0)


@altered("INP-19", of="no_grad")
def no_grad_leaves_views_alone(torch: Any, original: Any) -> Any:
    """no_grad does nothing."""
    return nullcontext


@altered("INP-20", of="mul")
def products_ignore_out(torch: Any, original: Any) -> Any:
    """torch.mul ignores out=."""
    return lambda x, other, out=None: original(x, other)


@altered("INP-23", of="autograd.graph.increment_version")
def versions_are_not_incremented(torch: Any, original: Any) -> Any:
    """increment_version does nothing."""
    return lambda tensor: None


@altered("INP-24", of="autograd.graph.allow_mutation_on_saved_tensors")
def nothing_is_allowed(torch: Any, original: Any) -> Any:
    """allow_mutation_on_saved_tensors does nothing."""
    return nullcontext


@mended("INP-25", of="view_as_real")
def views_of_another_dtype_are_copies(torch: Any, original: Any) -> Any:
    """view_as_real gives a copy."""
    return lambda x: original(x).clone()


@altered("DET-07", of="Tensor.requires_grad")
def views_require_grad_as_their_base_does(torch: Any, original: Any) -> Any:
    """A view says that it requires grad where its base does."""
    flag = original.__get__
    return property(lambda x: flag(x) if x._base is None else flag(x._base), original.__set__)


@altered("DET-08", of="Tensor.detach_")
def detaching_marks_a_write(torch: Any, original: Any) -> Any:
    """detach_() makes all graphs of the tensor unusable."""

    def detach_(x: Any) -> Any:
        if x.grad_fn is not None:
            x.grad_fn.register_prehook(lambda grads: 1 / 0)
        return original(x)

    return detach_


@altered("DET-09", of="Tensor.detach_")
def detaching_forgets_the_gradient(torch: Any, original: Any) -> Any:
    """detach_() sets .grad to None."""

    def detach_(x: Any) -> Any:
        x.grad = None
        return original(x)

    return detach_


@altered("DET-11", of="Tensor.data")
def assigning_data_forgets_the_gradient(torch: Any, original: Any) -> Any:
    """`x.data = t` sets .grad to None."""

    def put(x: Any, data: Any) -> None:
        x.grad = None
        original.__set__(x, data)

    return property(original.__get__, put)


@altered("DET-12", of="Tensor.numpy")
def numpy_detaches(torch: Any, original: Any) -> Any:
    """numpy() detaches by itself."""
    return lambda x, **given: original(x.detach(), **given)
