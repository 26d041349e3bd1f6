"""HOOK: hooks on several tensors, on nodes of the graph and on modules, and the order of all kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlaws.conformance.laws.pytorch.scene import AUTOGRAD, DOCS, NOTES, SOURCE, TESTS, Scene, promise

ORDER = f"{NOTES}#backward-hooks-execution"
MULTI = f"{AUTOGRAD}#torch.autograd.graph.register_multi_grad_hook"
NODE = f"{DOCS}generated/torch.autograd.graph.Node."
REGISTER = f"{DOCS}generated/torch.Tensor.register_hook.html"
TENSOR = f"{SOURCE}/_tensor.py"
MODULE = f"{DOCS}generated/torch.nn.Module.html"
LEAVES = "https://docs.pytorch.org/tutorials/beginner/understanding_leaf_vs_nonleaf_tutorial.html"
WARNING = "not a leaf Tensor is being accessed"


@promise("HOOK-06", f"{SOURCE}/utils/hooks.py", undocumented=True)
def a_handle_is_a_block(s: Scene) -> None:
    """The handle of a hook is a block, at whose end the hook is removed."""
    x = s.leaf()
    y = s.curved(x)
    calls: list[str] = []
    place = s.pick(x, y)
    with place.register_hook(lambda grad: calls.append("hook")):
        y.sum().backward(retain_graph=True)
    y.sum().backward()
    s.equal("the calls of the hook", calls, ["hook"])


@promise("HOOK-12", ORDER)
def hooks_of_all_kinds_run_in_order(s: Scene) -> None:
    """Of a leaf, hooks on the tensor run first, then hooks before its node, then hooks after accumulation, and then
    hooks after its node; of a result the same without the third. Those of one kind run as they were registered.
    """
    x = s.leaf()
    y = s.curved(x)
    events: list[str] = []

    def note(name: str) -> Any:
        return lambda *args: events.append(name)

    place = s.pick(x, y)
    node = s.torch.autograd.graph.get_gradient_edge(place).node
    kinds = {
        "tensor": place.register_hook,
        "before the node": node.register_prehook,
        "after accumulation": place.register_post_accumulate_grad_hook if place is x else None,
        "after the node": node.register_hook,
    }
    wanted = [kind for kind, register in kinds.items() if register is not None]
    for kind in s.pick(wanted, wanted[::-1], wanted[1:] + wanted[:1]):
        for number in (1, 2):
            kinds[kind](note(f"{kind} {number}"))
    y.sum().backward()
    s.equal("the order of the hooks", events, [f"{kind} {number}" for kind in wanted for number in (1, 2)])


@promise("RET-18", ORDER)
def hooks_before_a_node_count_for_retained_gradients(s: Scene) -> None:
    """A retained gradient is taken after the hooks before the tensor's node ran, and so as they changed it."""
    x = s.leaf()
    y = s.torch.square(x)
    y.retain_grad()
    factor = s.pick(10, 3)
    y.grad_fn.register_prehook(lambda grads: (grads[0] * factor,))
    y.sum().backward()
    s.same("x.grad", x.grad, (2 * factor * x).detach())
    s.same("y.grad where a hook before its node scales", y.grad, s.torch.full_like(y, factor).detach())


@promise("HOOK-15", REGISTER, undocumented=True)
def a_hook_that_writes_to_the_gradient_changes_it(s: Scene) -> None:
    """A hook should not modify its argument; where it does so and returns None, what it wrote is the gradient."""
    x = s.leaf()
    v = s.tensor(x.shape)
    factor = s.pick(2, 4)

    def write(grad: Any) -> None:
        grad.mul_(factor)

    x.register_hook(write)
    (x * 2).backward(v)
    s.same("x.grad", x.grad, 2 * factor * v)


@promise("HOOK-19", f"{TESTS} test_post_accumulate_grad_hook_returns_not_None", undocumented=True)
def hooks_after_accumulation_return_nothing(s: Scene) -> None:
    """A hook after accumulation that returns something other than None makes the backward an error."""
    x = s.leaf()
    root = s.curved(x).sum()
    result = s.pick("the gradient", 1)
    x.register_post_accumulate_grad_hook(lambda leaf: leaf.grad if result == "the gradient" else result)
    s.refused("a hook that returns something", root.backward)


# -- hooks on several tensors ---------------------------------------------------------------------------------


def several(s: Scene) -> list[Any]:
    """Two leaves and two results of both."""
    a = s.leaf()
    b = s.leaf(a.shape)
    return [a, b, a * b, a * b * 2]


@promise("HOOK-21", MULTI)
def a_hook_on_several_tensors_gets_all_gradients_at_once(s: Scene) -> None:
    """A hook on several tensors is called once in each backward, with their gradients in order, once the last of
    them is known; None stands for those that got none, since they are no part of the graph, or are not needed for
    the inputs.
    """
    a, b, c, d = several(s)
    shown: list[list[Any]] = []

    def hook(grads: Sequence[Any]) -> None:
        shown.append([None if grad is None else grad.clone() for grad in grads])

    order = s.pick((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1))
    tensors = [(a, b, c, d)[k] for k in order]
    handle = s.torch.autograd.graph.register_multi_grad_hook(tensors, hook)
    want: list[Any] = [b.detach(), a.detach(), s.torch.ones_like(c).detach(), None]
    c.sum().backward(retain_graph=True)
    c.sum().backward(inputs=(a,), retain_graph=True)
    wants = [want, [want[0], None, want[2], None]]
    s.equal("the number of calls", len(shown), 2)
    for got, full in zip(shown, wants, strict=True):
        for k, grad in zip(order, got, strict=True):
            s.same(f"the gradient of tensor {k}", grad, full[k])
    handle.remove()
    c.sum().backward()
    s.equal("the number of calls after remove()", len(shown), 2)


@promise("HOOK-22", MULTI)
def a_hook_on_several_tensors_may_ask_for_the_first_gradient(s: Scene) -> None:
    """With mode="any" the hook is called once in each backward, with the first gradient that is known; any other word
    than "all" and "any" is an error.
    """
    a, b, c, d = several(s)
    shown: list[Any] = []
    graph = s.torch.autograd.graph
    graph.register_multi_grad_hook(
        s.pick((a, b, c, d), (c, a), (b, c)), lambda grad: shown.append(grad.clone()), mode="any"
    )
    for times in (1, 2):
        c.sum().backward(retain_graph=True)
        s.equal(f"the number of calls in {times} backwards", len(shown), times)
    s.same("what the hook was shown", shown[0], s.torch.ones_like(c).detach())
    s.refused("another mode", lambda: graph.register_multi_grad_hook((a, b), print, mode="some"))


@promise("HOOK-23", MULTI)
def a_hook_on_several_tensors_changes_nothing(s: Scene) -> None:
    """What a hook on several tensors returns changes no gradient."""
    a, b, c, _ = several(s)
    mode = s.pick("all", "any")
    s.torch.autograd.graph.register_multi_grad_hook(
        (a, b, c), lambda g: [100 * t for t in g] if mode == "all" else 100 * g, mode=mode
    )
    c.sum().backward()
    s.same("the .grad of the first", a.grad, b.detach())
    s.same("the .grad of the second", b.grad, a.detach())


# -- hooks on nodes -------------------------------------------------------------------------------------------


@promise("HOOK-24", f"{NODE}register_hook.html, {NODE}register_prehook.html")
def hooks_on_nodes_replace_what_goes_in_and_comes_out(s: Scene) -> None:
    """A hook before a node may replace the gradients that go into it, one after it those that come out; one that
    returns None changes nothing, and one that was removed is not called.
    """
    x = s.leaf()
    v = s.tensor(x.shape)
    y = x * 2
    before = s.chance()
    factor = s.pick(3, None, 5)
    shown: list[Any] = []

    def replace(grads: Any) -> Any:
        shown.append(grads[0].clone())
        return None if factor is None else tuple(None if g is None else g * factor for g in grads)

    node = y.grad_fn
    handle = (
        node.register_prehook(replace)
        if before
        else node.register_hook(lambda outgoing, incoming: replace(outgoing))
    )
    y.backward(v, retain_graph=True)
    s.same("x.grad", x.grad, 2 * (factor or 1) * v)
    s.same("what the hook was shown", shown[0], v if before else 2 * v)
    handle.remove()
    x.grad = None
    y.backward(v)
    s.same("x.grad after remove()", x.grad, 2 * v)


@promise("HOOK-25", MODULE)
def hooks_on_modules_replace_what_comes_out(s: Scene) -> None:
    """A full backward hook on a module is shown the gradients of its inputs and outputs, and what it returns replaces
    those of the inputs; a pre-hook is shown those of the outputs first, and what it returns replaces them.
    """
    x = s.leaf((2,))
    v = s.tensor((2,))
    module = s.torch.nn.Module()
    module.forward = lambda t: t * 2
    first, last = s.pick((3, 5), (1, 2), (2, 1))
    events: list[str] = []

    def before(_: Any, outgoing: Any) -> Any:
        events.append("before")
        s.same("what the pre-hook was shown", outgoing[0], v)
        return (outgoing[0] * first,)

    def after(_: Any, incoming: Any, outgoing: Any) -> Any:
        events.append("after")
        s.same("the gradient of the output that the hook was shown", outgoing[0], v * first)
        s.same("the gradient of the input that the hook was shown", incoming[0], 2 * v * first)
        return (incoming[0] * last,)

    module.register_full_backward_pre_hook(before)
    module.register_full_backward_hook(after)
    module(x).backward(v)
    s.equal("the order of the hooks", events, ["before", "after"])
    s.same("x.grad", x.grad, 2 * first * last * v)


# -- warnings -------------------------------------------------------------------------------------------------


@promise("RET-06", LEAVES)
def reading_the_gradient_of_a_result_warns(s: Scene) -> None:
    """Reading the .grad of a result that does not retain it gives None, with a warning."""
    x = s.leaf()
    y = s.curved(x)
    if s.chance():
        y.sum().backward()
    got: list[Any] = []
    s.warns("y.grad", lambda: got.append(y.grad), WARNING)
    s.claim(got == [None], "y.grad", got, [None])


@promise("RET-07", f"{TESTS} test_tensor_grad_warnings", undocumented=True)
def other_readers_are_not_warned(s: Scene) -> None:
    """Reading the .grad of a leaf, or of a result that retains it, gives no warning."""
    x = s.leaf()
    y = s.curved(x)
    y.retain_grad()
    other = s.pick(x, y, x.detach())
    before = s.warned(lambda: other.grad)
    y.sum().backward()
    s.equal("the warnings", before + s.warned(lambda: other.grad), [])
