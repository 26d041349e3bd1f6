"""RET: retain_grad. A non-leaf that was asked to keeps its gradient, and nothing else changes."""

from __future__ import annotations

from collections.abc import Iterator

from gradlaws.conformance.language.steps import Apply, Backward, RetainGrad, Var
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import At, Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import bystanders, graph
from gradlaws.strategies.in_place_writes import harmless

DOC = "https://docs.pytorch.org/docs/2.13/"
METHOD = DOC + "generated/torch.Tensor.retain_grad.html"
FLAG = DOC + "generated/torch.Tensor.retains_grad.html"
LEAVES = "https://docs.pytorch.org/tutorials/beginner/understanding_leaf_vs_nonleaf_tutorial.html"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"


def retaining(at: At) -> Iterator[Var]:
    """The tensors that keep their gradient at this step, as the reference has it."""
    return (v for v, seen in at.want.seen.items() if seen.retains)


def asked(t: Trial, at: At) -> list[Var]:
    """The tensors on which retain_grad() was called before this step, once for each call."""
    return [m.step.x for m in t.got.moments[: at.index] if isinstance(m.step, RetainGrad) and not m.raised]


def onwards(b: Builder, x: Var) -> Var:
    """A tensor computed from x by an op or two, which may use it more than once."""
    end = b.unary(x)
    for _ in range(b.entropy.below(3)):
        b.turn()
        end = b.binary(end, x) if b.entropy.chance(40) else b.unary(end)
    return end


def once_or_twice(b: Builder, root: Var) -> None:
    """One backward, or two through the same graph."""
    if b.has("retain_graph") and b.entropy.chance(30):
        b.backward(root, retain_graph=True)
    b.backward(root)


# -- the method ----------------------------------------------------------------------------------------------


def some_retain(b: Builder) -> None:
    """Some of the tensors of a graph retain their gradient, early or late."""
    grown = graph(b)
    chosen = b.entropy.pick((*grown.inner, grown.root))
    b.retain(chosen)
    root = onwards(b, grown.root) if b.entropy.chance(60) else grown.root
    b.turn()
    if b.entropy.chance(40):
        b.retain(b.entropy.pick((*grown.inner, grown.root)))
    bystanders(b, grown)
    b.turn()
    once_or_twice(b, root)


@law("RET-01", METHOD, some_retain, level="core", needs=("retain_grad",), after=("VAL-01",), stored=False)
def a_retaining_tensor_gets_its_gradient(t: Trial) -> None:
    """Once a non-leaf was told to retain its gradient, a backward puts it into .grad."""
    for at in t.succeeded(Backward):
        for var in retaining(at):
            t.grad(at, var)


def leaves_retain(b: Builder) -> None:
    """retain_grad() on leaves, before or after their use, once or several times."""
    early = b.leaf(tracked=True)
    if b.entropy.chance(50):
        b.retain(early)
    grown = graph(b)
    for _ in range(1 + b.entropy.below(2)):
        b.retain(b.entropy.pick((*grown.leaves, early)))
    b.turn()
    root = b.binary(grown.root, early) if b.entropy.chance(40) else grown.root
    once_or_twice(b, root)


@law(
    "RET-02",
    METHOD,
    leaves_retain,
    level="core",
    needs=("retain_grad",),
    after=("VAL-01", "ACC-01"),
    stored=False,
)
def a_leaf_has_nothing_to_retain(t: Trial) -> None:
    """On a leaf retain_grad() does nothing: the leaf is not marked, and its gradient arrives once."""
    for at in t.succeeded(RetainGrad):
        if at.want.seen[at.step.x].is_leaf:
            t.flag(at, at.step.x, "retains")
    for at in t.succeeded(Backward):
        for var in sorted(set(asked(t, at)) & set(t.leaves(at))):
            t.grad(at, var)


def all_sorts_retain(b: Builder) -> None:
    """retain_grad() on leaves, inner tensors, views and roots; some tensors are left alone."""
    grown = graph(b)
    others = (*grown.leaves, *grown.inner, grown.root)
    for _ in range(1 + b.entropy.below(3)):
        b.retain(b.entropy.pick(others))
    b.turn()
    bystanders(b, grown)
    if b.entropy.chance(40):
        b.backward(grown.root)


@law("RET-03", FLAG, all_sorts_retain, level="core", needs=("retain_grad", "retains_grad"))
def the_flag_tells_who_retains(t: Trial) -> None:
    """retains_grad is True for the non-leaves on which retain_grad() was called, and False for all others."""
    for at in t.succeeded(RetainGrad, Backward):
        for var in at.want.seen:
            t.flag(at, var, "retains")


def told_again(b: Builder) -> None:
    """retain_grad() two or three times on the same tensor, perhaps with a backward in between."""
    grown = graph(b)
    chosen = b.entropy.pick((*grown.inner, grown.root))
    b.retain(chosen)
    root = onwards(b, grown.root) if b.entropy.chance(40) else grown.root
    b.turn()
    if b.has("retain_graph") and b.entropy.chance(30):
        b.backward(root, retain_graph=True)
    for _ in range(1 + b.entropy.below(2)):
        b.retain(chosen)
    b.backward(root)


@law("RET-04", f"{TESTS} test_retain_grad; {LEAVES}", told_again, level="core",
     needs=("retain_grad",), after=("RET-01",), stored=False)  # fmt: skip
def retaining_twice_is_retaining_once(t: Trial) -> None:
    """Calling retain_grad() again on the same tensor changes nothing: its gradient is not counted twice."""
    for at in t.succeeded(Backward):
        calls = asked(t, at)
        for var in retaining(at):
            if calls.count(var) > 1:
                t.grad(at, var)


def untracked_retain(b: Builder) -> None:
    """retain_grad() on constants, detached tensors, and results of no_grad, beside a tracked graph."""
    grown = graph(b)
    b.turn()
    kind = b.entropy.below(4)
    chosen = b.data()
    if kind == 1:
        chosen = b.unary(chosen)
    elif kind == 2 and b.has("detach"):
        chosen = b.detach(grown.root)
    elif kind == 3 and b.has("no_grad"):
        b.enter("no_grad")
        chosen = harmless(b, grown.root)
        b.leave()
    b.turn()
    b.retain(chosen)
    b.backward(grown.root)


@law("RET-05", LEAVES, untracked_retain, level="core", needs=("retain_grad",))
def what_is_not_tracked_cannot_retain(t: Trial) -> None:
    """It is an error to call retain_grad() on a tensor that does not require grad."""
    for at in t.raises():
        t.flag(at, at.step.x, "retains")


# -- when it takes effect ------------------------------------------------------------------------------------


def too_late(b: Builder) -> None:
    """A backward, then retain_grad() on what it went through, then perhaps another one."""
    grown = graph(b)
    keep = b.has("retain_graph") and b.entropy.chance(60)
    chosen = b.entropy.pick((*grown.inner, grown.root))
    b.backward(grown.root, **({"retain_graph": True} if keep else {}))
    b.turn()
    b.retain(chosen)
    if keep:
        b.backward(grown.root)


@law("RET-10", METHOD, too_late, level="core", needs=("retain_grad",))
def retaining_is_not_retroactive(t: Trial) -> None:
    """What earlier backwards computed is not brought back: right after retain_grad() .grad is what it was."""
    backwards = [at.index for at in t.succeeded(Backward)]
    for at in t.succeeded(RetainGrad):
        if any(index < at.index for index in backwards):
            t.grad(at, at.step.x)


def after_use(b: Builder) -> None:
    """retain_grad() on a tensor from which others were already computed."""
    grown = graph(b)
    inner = grown.inner if grown.inner and b.entropy.chance(50) else (grown.root,)
    root = onwards(b, grown.root)
    b.turn()
    b.retain(b.entropy.pick(inner))
    if b.entropy.chance(30):
        root = onwards(b, root)
    bystanders(b, grown)
    b.turn()
    once_or_twice(b, root)


@law(
    "RET-11", f"{TESTS} test_retain_grad", after_use, needs=("retain_grad",), after=("RET-01",), stored=False
)
def retaining_may_come_after_use(t: Trial) -> None:
    """retain_grad() may be called when other tensors were computed from the tensor: they count in full."""
    used: dict[Var, int] = {}
    asked_at: dict[Var, int] = {}
    for index, step in enumerate(t.program):
        if isinstance(step, RetainGrad):
            asked_at.setdefault(step.x, index)
        elif isinstance(step, Apply):
            for var in step.inputs:
                used.setdefault(var, index)
    for at in t.succeeded(Backward):
        for var in retaining(at):
            if used.get(var, at.index) < asked_at.get(var, at.index):
                t.grad(at, var)


def roots_retain(b: Builder) -> None:
    """The root itself retains, and perhaps is not the only root, or is used by another one."""
    grown = graph(b)
    b.retain(grown.root)
    b.turn()
    keep = b.has("retain_graph") and b.entropy.chance(40)
    if b.has("backward_many") and b.entropy.chance(30):
        other = onwards(b, grown.root) if b.entropy.chance(50) else graph(b).root
        b.backward_many((grown.root, other))
    else:
        b.backward(grown.root, **({"retain_graph": True} if keep else {}))
        if keep:
            b.backward(onwards(b, grown.root))


@law("RET-12", LEAVES, roots_retain, level="core", needs=("retain_grad",), stored=False)
def a_root_retains_its_own_gradient(t: Trial) -> None:
    """A root that retains its gradient gets the gradient argument itself, or one."""
    for at in t.succeeded(Backward):
        for var in dict.fromkeys(at.step.roots):
            if at.want.seen[var].retains:
                t.grad(at, var)
