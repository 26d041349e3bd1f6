"""SAV: what the ops of a graph save, how long, and the hooks that pack and unpack it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from gradlaws.conformance.laws.pytorch.scene import (
    AUTOGRAD,
    BACKWARD,
    DOCS,
    EXTENDING,
    NOTES,
    TESTS,
    Scene,
    promise,
)

HOOKS = f"{AUTOGRAD}#torch.autograd.graph.saved_tensors_hooks"
SAVING = f"{NOTES}#hooks-for-saved-tensors"
ON_CPU = f"{AUTOGRAD}#torch.autograd.graph.save_on_cpu"
DISABLE = f"{AUTOGRAD}#torch.autograd.graph.disable_saved_tensors_hooks"
TUTORIAL = "https://docs.pytorch.org/tutorials/beginner/basics/autogradqs_tutorial.html"


def hooks(s: Scene, pack: Callable[[Any], Any], unpack: Callable[[Any], Any] = lambda x: x) -> Any:
    """A block in which saved tensors are packed so."""
    return s.torch.autograd.graph.saved_tensors_hooks(pack, unpack)


@promise("SAV-01", HOOKS)
def hooks_pack_what_is_saved_and_unpack_it_when_needed(s: Scene) -> None:
    """The pack hook is called for each tensor that an op saves, at once; the unpack hook when a backward needs it."""
    torch = s.torch
    x, w = s.leaf(), s.leaf(())
    events: list[str] = []

    def pack(t: Any) -> Any:
        events.append("pack")
        return t.detach()

    def unpack(t: Any) -> Any:
        events.append("unpack")
        return t

    saved, build = s.pick((2, lambda: x * w), (1, lambda: x.exp()), (1, lambda: x.sin()), (2, lambda: x / w))
    with hooks(s, pack, unpack):
        y = build()
    s.equal("what the hooks did at the op", events, ["pack"] * saved)
    y.backward(torch.ones_like(y))
    s.equal("what the hooks did by the end of backward", events, ["pack"] * saved + ["unpack"] * saved)


@promise("SAV-02", SAVING)
def gradients_are_computed_from_what_is_unpacked(s: Scene) -> None:
    """The derivative of an op is computed from what the unpack hook returns in place of what was saved."""
    x = s.leaf()
    factor = s.pick(3, 2, 5)
    scale = s.chance()
    with hooks(s, (lambda t: t.detach() * factor) if scale else (lambda t: t.detach()),
               (lambda t: t) if scale else (lambda t: t * factor)):  # fmt: skip
        y = s.torch.square(x)
    y.sum().backward()
    s.same("x.grad", x.grad, (2 * factor * x).detach())


def kinds(s: Scene) -> Any:
    """A block in which what is saved is kept elsewhere, with the same contents."""
    return s.pick(
        lambda: hooks(s, lambda t: t.detach().clone()),
        lambda: hooks(s, lambda t: t.detach().numpy().copy(), s.torch.from_numpy),
        lambda: s.torch.autograd.graph.save_on_cpu(),
    )()


@promise("SAV-03", f"{SAVING}, {ON_CPU}")
def packing_that_keeps_contents_changes_no_gradient(s: Scene) -> None:
    """Where what is unpacked has the contents of what was packed, as with save_on_cpu, gradients are as without
    hooks, those of second order too.
    """
    torch = s.torch
    x = s.leaf()
    build = s.pick(torch.sin, torch.square, torch.exp, lambda t: (t * t).sin())

    def derivatives(y: Any) -> list[Any]:
        (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        return [first, *torch.autograd.grad(first.sum(), x)]

    want = derivatives(build(x))
    with kinds(s):
        y = build(x)
        if s.chance():
            y.sum().backward(retain_graph=True)
            s.same("x.grad", x.grad, want[0])
        got = derivatives(y)
    for order, a, b in zip(("first", "second"), got, want, strict=True):
        s.close(f"the {order} derivative", a.detach(), b.detach())


@promise("SAV-04", HOOKS)
def of_nested_hooks_the_innermost_packs(s: Scene) -> None:
    """In nested blocks of hooks the innermost pair alone is applied, and the outer one again after its block."""
    x = s.leaf()
    inner, outer = s.pick((5, 3), (2, 7), (1, 3))
    with hooks(s, lambda t: t.detach() * outer):
        with hooks(s, lambda t: t.detach() * inner):
            y = s.torch.square(x)
        z = s.torch.square(x)
    y.sum().backward()
    s.same("x.grad by what was saved within", x.grad, (2 * inner * x).detach())
    x.grad = None
    z.sum().backward()
    s.same("x.grad by what was saved after it", x.grad, (2 * outer * x).detach())


@promise("SAV-05", SAVING)
def hooks_are_of_one_thread(s: Scene) -> None:
    """A block of hooks concerns what is saved in its own thread, and no other."""
    x = s.leaf()
    packed: list[Any] = []

    def pack(t: Any) -> Any:
        packed.append(t.shape)
        return t.detach()

    with hooks(s, pack):
        y = s.elsewhere(lambda: s.torch.square(x))
        s.equal("what the hook packed of another thread", packed, [])
        s.torch.square(x)
        s.equal("how often the hook packed here", len(packed), 1)
    y.sum().backward()
    s.same("x.grad", x.grad, (2 * x).detach())


@promise("SAV-06", SAVING)
def packing_writes_nothing_and_unpacking_returns_a_tensor(s: Scene) -> None:
    """A pack hook that writes to its argument is an error; so is an unpack hook that returns no tensor."""
    x = s.tensor().requires_grad_()
    y = x * 2  # a result may be written to

    def record() -> None:
        with hooks(s, lambda t: t.add_(1)):
            s.torch.square(y)

    s.refused("a pack hook that writes to its argument", record)
    with hooks(s, lambda t: t.detach(), lambda t: s.pick(5, None, "tensor")):
        z = s.torch.square(x)
    s.refused("an unpack hook that returns no tensor", lambda: z.sum().backward())


@promise("SAV-07", f"{NOTES}#in-place-correctness-checks")
def packed_tensors_are_guarded_as_saved_ones_are(s: Scene) -> None:
    """With in-place functions and no error, gradients are right: also where hooks pack what is saved."""
    x = s.leaf()
    y = x * 2
    with hooks(s, lambda t: t.detach()):
        z = y * y
    want = (8 * x).detach()
    y.detach().add_(1) if s.chance() else y.add_(1)
    try:
        z.sum().backward()
    except RuntimeError:
        s.claim(True, "an error")
    else:
        s.same("x.grad where what a hook had packed was overwritten", x.grad, want)


@promise("SAV-08", DISABLE)
def hooks_can_be_forbidden(s: Scene) -> None:
    """Within disable_saved_tensors_hooks(message) entering hooks is a RuntimeError with this message."""
    message = s.pick("not here", "no hooks")
    x = s.leaf()

    def enter() -> None:
        with hooks(s, lambda t: t):
            s.torch.square(x)

    with s.torch.autograd.graph.disable_saved_tensors_hooks(message):
        try:
            enter()
        except RuntimeError as error:
            s.claim(message in str(error), "the error", str(error), message)
        else:
            s.claim(False, "hooks where they are forbidden", "accepted", "an error")
    s.allowed("hooks afterwards", enter)


# -- how long -------------------------------------------------------------------------------------------------


@promise("LIFE-04", f"{TUTORIAL}; {TESTS} test_backward_twice_without_saved_values")
def a_graph_is_gone_through_once(s: Scene) -> None:
    """For performance reasons backward can be called only once on a given graph, unless retain_graph=True was passed.

    So says the tutorial; the text of the error says that it is about saved tensors. By the second reading ops that
    save none may be gone through again, and both are accepted: an error, or the same gradient once more.
    """
    x = s.leaf()
    root = s.pick(lambda: x + 1, lambda: -x, lambda: x.reshape(-1), lambda: x.clone())().sum()
    root.backward()
    want = 2 * x.grad
    try:
        root.backward()
    except RuntimeError:
        s.claim(True, "an error")
    else:
        s.same("x.grad after a second backward", x.grad, want)


@promise("LIFE-05", f"{TESTS} test_wrapped_number_saved_tensors_hooks", undocumented=True)
def products_with_numbers_are_gone_through_once(s: Scene) -> None:
    """A product with a Python number, which is saved, cannot be gone through twice without retain_graph."""
    x = s.leaf()
    number = s.pick(2, 0.5, 3)
    root = s.pick(lambda: x * number, lambda: x / number)().sum()
    root.backward()
    s.refused("a second backward", root.backward)


@promise("LIFE-07", f"{BACKWARD} and observed", undocumented=True)
def only_what_was_gone_through_is_freed(s: Scene) -> None:
    """A gradient that is asked for by an intermediate result frees what lies above it, and nothing below."""
    x = s.leaf()
    y = s.curved(x)
    z = s.curved(y)
    s.torch.autograd.grad(z.sum(), y)
    s.allowed("a backward below", lambda: y.sum().backward())
    s.refused("a backward above", lambda: z.sum().backward())


@promise("LIFE-08", f"{EXTENDING} and {TESTS} test_no_unnecessary_unwrapping", undocumented=True)
def saved_tensors_are_read_from_nodes_until_freed(s: Scene) -> None:
    """What an op has saved can be read from its node, and is an error once a backward has freed it."""
    x = s.leaf()
    y = x.exp()
    node, attribute, want = s.pick((y.grad_fn, "_saved_result", y), (x.sin().grad_fn, "_saved_self", x))
    s.same(f"{attribute} before the backward", getattr(node, attribute), want)
    root = y.sum() if attribute == "_saved_result" else None
    if root is None:
        z = x.sin()
        node, root = z.grad_fn, z.sum()
    root.backward()
    s.refused(f"{attribute} after the backward", lambda: getattr(node, attribute))


@promise("LIFE-11", BACKWARD)
def a_backward_lets_go_of_what_was_saved(s: Scene) -> None:
    """After a backward what its ops had saved is let go of, unless retain_graph=True keeps it."""
    x = s.leaf()
    operand = s.tensor(x.shape)
    alive = weakref.ref(operand)
    root = (x * operand).sum()
    del operand
    s.claim(alive() is not None, "a saved operand before the backward", "gone", "there")
    if s.chance():
        root.backward(retain_graph=True)
        s.claim(alive() is not None, "a saved operand after a backward with retain_graph", "gone", "there")
    root.backward()
    s.claim(alive() is None, "a saved operand after the backward", "there", "gone")


@promise(
    "LIFE-13",
    f"{DOCS}generated/torch.autograd.function.FunctionCtx.save_for_backward.html",
    undocumented=True,
)
def what_a_function_keeps_on_its_context_is_not_freed(s: Scene) -> None:
    """A user-defined function that keeps tensors on ctx by itself may be gone through again without retain_graph."""

    class Keeping(s.torch.autograd.Function):  # type: ignore[misc,name-defined]
        @staticmethod
        def forward(ctx: Any, t: Any) -> Any:
            ctx.kept = t.detach()
            return t * t

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return 2 * ctx.kept * grad

    x = s.leaf()
    y = Keeping.apply(x)
    v = s.torch.ones_like(y)
    y.backward(v)
    s.allowed("a second backward", lambda: y.backward(v))
    s.same("x.grad", x.grad, (4 * x).detach())
