"""HOOK: registering and removing tensor hooks."""

from __future__ import annotations

from gradlaws.conformance.language.steps import Apply, RemoveHook, Var
from gradlaws.conformance.laws.hooks import (
    CHANGES,
    EFFECTS,
    HOOK,
    anywhere,
    called,
    gradients,
)
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import graph
from gradlaws.strategies.in_place_writes import harmless


def removed(b: Builder) -> None:
    """Hooks removed before or between backwards, some twice, or by a hook: itself, or one that is still to run."""
    grown = graph(b)
    b.turn()
    x = b.entropy.pick(anywhere(grown))
    handles = [b.hook(x, b.entropy.pick(EFFECTS)) for _ in range(2 + b.entropy.below(2))]
    kind = b.entropy.below(4)
    if kind == 1:
        b.hook(x, within=(RemoveHook(b.next_handle()),))
    elif kind == 2 and b[x].leaf and grown.inner:
        late = [v for v in grown.inner if x in ancestors(b, v)]
        if late:
            b.hook(late[-1], within=(RemoveHook(b.entropy.pick(handles)),))
    elif kind == 3:
        b.hook(x, within=(RemoveHook(handles[0]),))
    for again in range(2 if b.has("retain_graph") else 1):
        if b.entropy.chance(60 if again else 30):
            gone = b.entropy.pick(handles)
            b.unhook(gone)
            if b.entropy.chance(30):
                b.unhook(gone)
        b.backward(grown.root, **({"retain_graph": True} if b.has("retain_graph") else {}))


def ancestors(b: Builder, x: Var) -> set[Var]:
    """What a tensor was computed from."""
    found = {x}
    for step in reversed(b.steps):
        if isinstance(step, Apply) and not found.isdisjoint(step.outs):
            found.update(step.uses())
    return found - {x}


@law(
    "HOOK-05",
    HOOK,
    removed,
    needs=(*CHANGES, "hook_removal"),
    after=("HOOK-01", "HOOK-02", "HOOK-03", "HOOK-04"),
)
def a_removed_hook_runs_no_more(t: Trial) -> None:
    """A removed hook runs no more; removing it twice is harmless, and the others stay."""
    for at in t.outcomes(RemoveHook):
        t.allowed(at)
    called(t)


def without_history(b: Builder) -> None:
    """A hook on what does not require grad: a constant, its result, a copy without history, a result of no_grad."""
    grown = graph(b)
    b.turn()
    kind = b.entropy.below(5)
    chosen = b.data()
    if kind == 1:
        chosen = b.unary(chosen)
    elif kind == 2 and b.has("detach"):
        chosen = b.detach(b.entropy.pick((grown.root, *grown.inner)))
    elif kind == 3 and b.has("no_grad"):
        b.enter("no_grad")
        chosen = harmless(b, grown.root)
        b.leave()
    elif kind == 4 and b.has("integer"):
        chosen = b.data(dtype="int64")
    b.hook(chosen)
    b.backward(grown.root)


@law("HOOK-07", HOOK, without_history, needs=("constants", "register_hook"))
def a_hook_needs_a_history(t: Trial) -> None:
    """A hook on a tensor that does not require grad is an error."""
    for _ in t.raises():
        pass


def late(b: Builder) -> None:
    """Hooks on leaves, registered when the graph is recorded already, or was used already."""
    grown = graph(b)
    b.turn()
    if b.has("retain_graph") and b.entropy.chance(40):
        b.backward(grown.root, retain_graph=True)
    for leaf in grown.leaves[: 1 + b.entropy.below(2)]:
        b.hook(leaf, b.entropy.pick(EFFECTS))
    b.backward(grown.root)


@law("HOOK-14", HOOK, late, needs=CHANGES, after=("HOOK-01", "HOOK-03"))
def a_late_hook_on_a_leaf_acts(t: Trial) -> None:
    """A hook on a leaf acts although the graph was recorded before it was registered."""
    called(t)
    gradients(t)
