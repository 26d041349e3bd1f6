"""HOOK: where tensor hooks act: in `autograd.grad`, and after in-place writes."""

from __future__ import annotations

from gradlaws.conformance.language.steps import Backward, Grad
from gradlaws.conformance.laws.functional_gradients import several_leaves
from gradlaws.conformance.laws.hooks import (
    CHANGES,
    EFFECTS,
    FIRED,
    TESTS,
    WRITTEN,
    backwards,
    below,
    called,
    gradients,
    hooks,
)
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import graph, over
from gradlaws.strategies.in_place_writes import harmless

# -- where a hook is called ----------------------------------------------------------------------------------


def asked(b: Builder) -> None:
    """Hooks, mostly on what `autograd.grad` is asked about, which change it or look at it."""
    grown = graph(b)
    b.turn()
    found = below(grown)
    inputs = tuple(dict.fromkeys(b.entropy.pick(found) for _ in range(1 + b.entropy.below(2))))
    for x in (inputs[0], *(b.entropy.pick(found) for _ in range(b.entropy.below(2)))):
        b.hook(x, b.entropy.pick(EFFECTS))
    b.grad((grown.root,), inputs)


@law(
    "HOOK-10",
    FIRED,
    asked,
    needs=(*CHANGES, "autograd_grad"),
    after=("HO-01", "HO-02", "HO-03"),
    stored=False,
)
def hooks_of_what_is_asked_about_run(t: Trial) -> None:
    """Hooks of the tensors that `autograd.grad` is asked about run, and what they return counts."""
    for at in t.succeeded(Grad):
        for hook in hooks(t, at):
            if hook.x in at.step.inputs:
                t.calls(at, hook)
        for out in at.step.outs:
            if out in at.got.seen and out in at.want.seen:
                t.value(at, out)


def unneeded(b: Builder) -> None:
    """A gradient asked for by `autograd.grad` or inputs=, and hooks on tensors that it does not need."""
    grown = several_leaves(b)
    b.turn()
    found = below(grown)
    x = b.entropy.pick(found)
    others = [v for v in found if v != x]
    for v in {b.entropy.pick(others) for _ in range(3)}:
        b.hook(v, b.entropy.pick(("none", "double")) if b.has("add") else "none")
    if b.has("inputs") and (not b.has("autograd_grad") or b.entropy.chance(40)):
        b.backward(grown.root, inputs=(x,))
    elif b.has("autograd_grad"):
        b.grad((grown.root,), (x,))
    else:
        b.backward(x if b[x].tracked else grown.root)


@law(
    "HOOK-11",
    f"{FIRED}; {TESTS} test_hook_edge_case_when_called_with_grad",
    unneeded,
    needs=("register_hook",),
)
def other_hooks_stay_silent(t: Trial) -> None:
    """Hooks of tensors that the gradients asked for do not need stay silent."""
    for at in t.succeeded(Backward, Grad):
        for hook in hooks(t, at):
            if not any(handle == hook.handle for handle, _ in at.want.calls):
                t.calls(at, hook)


# -- in-place writes -----------------------------------------------------------------------------------------


def hooked_and_written(b: Builder) -> None:
    """Hooks on a tensor before and after it is written to, itself or through a view, or unrecorded on a leaf."""
    if b.has("no_grad") and b.entropy.chance(15):
        x = b.leaf()
        b.hook(x, b.entropy.pick(EFFECTS))
        b.enter("no_grad")
        b.drawn_inplace(x)
        b.leave()
        b.backward(over(b, x))
        return
    y = harmless(b, b.unary(b.leaf(), ("exact",)))
    y = b.view(y) if b.has("views") and b.entropy.chance(12) else y
    b.turn()
    b.hook(y, b.entropy.pick(EFFECTS))
    for _ in range(1 + b.entropy.below(2)):
        target = b.view(y) if b.has("views") and b.entropy.chance(20) else y
        if b.writable(target):
            b.drawn_inplace(target)
        b.turn()
        b.hook(y, b.entropy.pick(EFFECTS))
    backwards(b, over(b, y))


@law(
    "HOOK-13",
    WRITTEN,
    hooked_and_written,
    needs=(*CHANGES, "inplace"),
    after=("HOOK-01", "HOOK-03", "INP-08"),
)
def hooks_stay_with_the_value(t: Trial) -> None:
    """Hooks registered before an in-place op see the gradient of the old value, later ones that of the new."""
    called(t)
    gradients(t)
