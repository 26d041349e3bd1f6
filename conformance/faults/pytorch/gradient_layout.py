"""PyTorch whose gradients lie otherwise in memory, or move."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.faults.pytorch.alteration import altered, mended, read_as, told, tolerant


@altered("LAY-01", "LAY-05", of="Tensor.grad")
def gradients_are_contiguous(torch: Any, original: Any) -> Any:
    """Gradients are contiguous, whatever the strides of their leaf."""
    return read_as(original, lambda x, grad: grad if grad is None else grad.contiguous())


@altered("LAY-02", of="Tensor.grad")
def gradients_are_column_major(torch: Any, original: Any) -> Any:
    """Gradients of two dims lie column by column."""
    return read_as(original, lambda x, g: g if g is None or g.dim() != 2 else g.t().contiguous().t())


@altered("LAY-03", of="autograd.backward")
def gradients_get_the_strides_of_their_leaf(torch: Any, original: Any) -> Any:
    """A backward lays every gradient out anew, as its leaf lies."""

    def backward(roots: Any, *args: Any, **options: Any) -> None:
        original(roots, *args, **options)
        for leaf in _leaves(roots):
            grad = torch.empty_like(leaf).copy_(leaf.grad)
            leaf.grad = grad.detach()

    return backward


def _leaves(roots: Any) -> list[Any]:
    """The leaves with a gradient that these roots were computed from."""
    found, seen = [], set()
    waiting = [root.grad_fn for root in (roots if isinstance(roots, list | tuple) else [roots])]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None and variable.grad is not None:
            found.append(variable)
        waiting += [below for below, _ in node.next_functions]
    return found


@altered("LAY-04", of="optim.Optimizer.zero_grad")
def optimizers_lay_zeros_out_row_by_row(torch: Any, original: Any) -> Any:
    """zero_grad of optimizers leaves contiguous zeros."""

    def zero_grad(self: Any, set_to_none: bool = False) -> None:
        for group in self.param_groups:
            for x in group["params"]:
                x.grad = torch.zeros(x.shape, dtype=x.dtype)

    return zero_grad


@mended("LAY-04", of="nn.Parameter.grad")
def clearing_keeps_the_gradient(torch: Any, original: Any) -> Any:
    """To forget the gradient of a parameter is to fill it with zeros."""

    def put(x: Any, value: Any) -> None:
        held = original.__get__(x)
        if value is None and held is not None:
            held.zero_()
        else:
            original.__set__(x, value)

    return property(lambda x: original.__get__(x), put)


@altered("LAY-06", of="Tensor.grad")
def gradients_are_dense(torch: Any, original: Any) -> Any:
    """Sparse gradients are made dense where they are read."""
    return read_as(original, lambda x, grad: grad.to_dense() if grad is not None and grad.is_sparse else grad)


@altered("ACC-03", of="Tensor.grad")
def every_reader_gets_a_copy(torch: Any, original: Any) -> Any:
    """Whoever reads .grad gets a tensor of his own."""
    return read_as(original, lambda x, grad: grad if grad is None else grad.clone())


@altered("ACC-04", of="autograd.backward")
def graphs_of_gradients_are_not_created(torch: Any, original: Any) -> Any:
    """create_graph=True means retain_graph=True, and nothing else."""
    return told(original, create_graph=False)


@altered("ACC-10", of="autograd.backward")
def histories_of_gradients_are_cut(torch: Any, original: Any) -> Any:
    """A plain backward cuts the histories of the gradients that it adds to."""

    def backward(roots: Any, *args: Any, **options: Any) -> None:
        original(roots, *args, **options)
        given = {**dict(zip(("gradients", "retain_graph", "create_graph"), args, strict=False)), **options}
        for leaf in () if given.get("create_graph") else _leaves(roots):
            leaf.grad.detach_()

    return backward


@altered("ACC-11", "ACC-14", of="autograd.backward")
def backwards_that_cannot_add_are_no_error(torch: Any, original: Any) -> Any:
    """A backward that cannot add to a gradient leaves it at that."""
    return tolerant(original)


@altered("RET-08", of="Tensor.retain_grad")
def retained_gradients_are_replaced(torch: Any, original: Any) -> Any:
    """A retained gradient is what the last backward brought."""

    def retain_grad(x: Any) -> None:
        def put(grad: Any) -> None:
            x.grad = grad.clone()

        original(x)
        x.register_hook(put)

    return retain_grad
