"""PyTorch whose `.grad` is another attribute, or is copied otherwise."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.faults.pytorch.alteration import altered, read_as, tolerant


@altered("REQ-04", of="Tensor.requires_grad_")
def half_precision_cannot_require_grad(torch: Any, original: Any) -> Any:
    """Tensors of two bytes an element refuse to require grad."""

    def requires_grad_(x: Any, flag: bool = True) -> Any:
        if flag and x.element_size() == 2:
            raise RuntimeError("only single and double precision may require grad")
        return original(x, flag)

    return requires_grad_


@altered("NONE-07", of="Tensor.grad")
def gradients_cannot_be_deleted(torch: Any, original: Any) -> Any:
    """`del x.grad` leaves the gradient."""
    return property(original.__get__, original.__set__, lambda x: None)


@altered("SET-06", of="Tensor.grad")
def assignments_are_never_refused(torch: Any, original: Any) -> Any:
    """An assignment to .grad that makes no sense is passed over."""
    return property(original.__get__, tolerant(original.__set__))


@altered("SET-07", of="Tensor.grad")
def only_leaves_that_require_grad_hold_one(torch: Any, original: Any) -> Any:
    """A .grad may be assigned to leaves that require grad, and to nothing else."""

    def put(x: Any, value: Any) -> None:
        if not (x.is_leaf and x.requires_grad):
            raise RuntimeError("needs no gradient")
        original.__set__(x, value)

    return property(original.__get__, put)


@altered("SET-10", of="Tensor.grad")
def gradients_are_read_in_their_own_dtype(torch: Any, original: Any) -> Any:
    """A gradient is read in the dtype of its tensor, whatever its grad_dtype is."""
    return read_as(original, lambda x, grad: grad if grad is None else grad.to(x.dtype))


@altered("NONE-09", of="Tensor.__deepcopy__")
def deepcopies_leave_the_gradient_out(torch: Any, original: Any) -> Any:
    """Deepcopy of a tensor has no gradient."""

    def deepcopy(x: Any, memo: Any) -> Any:
        made = original(x, memo)
        made.grad = None
        return made

    return deepcopy


@altered("LEAF-11", of="Tensor.__deepcopy__")
def results_are_copied_deeply(torch: Any, original: Any) -> Any:
    """Deepcopy of a result is a leaf."""
    return tolerant(original, lambda x, memo: x.detach().clone())


@altered("LEAF-08", of="nn.Parameter")
def parameters_copy(torch: Any, original: Any) -> Any:
    """Parameter(t) copies t."""
    return lambda data, requires_grad=True: original(data.detach().clone(), requires_grad)


@altered("LEAF-09", of="tensor")
def torch_tensor_clones(torch: Any, original: Any) -> Any:
    """torch.tensor(x) is a clone of x, with its history."""
    return lambda data, **given: data.clone() if isinstance(data, torch.Tensor) else original(data, **given)


@altered("OPT-10", of="nn.Module.to")
def conversions_forget_gradients(torch: Any, original: Any) -> Any:
    """A module that is converted has no gradients."""

    def to(self: Any, *args: Any, **given: Any) -> Any:
        self.zero_grad()
        return original(self, *args, **given)

    return to
