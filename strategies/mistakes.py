"""Mistakes made on purpose: calls that must be refused."""

from __future__ import annotations

from gradlaws.conformance.language.steps import NOT_A_TENSOR, Backward, Var
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.in_place_writes import harmless, recent
from gradlaws.strategies.whole_program_actions import one_graded, root
from gradlaws.strategies.whole_program_cast import Action, Cast


def no_argument(b: Builder, cast: Cast) -> None:
    """A backward without gradient argument from whatever there is."""
    b.step(Backward((cast.someone(b),)))


def argument_of_wrong_shape(b: Builder, cast: Cast) -> None:
    """A gradient argument of another shape, or no tensor at all."""
    start = root(b, cast)
    if b[start].tracked and b.has("gradient_argument"):
        wrong = NOT_A_TENSOR if b.entropy.chance(20) else b.data((*b.shape(start), 1))
        b.step(Backward((start,), (wrong,)))


def used_up(b: Builder, cast: Cast) -> None:
    """A backward from where one was that did not keep the graph."""
    if cast.spent:
        start = recent(b, cast.spent)
        b.backward(start)


def untracked_root(b: Builder, cast: Cast) -> None:
    """A backward from a tensor that does not require grad."""
    found = [v for v in cast if not b[v].tracked]
    if found:
        b.backward(recent(b, found))


def write_to_leaf(b: Builder, cast: Cast) -> None:
    """An in-place op on a leaf that requires grad, or on a view of one."""
    found = [v for v in cast if b.refused(v) and not b[v].sealed]
    if found and b.has("inplace"):
        b.drawn_inplace(recent(b, found))


def wrong_gradient(b: Builder, cast: Cast) -> None:
    """A tensor of another shape, or a number, assigned to `.grad`."""
    if b.has("set_grad"):
        x = one_graded(b, cast)
        b.set_grad(x, None if b.entropy.chance(30) else b.data((*b.shape(x), 2)))


def untracked_asks(b: Builder, cast: Cast) -> None:
    """retain_grad(), or a hook, on a tensor that does not require grad; a hook for leaves on a non-leaf."""
    loose = [v for v in cast if not b[v].tracked]
    inner = cast.inner(b)
    if loose and b.has("retain_grad") and b.entropy.chance(50):
        b.retain(recent(b, loose))
    elif loose and b.has("register_hook"):
        b.hook(recent(b, loose))
    elif inner and b.has("register_post_accumulate_hook"):
        b.hook(recent(b, inner), "none", "post_accumulate")


def flag_of_a_non_leaf(b: Builder, cast: Cast) -> None:
    """`requires_grad_(False)` on a non-leaf, `detach_()` on a view."""
    inner = cast.inner(b)
    if inner and b.has("set_requires_grad") and b.entropy.chance(60):
        x = recent(b, inner)
        b.require(x, False)
        b[x].tracked = True
    elif b.has("detach_inplace"):
        views = [v for v in cast if b[v].base != v and b[v].kin != v and not b[v].sealed]
        if views:
            x = recent(b, views)
            before = (b[x].tracked, b[x].leaf, b[x].kin)
            b.detach_(x)
            b[x].tracked, b[x].leaf, b[x].kin = before


def wrong_effect(b: Builder, x: Var) -> str:
    """The effect of a hook on x that returns a gradient of another shape or dtype, or no tensor."""
    effects = ["number", "unsqueeze", *["sum"] * bool(b.shape(x)), *["cast"] * b.has("float32", "float64")]
    return b.entropy.pick(effects)


def wrong_hook(b: Builder, cast: Cast) -> None:
    """A hook that returns what does not fit, on what a backward comes through."""
    tracked = [v for v in cast.tracked(b) if b[v].leaf or b[v].base not in cast.bypassed]
    floats = [v for v in tracked if b[v].value.dtype.kind == "f"]
    if floats and b.has("register_hook", "hook_removal"):
        x = recent(b, floats)
        if not b[x].leaf:
            cast.retained.add(b[x].base)
        handle = b.hook(x, wrong_effect(b, x))
        b.backward(b.total(harmless(b, x)))
        b.unhook(handle)


#: Of a hundred actions that are not rare conjunctions, how many are mistakes.
SHARE = 6


MISTAKES: tuple[Action, ...] = (
    no_argument,
    argument_of_wrong_shape,
    used_up,
    untracked_root,
    write_to_leaf,
    wrong_gradient,
    untracked_asks,
    flag_of_a_non_leaf,
    wrong_hook,
)


def mistake(b: Builder, cast: Cast) -> None:
    """Some mistake."""
    b.entropy.pick(MISTAKES)(b, cast)
