"""DET: detach. What is detached shares the contents and has no history; nothing else changes."""

from __future__ import annotations

from collections.abc import Callable

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.execution.oracle import believe
from gradlaws.conformance.execution.trace import Seen
from gradlaws.conformance.language.aliasing import neighbours
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import (
    Backward,
    Detach,
    DetachInPlace,
    InPlace,
    ReadGrad,
    RequireGrad,
    RetainGrad,
    Step,
    Var,
)
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import bystanders, graph
from gradlaws.strategies.in_place_writes import harmless

DOC = "https://docs.pytorch.org/docs/2.13/"
METHOD = DOC + "generated/torch.Tensor.detach.html"
IN_PLACE = DOC + "generated/torch.Tensor.detach_.html"
REQUIRE = DOC + "generated/torch.Tensor.requires_grad_.html"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"


def detached_in(t: Trial) -> dict[Var, Var]:
    """For each result of detach() the tensor that it was called on."""
    return {at.step.outs[0]: at.step.x for at in t.succeeded(Detach)}


# -- detach() ------------------------------------------------------------------------------------------------


def anything_detached(b: Builder) -> None:
    """Leaves, results, views and detached tensors are detached; then one of them is written to."""
    grown = graph(b)
    pool = [*grown.leaves, *grown.inner, grown.root, b.data()]
    source = b.entropy.pick(pool[::-1])
    made = [b.detach(source)]
    for _ in range(b.entropy.below(3)):
        b.turn()
        made.append(b.detach(b.entropy.pick((*pool, *made))))
    b.turn()
    if b.has("inplace", "views") and b.entropy.chance(60):
        unrecorded = b.has("no_grad") and b.entropy.chance(50)
        if unrecorded:
            b.enter("no_grad")
        targets = [v for v in (made[0], source, *made) if b.writable(v)]
        if targets:
            b.drawn_inplace(b.entropy.pick(targets))
        if unrecorded:
            b.leave()


@law("DET-01", METHOD, anything_detached, needs=("detach",), stored=False)
def detach_gives_an_alias_without_history(t: Trial) -> None:
    """detach() returns a leaf that does not require grad, with the same contents now and after writes."""
    for at in t.succeeded(Detach):
        (out,) = at.step.outs
        t.flag(at, out, "requires_grad")
        t.flag(at, out, "is_leaf")
        t.value(at, out)
    sources = detached_in(t)
    families = neighbours(t.program)
    for at in t.succeeded(InPlace):
        for var in sorted(
            families[at.step.target] & at.want.seen.keys() & (sources.keys() | set(sources.values()))
        ):
            t.value(at, var)


def partly_detached(b: Builder) -> None:
    """A tensor is used both as it is and detached, or only detached, next to something tracked."""
    grown = graph(b)
    x = b.entropy.pick((grown.root, *grown.inner, *grown.leaves))
    cut = b.detach(x)
    cut = b.unary(cut) if b.entropy.chance(50) else cut
    b.turn()
    other = b.entropy.pick((x, x, grown.root, b.leaf()))
    root = b.binary(b.unary(other), cut)
    if b.entropy.chance(40):
        b.turn()
        root = b.binary(root, b.detach(root))
    bystanders(b, grown)
    b.turn()
    b.backward(root)


@law(
    "DET-02",
    f"{METHOD}; {TESTS} test_detach",
    partly_detached,
    level="core",
    needs=("detach",),
    after=("VAL-01",),
    stored=False,
)
def no_gradient_flows_through_detach(t: Trial) -> None:
    """In backward a detached tensor is a constant: what it was detached from gets nothing through it."""
    for at in t.succeeded(Backward):
        if detached_in(t):
            for var in t.leaves(at):
                t.grad(at, var)


def detached_then_used(b: Builder) -> None:
    """Tensors are detached, the results thrown away or used, the tensors themselves used as before."""
    grown = graph(b)
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        cut = b.detach(b.entropy.pick((grown.root, *grown.inner, *grown.leaves)))
        if b.entropy.chance(50):
            b.unary(cut)
    b.turn()
    root = b.unary(grown.root) if b.entropy.chance(40) else grown.root
    b.backward(root)


@law("DET-03", METHOD, detached_then_used, needs=("detach",), after=("VAL-01",), stored=False)
def detaching_leaves_the_original_alone(t: Trial) -> None:
    """A tensor on which detach() was called requires grad as before, and its graph works as before."""
    originals = set(detached_in(t).values())
    for at in t.outcomes(Backward):
        for var in sorted(originals & at.want.seen.keys()):
            t.flag(at, var, "requires_grad")
            t.flag(at, var, "is_leaf")
        t.allowed(at)
        for var in t.leaves(at) if at.got.raised is None else ():
            t.grad(at, var)


def detached_and_tracked(b: Builder) -> None:
    """A detached tensor is made to require grad; it and the original are used, apart or together."""
    grown = graph(b)
    x = b.entropy.pick((grown.root, *grown.leaves, *grown.inner))
    cut = b.detach(x)
    b.require(cut)
    b.turn()
    if b.entropy.chance(40):
        b.backward(b.binary(b.unary(x), b.unary(cut)))
        return
    roots = [b.unary(cut), b.unary(x)]
    b.turn()
    if b.entropy.chance(50):
        roots.reverse()
    for root in roots[: 1 + b.entropy.below(2)]:
        b.backward(root)


@law(
    "DET-04",
    f"{METHOD}; {REQUIRE}",
    detached_and_tracked,
    needs=("detach", "set_requires_grad"),
    after=("VAL-01",),
    stored=False,
)
def a_detached_leaf_is_a_leaf_of_its_own(t: Trial) -> None:
    """A detached tensor made to require grad is a new leaf: its gradient and the original's never mix."""
    flagged = {at.step.x for at in t.succeeded(RequireGrad)}
    pairs = {out: x for out, x in detached_in(t).items() if out in flagged}
    for at in t.succeeded(Backward):
        for var in sorted({*pairs, *pairs.values()} & at.want.seen.keys()):
            t.grad(at, var)


def detached_in_place(b: Builder) -> None:
    """detach_() on results, leaves and constants, which are used after it."""
    kind = b.entropy.below(4)
    x = b.leaf() if kind == 1 else b.data() if kind == 2 else harmless(b, graph(b).root)
    b.detach_(x)
    b.turn()
    root = b.binary(b.unary(x), b.leaf(b.partner(b.shape(x))))
    b.backward(root)


@law("DET-05", IN_PLACE, detached_in_place, needs=("detach_inplace",))
def detaching_in_place_cuts_the_tensor_itself(t: Trial) -> None:
    """detach_() makes the tensor itself an untracked leaf, keeps its contents, and returns it."""
    for at in t.succeeded(DetachInPlace):
        t.flag(at, at.step.x, "requires_grad")
        t.flag(at, at.step.x, "is_leaf")
        t.value(at, at.step.x)
        t.equal(f"`{t.source(at)} is {name(at.step.x)}`", at.got.same.get("returned itself"), True, at)


def view_detached_in_place(b: Builder) -> None:
    """detach_() on a view of something, then a backward."""
    kind = b.entropy.below(4)
    source = b.leaf() if kind == 1 else b.data() if kind == 2 else harmless(b, graph(b).root)
    part = b.view(source)
    if b.entropy.chance(40):
        part = b.view(part)
    used = b.unary(part) if b.entropy.chance(50) else part
    b.turn()
    b.step(DetachInPlace(part))
    b.backward(b.binary(used, b.leaf(b.partner(b.shape(used)))))


@law("DET-06", IN_PLACE, view_detached_in_place, needs=("detach_inplace", "views"))
def views_are_not_detached_in_place(t: Trial) -> None:
    """detach_() on a view is an error, and the view keeps its history."""
    for at in t.raises():
        t.flag(at, at.step.x, "requires_grad")
        t.flag(at, at.step.x, "is_leaf")


# -- two stages ----------------------------------------------------------------------------------------------


def in_two_stages(b: Builder) -> None:
    """A graph up to a cut, a graph from the cut on, backward through the second, then through the first."""
    grown = graph(b)
    y = grown.root
    cut = b.detach(y)
    b.require(cut)
    b.turn()
    root = b.unary(cut)
    for _ in range(b.entropy.below(3)):
        b.turn()
        root = (
            b.binary(root, cut)
            if b.entropy.chance(40)
            else b.binary(b.unary(root), b.leaf(b.partner(b.shape(root))))
        )
    b.turn()
    b.backward(root)
    b.backward(y, b.read_grad(cut))


def in_one_stage(t: Trial) -> Program | None:
    """The program without its cut: one graph, one backward; None if it is not the program of two stages."""
    cuts = [s for s in t.program if isinstance(s, Detach)]
    reads = [s for s in t.program if isinstance(s, ReadGrad)]
    backwards = [s for s in t.program if isinstance(s, Backward)]
    if len(cuts) != 1 or len(reads) != 1 or len(backwards) != 2:
        return None
    (y, cut), second = (cuts[0].x, cuts[0].outs[0]), backwards[1]
    if reads[0].x != cut or second.roots != (y,) or second.gradients != reads[0].outs:
        return None
    dropped: list[Step] = [cuts[0], reads[0], second]
    dropped += [s for s in t.program if isinstance(s, RequireGrad | RetainGrad) and s.x == cut]
    return Program(tuple(s.rewired(cut, y) for s in t.program if not any(s is d for d in dropped)))


def _both(one: Seen, other: Seen) -> Callable[[], Array] | None:
    first, second = one.error, other.error
    return None if first is None or second is None else lambda: first() + second()


@law("DET-13", f"{TESTS} test_sharded_grad", in_two_stages,
     needs=("detach", "set_requires_grad"), after=("VAL-01", "DET-02", "DET-04"), stored=False)  # fmt: skip
def two_stages_are_as_good_as_one(t: Trial) -> None:
    """Cutting a graph with detach() and handing on the cut's gradient gives all leaves the same gradients."""
    whole = in_one_stage(t)
    last = list(t.succeeded(Backward))[1:]
    if whole is None or not last:
        return
    again = t.rerun(whole)
    # Both ways make their own errors on the same computation, so they may be both bounds apart.
    bounds = next(
        (m.seen for m in believe(whole, again) if isinstance(m.step, Backward) and m.raised is None), {}
    )
    for var in t.leaves(last[0]):
        if var in detached_in(t) or var not in bounds:
            continue
        got, other = last[0].got.seen[var].grad, again.final[var].grad
        if got is None or other is None:
            t.claim(got is other, f"{name(var)}.grad in two stages", got, other, last[0])
        else:
            t.close(
                f"{name(var)}.grad in two stages",
                got,
                other,
                _both(last[0].want.seen[var], bounds[var]),
                last[0],
            )
