"""Rare conjunctions, which random steps hardly ever produce in the right order."""

from __future__ import annotations

from gradlaws.conformance.language.steps import Look, RemoveHook
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import read_once_tree
from gradlaws.strategies.in_place_writes import harmless, recent
from gradlaws.strategies.whole_program_actions import graded, root
from gradlaws.strategies.whole_program_cast import Action, Cast


def error_between_leaves(b: Builder, cast: Cast) -> None:
    """A backward that fails on the way to one leaf, after or before it has served another; then one that works."""
    first, second = b.leaf(), b.leaf()
    cast.extend((first, second))
    factor = b.unary(first, ("exact",))
    spoilt = b.binary(factor, harmless(b, factor))
    end = b.binary(b.total(spoilt), b.total(harmless(b, second)))
    if b.has("register_hook", "hook_removal", "add") and b.entropy.chance(50):
        handle = b.hook(factor, "raise")
        b.backward(end, **_kept(b))
        b.step(Look())
        b.unhook(handle)
    elif b.has("inplace") and b.writable(factor):
        b.drawn_inplace(factor)
        b.backward(end, **_kept(b))
        b.step(Look())
    b.backward(b.total(harmless(b, second)))
    graded(b, cast)


def alias_written_after_backward(b: Builder, cast: Cast) -> None:
    """A graph is used, then something that shares memory with its values is written to, then it is used again."""
    x = b.leaf()
    y = b.unary(x, ("exact", "smooth"))
    end = b.total(b.binary(y, harmless(b, y)))
    b.backward(end, **_kept(b))
    if b.has("detach", "inplace"):
        alias = b.detach(y) if b.entropy.chance(50) else b.view(y)
        if b.writable(alias):
            cast.bypassed.add(b[alias].base)
            b.drawn_inplace(alias)
    b.backward(end)
    b.backward(b.total(harmless(b, y)))
    cast.extend((x, y))
    graded(b, cast)


def modes_abandoned(b: Builder, cast: Cast) -> None:
    """Modes nested, some of them left by an exception, and something computed between each."""
    if not b.has("no_grad"):
        return
    x = recent(b, cast)
    kinds = ("no_grad", "enable_grad") if b.has("enable_grad") else ("no_grad",)
    depth = 1 + b.entropy.below(3)
    for _ in range(depth):
        b.enter(b.entropy.pick(kinds))
        cast.append(harmless(b, x))
    for _ in range(depth):
        b.leave(by_exception=b.entropy.chance(60))
        cast.append(harmless(b, x))


def hooks_removed(b: Builder, cast: Cast) -> None:
    """Several hooks on one tensor, some of them removed between two backwards."""
    tracked = [v for v in cast.tracked(b) if b[v].leaf or b[v].base not in cast.bypassed]
    if not tracked or not b.has("register_hook", "hook_removal", "add", "mul"):
        return
    x = recent(b, tracked)
    if not b[x].leaf:
        cast.retained.add(b[x].base)
    handles = [b.hook(x, b.entropy.pick(("double", "none", "negate"))) for _ in range(2 + b.entropy.below(2))]
    end = b.total(harmless(b, x))
    b.backward(end, **_kept(b))
    for handle in handles:
        if b.entropy.chance(50):
            b.unhook(handle)
    b.backward(end)
    graded(b, cast)


def hooks_that_act(b: Builder, cast: Cast) -> None:
    """A step within backward: a hook that updates its leaf, and may clear the gradient; or a hook that removes itself.

    They are gone before a backward can fail that came by or did not: how far it came, nothing says.
    """
    if not b.has("hook_removal"):
        return
    x = b.leaf()
    y = int(b.must("mul", x, x))
    end = b.total(b.binary(y, harmless(b, x)))
    if b.has("register_post_accumulate_hook", "no_grad", "inplace", "mul_scalar_") and b.entropy.chance(60):
        effect = "clear" if b.has("set_grad") and b.entropy.chance(60) else "none"
        handle = b.hook(x, effect, "post_accumulate", b.update(x))
        b.backward(end)
        b.backward(b.total(b.must("mul", x, b.data(b.shape(x)))))
    elif b.has("register_hook", "add", "mul"):
        handle = b.next_handle()
        b.hook(b.entropy.pick((y, x)), b.entropy.pick(("double", "none")), within=(RemoveHook(handle),))
        b.backward(end, **_kept(b))
        b.backward(end)
    else:
        return
    b.unhook(handle)
    cast.append(x)
    graded(b, cast)


def tree_used_twice(b: Builder, cast: Cast) -> None:
    """A tree that reads each leaf once, through views, differentiated twice: the second adds to the first."""
    end = read_once_tree(b)
    if not b[end].tracked or b[end].leaf:
        return
    seed = b.seed(end)
    b.backward(end, seed, **_kept(b))
    b.backward(end, seed if b.entropy.chance(50) else b.seed(end))
    cast.append(end)
    graded(b, cast)


def retained_and_written(b: Builder, cast: Cast) -> None:
    """A tensor that retains its gradient or has a hook, written to directly or through a view, hooked again."""
    y = harmless(b, b.unary(b.leaf(), ("exact",)))
    cast.retained.add(b[y].base)
    view = b.view(y) if b.entropy.chance(60) else y
    for target in (y, view):
        kind = b.entropy.below(3)
        if kind < 2 and b.has("retain_grad"):
            b.retain(target)
        if kind > 0 and b.has("register_hook", "add", "mul"):
            b.hook(target, b.entropy.pick(("none", "double")))
    written = b.entropy.pick((y, view))
    if b.has("inplace") and b.writable(written):
        b.drawn_inplace(written)
    if b.has("register_hook", "add", "mul") and b.entropy.chance(40):
        b.hook(b.entropy.pick((view, y)), "none")
    end = b.total(b.binary(harmless(b, y), view))
    b.backward(end, **_kept(b))
    if b.entropy.chance(40):
        b.backward(end)
    cast.extend((y, view))
    graded(b, cast)


def failed_then_repeated(b: Builder, cast: Cast) -> None:
    """A backward through a graph that is used up, and after it one through a graph that shares its leaves."""
    start = root(b, cast)
    if not b[start].tracked:
        return
    if b.entropy.chance(70):
        start = int(b.must("mul", start, start))  # most ops need nothing of what a backward frees
    seed = b.seed(start)
    b.backward(start, seed)
    b.backward(start, seed)
    b.step(Look())
    leaves = [v for v in cast.tracked(b) if b[v].leaf]
    if leaves:
        b.backward(b.total(harmless(b, recent(b, leaves))))
    cast.spent.append(start)
    graded(b, cast)


def _kept(b: Builder) -> dict[str, bool]:
    return {"retain_graph": True} if b.has("retain_graph") else {}


CONJUNCTIONS: tuple[Action, ...] = (
    retained_and_written,
    error_between_leaves,
    tree_used_twice,
    alias_written_after_backward,
    modes_abandoned,
    hooks_removed,
    hooks_that_act,
    failed_then_repeated,
)
