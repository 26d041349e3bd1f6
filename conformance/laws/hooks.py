"""HOOK: tensor hooks are shown gradients as they are computed, and may replace them; others run after accumulation."""

from __future__ import annotations

from collections.abc import Sequence

from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import CHANGING, Apply, Backward, Grad, Hook, Var
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import At, Trial
from gradlaws.conformance.reference.outcomes import MustRaise
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import Graph, diamond, graph, over, twice
from gradlaws.strategies.mistakes import wrong_effect

DOC = "https://docs.pytorch.org/docs/2.13/"
HOOK = DOC + "generated/torch.Tensor.register_hook.html"
NOTES = DOC + "notes/autograd.html#backward-hooks-execution"
FIRED = DOC + "notes/autograd.html#whether-a-particular-hook-will-be-fired"
ORDER = DOC + "notes/autograd.html#the-order-in-which-the-different-hooks-are-fired"
WRITTEN = DOC + "notes/autograd.html#behavior-of-tensor-hooks-when-tensor-is-modified-in-place"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"
EFFECTS = (*CHANGING, "none", "same")
#: What hooks that change gradients compute with.
CHANGES = ("register_hook", "add", "mul")


def hooks(t: Trial, at: At, kind: str = "tensor") -> list[Hook]:
    """The hooks of a kind that were registered before a step."""
    return [s for s in t.program.steps[: at.index] if isinstance(s, Hook) and s.kind == kind]


def called(t: Trial, kind: str = "tensor") -> None:
    """Assert all calls of all hooks of a kind."""
    for at in t.succeeded(Backward, Grad):
        for hook in hooks(t, at, kind):
            t.calls(at, hook)


def gradients(t: Trial) -> None:
    """Assert the gradients of all leaves after each backward."""
    for at in t.succeeded(Backward):
        for var in t.leaves(at):
            t.grad(at, var)


def backwards(b: Builder, root: Var, most: int = 2) -> None:
    """One backward, or some through the same graph."""
    if b.has("retain_graph"):
        for _ in range(b.entropy.below(most)):
            b.backward(root, retain_graph=True)
    b.backward(root)


def below(grown: Graph) -> tuple[Var, ...]:
    """What may have a hook: whether one on the root runs where no gradient is asked for there is nowhere said."""
    return (*grown.leaves, *grown.inner)


def anywhere(grown: Graph) -> tuple[Var, ...]:
    """What may have a hook where gradients go to all leaves, the root included."""
    return (*grown.leaves, *grown.inner, grown.root)


def several_results(b: Builder, spared: int = 0) -> Graph:
    """A graph over the results of an op that has several, all of them used; or, in some of a hundred, all but one."""
    rows = [row for row in b.vocabulary.rows if row.many]
    x = b.leaf(b.entropy.pick(((2,), (4,), (2, 2), (3,), (3, 2))))
    source = b.unary(x, ("exact",)) if b.entropy.chance(50) else x
    made = b.drawn(b.entropy.pick(rows), source) if rows else None
    if made is None:
        return graph(b)
    results = tuple(made)
    used = results[1:] if len(results) > 1 and b.entropy.chance(spared) else results
    b.turn()
    return Graph(over(b, *used, x), (x,), results)


# -- when a hook is called -----------------------------------------------------------------------------------


def watched(b: Builder) -> None:
    """Hooks that only look, on tensors of a graph, some of them forgotten, or on several results of one op."""
    several = b.entropy.chance(35)
    grown = several_results(b, 20) if several else graph(b)
    b.turn()
    found = grown.inner if several else anywhere(grown)
    for x in found if several else {b.entropy.pick(found) for _ in range(1 + b.entropy.below(2))}:
        b.hook(x)
        if x in grown.inner and b.entropy.chance(15):
            b.forget(x)
    backwards(b, grown.root, 3)


@law("HOOK-01", HOOK, watched, needs=("register_hook",))
def called_with_each_gradient(t: Trial) -> None:
    """A hook is called each time a gradient with respect to its tensor is computed, and shown that gradient."""
    called(t)


def used_often(b: Builder) -> None:
    """A hook on a tensor that is used more than once, by one root or by two, or is a root, too, or listed twice."""
    if b.entropy.chance(5):
        leaf = b.leaf()
        b.hook(leaf)
        b.backward(leaf)
        return
    grown = graph(b, diamond, twice)
    uses = [v for step in b.steps if isinstance(step, Apply) for v in dict.fromkeys(step.uses())]
    doubled = {
        v for step in b.steps if isinstance(step, Apply) for v in step.uses() if step.uses().count(v) > 1
    }
    often = [v for v in below(grown) if uses.count(v) > 1 or v in doubled] or list(below(grown))
    x = b.entropy.pick(often)
    b.turn()
    b.hook(x)
    if b.has("backward_many", "gradient_argument") and b.entropy.chance(30):
        other = grown.root if b.has("order") and b.entropy.chance(50) else over(b, x)
        other = x if not b[x].leaf and b.entropy.chance(30) else other
        b.backward_many((grown.root, other))
    else:
        b.backward(grown.root)


@law("HOOK-02", NOTES, used_often, needs=("register_hook",), after=("HOOK-01",))
def called_once_with_the_sum(t: Trial) -> None:
    """A hook is called once per backward, with the sum over all uses of its tensor."""
    called(t)


# -- what a hook returns -------------------------------------------------------------------------------------


def changed(b: Builder) -> None:
    """Hooks that change gradients, or leave them, on one tensor or on several."""
    grown = several_results(b) if b.entropy.chance(20) else graph(b)
    b.turn()
    for x in dict.fromkeys(b.entropy.pick(anywhere(grown)) for _ in range(1 + b.entropy.below(3))):
        b.hook(x, b.entropy.pick(EFFECTS))
    if b.has("inputs") and b.entropy.chance(15):
        b.backward(grown.root, inputs=grown.leaves[: 1 + b.entropy.below(2)])
    else:
        backwards(b, grown.root)


@law("HOOK-03", HOOK, changed, needs=CHANGES, after=("HOOK-01", "HOOK-02"))
def what_is_returned_replaces_the_gradient(t: Trial) -> None:
    """What a hook returns replaces the gradient for everything below and for .grad; None leaves it."""
    called(t)
    gradients(t)


def one_after_the_other(b: Builder) -> None:
    """Several hooks on one tensor, by which it matters in which order they run; among them hooks on another."""
    grown = graph(b)
    b.turn()
    x = b.entropy.pick(anywhere(grown))
    if b.has("register_post_accumulate_hook") and b[x].leaf and b.entropy.chance(40):
        b.hook(x, kind="post_accumulate")
        b.hook(x, kind="post_accumulate")
    for effect in b.entropy.pick((("increment", "double"), ("double", "increment"), ("negate", "increment"))):
        b.hook(x, effect)
        if b.entropy.chance(25):
            b.hook(b.entropy.pick(anywhere(grown)), b.entropy.pick(EFFECTS))
    if b.entropy.chance(50):
        b.hook(x, b.entropy.pick(EFFECTS))
    backwards(b, grown.root)


@law("HOOK-04", ORDER, one_after_the_other, needs=CHANGES, after=("HOOK-01", "HOOK-02", "HOOK-03"))
def in_the_order_of_registration(t: Trial) -> None:
    """Hooks on one tensor run in the order of their registration, and each sees what the one before it made."""
    for at in t.succeeded(Backward):
        for x, got, want in t.orders(at.got, at.want):
            t.claim(got == want, f"the order of the hooks on {name(x)}", got, want, at)
    called(t)


def wrong_answers(b: Builder) -> None:
    """A hook that returns a gradient of another shape or dtype, or no tensor, maybe after one that does not."""
    grown = graph(b)
    b.turn()
    x = b.entropy.pick(anywhere(grown))
    if b.entropy.chance(25):
        b.hook(x, "none")
    b.hook(x, wrong_effect(b, x))
    if b.has("autograd_grad") and b.entropy.chance(25):
        b.grad((grown.root,), (x,))
    else:
        b.backward(grown.root)


@law("HOOK-08", HOOK, wrong_answers, needs=("register_hook",), after=("HOOK-01", "HOOK-03"))
def a_wrong_answer_is_refused(t: Trial) -> None:
    """A hook that returns anything but None or a tensor of the gradient's shape and dtype is an error."""
    for _ in t.raises():
        pass


def raising(b: Builder) -> None:
    """A hook that raises, on a tensor through which a leaf is reached, or after accumulation."""
    grown = graph(b)
    other = b.leaf(b.shape(grown.root))
    root = b.binary(grown.root, other) if b.entropy.chance(40) else grown.root
    b.turn()
    x = b.entropy.pick(anywhere(grown))
    if b.has("retain_graph") and b.entropy.chance(40):
        b.backward(root, retain_graph=True)
    if b.entropy.chance(25):
        b.hook(x)
    after = b.has("register_post_accumulate_hook") and b[x].leaf and b.entropy.chance(40)
    b.hook(x, "raise", "post_accumulate" if after else "tensor")
    b.backward(root)


def beside(t: Trial, at: At, stops: Sequence[Var]) -> set[Var]:
    """What the roots of a backward are computed from, as far as one gets without passing through some tensors."""
    found = set(at.step.roots) - set(stops)
    for step in reversed(t.program.steps[: at.index]):
        if isinstance(step, Apply) and not found.isdisjoint(step.outs):
            found.update(v for v in step.uses() if v not in stops)
    return found


@law("HOOK-09", HOOK, raising, needs=("register_hook",), after=("HOOK-01",))
def an_error_in_a_hook_comes_out(t: Trial) -> None:
    """An error raised in a hook reaches the caller as it is, and no leaf behind the hook receives a gradient."""
    for at in t.outcomes(Backward):
        if at.want.raised is None:
            continue
        error, said = at.got.raised, type(at.want.raised).__name__
        t.claim(error is not None, t.quoted(at.index), "accepted", "an error", at)
        got = type(error).__name__
        # A reference that deviates may have an error of its own there, of whatever type.
        t.claim(
            got == said or isinstance(at.want.raised, MustRaise),
            t.quoted(at.index, " raises what"),
            got,
            said,
            at,
        )
        stops = [hook.x for hook in hooks(t, at) if hook.effect == "raise"]
        reached = beside(t, at, stops)
        for var in t.leaves(at):
            before = t.before(at, var)
            if var not in reached and before is not None:
                t.equal(f"{name(var)}.grad", at.got.seen[var].grad, before.grad, at)
