"""HOOK: post-accumulate hooks, which run when something was added to the .grad of a leaf, and may go on from there."""

from __future__ import annotations

from gradlaws.conformance.language.steps import Apply, Backward, ZeroGrad
from gradlaws.conformance.laws.functional_gradients import several_leaves
from gradlaws.conformance.laws.hooks import (
    CHANGES,
    DOC,
    EFFECTS,
    FIRED,
    TESTS,
    backwards,
    called,
    gradients,
    hooks,
)
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import graph, over

AFTER = DOC + "generated/torch.Tensor.register_post_accumulate_grad_hook.html"
KIND = "post_accumulate"


def looking(b: Builder) -> None:
    """Post-accumulate hooks on leaves, beside tensor hooks maybe; there may be gradients already."""
    grown = graph(b)
    b.turn()
    if b.has("retain_graph") and b.entropy.chance(40):
        b.backward(grown.root, retain_graph=True)
    for leaf in grown.leaves[: 1 + b.entropy.below(2)]:
        if b.has(*CHANGES) and b.entropy.chance(30):
            b.hook(leaf, b.entropy.pick(EFFECTS))
        for _ in range(1 + b.entropy.below(2)):
            b.hook(leaf, kind=KIND)
    backwards(b, grown.root)


@law("HOOK-16", AFTER, looking, needs=("register_post_accumulate_hook",), after=("ACC-01", "VAL-01"))
def called_after_accumulation(t: Trial) -> None:
    """A post-accumulate hook runs once per backward, with the leaf, when .grad was updated."""
    called(t, KIND)
    for at in t.succeeded(Backward):
        if "same_object" in t.backend.capabilities and at.got.calls:
            answer = at.got.same.get("called with the leaf", True)
            t.claim(answer, "what a post-accumulate hook is called with", "another object", "the leaf", at)


def updating(b: Builder) -> None:
    """A step within backward: hooks that update a leaf, and clear or zero its gradient; then another backward."""
    x = b.leaf()
    others = [b.leaf(b.shape(x)) for _ in range(b.entropy.below(2))]
    b.turn()
    first = over(b, b.must("mul", x, x), *others)
    kinds = [kind for kind, needs in NEEDS.items() if b.has(*needs)]
    kind = b.entropy.pick(kinds) if kinds else "look"
    within = b.update(x) if "step" in kind else (ZeroGrad(x),) if kind == "zero" else ()
    b.hook(x, "clear" if "clear" in kind else "none", KIND, within)
    b.backward(first)
    b.turn()
    b.backward(over(b, b.must("mul", x, b.leaf(b.shape(x)))))


#: What a step within backward may do, and what the engine needs for that.
NEEDS: dict[str, tuple[str, ...]] = {
    "step and clear": ("no_grad", "inplace", "mul_scalar_", "set_grad"),
    "clear": ("set_grad",),
    "step": ("no_grad", "inplace", "mul_scalar_"),
    "zero": ("zero_grad",),
}


@law(
    "HOOK-17",
    f"{AFTER}; {TESTS} test_post_accumulate_grad_hook_e2e",
    updating,
    needs=("register_post_accumulate_hook", "set_grad", "mul"),
    after=("HOOK-16", "ACC-01", "VAL-01", "INP-03"),
)
def a_step_within_backward(t: Trial) -> None:
    """A post-accumulate hook may update its leaf in place, and edit or clear the leaf's gradient: both stay."""
    for at in t.outcomes(Backward):
        t.allowed(at)
    updated = next((at.index for at in t.at(Backward)), 0)
    for at in t.succeeded(Apply, Backward):
        if at.index < updated:
            continue
        for var in (*at.step.outs, *(hook.x for hook in hooks(t, at, KIND))):
            if var in at.got.seen and var in at.want.seen:
                t.value(at, var)
    gradients(t)


def on_no_leaf(b: Builder) -> None:
    """A post-accumulate hook on a non-leaf, or on a tensor that does not require grad."""
    grown = graph(b)
    b.turn()
    plain = b.has("constants") and b.entropy.chance(40)
    b.hook(b.data() if plain else b.entropy.pick((grown.root, *grown.inner)), kind=KIND)
    b.backward(grown.root)


@law("HOOK-18", AFTER, on_no_leaf, needs=("register_post_accumulate_hook",))
def only_on_leaves(t: Trial) -> None:
    """A post-accumulate hook on anything but a leaf that requires grad is an error."""
    for _ in t.raises():
        pass


def nothing_added(b: Builder) -> None:
    """Post-accumulate hooks where gradients are returned instead of added, or are added to other leaves only."""
    grown = several_leaves(b)
    b.turn()
    for leaf in grown.leaves[:3]:
        b.hook(leaf, kind=KIND)
    kind = b.entropy.below(5)
    if b.has("autograd_grad") and kind < 2:
        b.grad((grown.root,), grown.leaves[: 1 + b.entropy.below(2)])
    elif b.has("inputs") and kind < 4:
        b.backward(grown.root, inputs=(b.entropy.pick((*grown.leaves, *grown.inner)),))
    else:
        if b.has("set_requires_grad") and b.entropy.chance(25):
            b.require(grown.leaves[0], False)
        other = b.unary(b.leaf(), ("exact",))
        b.backward(grown.root if not b[grown.leaves[0]].tracked else other)


@law(
    "HOOK-20",
    f"{FIRED}; {TESTS} test_accumulate_grad_posthooks_should_not_execute",
    nothing_added,
    needs=("register_post_accumulate_hook",),
)
def silent_where_nothing_is_added(t: Trial) -> None:
    """A post-accumulate hook stays silent where nothing is accumulated: in `autograd.grad`, and outside of inputs=."""
    called(t, KIND)
