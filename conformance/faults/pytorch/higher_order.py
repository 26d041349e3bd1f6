"""PyTorch whose `autograd.grad` minds what it is given otherwise."""

from __future__ import annotations

import warnings
from typing import Any

from gradlaws.conformance.faults.pytorch.alteration import altered, told, tolerant

GRAD = "autograd.grad"


@altered("HO-08", of=GRAD)
def unused_inputs_are_always_allowed(torch: Any, original: Any) -> Any:
    """allow_unused=False is no more than the default."""
    return told(original, allow_unused=None)


@altered("HO-10", "HO-18", of=GRAD)
def what_cannot_be_asked_is_nothing(torch: Any, original: Any) -> Any:
    """Where `autograd.grad` would be an error it returns an empty tuple."""
    return tolerant(original, lambda *args, **given: ())


@altered("HO-13", of=GRAD)
def gradients_always_have_a_history(torch: Any, original: Any) -> Any:
    """With create_graph the gradient of a linear function has a history that leads nowhere."""

    def grad(outputs: Any, inputs: Any, *args: Any, create_graph: bool = False, **given: Any) -> Any:
        found = original(outputs, inputs, *args, create_graph=create_graph, **given)
        return tuple(g + 0 * inputs if create_graph and not g.requires_grad else g for g in found)

    return grad


@altered("HO-15", of="autograd.backward")
def nobody_is_warned_of_cycles(torch: Any, original: Any) -> Any:
    """A backward with create_graph gives no warning."""

    def backward(*args: Any, **given: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            original(*args, **given)

    return backward


@altered("HO-16", of="autograd.backward")
def gradients_never_hold_their_leaf(torch: Any, original: Any) -> Any:
    """create_graph=True creates no graph of gradients."""
    return told(original, create_graph=False)


@altered("HO-17", of=GRAD)
def batches_are_taken_in_reverse(torch: Any, original: Any) -> Any:
    """The products of a batch come in reverse order."""

    def grad(*args: Any, is_grads_batched: bool = False, **given: Any) -> Any:
        found = original(*args, is_grads_batched=is_grads_batched, **given)
        return tuple(g.flip(0) for g in found) if is_grads_batched else found

    return grad


@altered("HO-19", of=GRAD)
def other_inputs_get_their_gradients_too(torch: Any, original: Any) -> Any:
    """only_inputs=False accumulates into all leaves."""

    def grad(outputs: Any, inputs: Any, *args: Any, only_inputs: bool = True, **given: Any) -> Any:
        if not only_inputs:
            outputs.backward(retain_graph=True)
        return original(outputs, inputs, *args, only_inputs=only_inputs, **given)

    return grad


@altered("HO-20", of=GRAD)
def results_are_always_tuples(torch: Any, original: Any) -> Any:
    """A dict of inputs is a list of its values."""

    def grad(outputs: Any, inputs: Any, *args: Any, **given: Any) -> Any:
        listed = list(inputs.values()) if isinstance(inputs, dict) else inputs
        return original(outputs, listed, *args, **given)

    return grad


@altered("HO-21", of=GRAD)
def zeros_never_require_grad(torch: Any, original: Any) -> Any:
    """Zeros for unused inputs do not require grad."""

    def grad(*args: Any, **given: Any) -> Any:
        return tuple(g if g.any() else g.detach() for g in original(*args, **given))

    return grad


@altered("HO-24", of="autograd.graph.get_gradient_edge")
def edges_lead_to_leaves(torch: Any, original: Any) -> Any:
    """The edge of a result is that of the first leaf below it."""

    def edge(x: Any) -> Any:
        node = original(x).node
        while node.next_functions and node.next_functions[0][0] is not None:
            node = node.next_functions[0][0]
        return original(x)._replace(node=node)

    return edge


@altered("HO-25", of="autograd.graph.get_gradient_edge")
def edges_move_with_their_tensor(torch: Any, original: Any) -> Any:
    """An edge is that of the tensor's first value."""
    first: dict[int, Any] = {}
    return lambda x: first.setdefault(id(x), original(x))


@altered("HO-26", of="autograd.graph.get_gradient_edge")
def edges_are_of_their_operands(torch: Any, original: Any) -> Any:
    """The edge of a result is that of its first operand."""
    return lambda x: original(x)._replace(node=original(x).node.next_functions[0][0])
