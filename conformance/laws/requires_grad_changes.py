"""REQ, continued: changing the flag of a tensor that is there already, and when that takes effect."""

from __future__ import annotations

from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import Backward, RequireGrad, Var
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import At, Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import bystanders, graph, over

DOC = "https://docs.pytorch.org/docs/2.13/"
REQUIRES = DOC + "notes/autograd.html#setting-requires-grad"
SETTER = DOC + "generated/torch.Tensor.requires_grad_.html"
CONVERSION = DOC + "generated/torch.Tensor.to.html"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"
LEAVES = "https://docs.pytorch.org/tutorials/beginner/understanding_leaf_vs_nonleaf_tutorial.html"


def toggled(t: Trial, at: At, flag: bool) -> set[Var]:
    """The tensors whose flag the program has set to `flag` at some time before this step."""
    return {
        earlier.step.x
        for earlier in t.succeeded(RequireGrad)
        if earlier.index < at.index and earlier.step.flag is flag and earlier.step.x in at.got.seen
    }


# -- what may be changed -------------------------------------------------------------------------------------


def integer_flags(b: Builder) -> None:
    """The flag of integers and bools switched on, and switched off."""
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        x = b.data(dtype=b.entropy.pick(b.dtypes("ibf")))
        if b.entropy.chance(30) and b.has("greater"):
            made = b.apply("greater", x, x)
            x = x if made is None else made
        flag = not b.entropy.chance(35)
        b.step(RequireGrad(x, flag))
    x = b.data(dtype=b.entropy.pick(b.dtypes("ib")))
    b.step(RequireGrad(x, True))


@law(
    "REQ-03",
    TESTS + " (test_set_requires_grad_only_for_floats) and " + CONVERSION,
    integer_flags,
    needs=("set_requires_grad", "integer", "bare_gradient"),
    stored=False,
)
def integers_cannot_be_flagged(t: Trial) -> None:
    """Telling an integer or bool tensor to require grad is an error; telling it not to is always allowed."""
    for at in t.raises():
        t.flag(at, at.step.x, "requires_grad")
    for at in t.outcomes(RequireGrad):
        t.allowed(at)


def flags_of_results(b: Builder) -> None:
    """The flag of tracked results set and cleared, before and after their backward."""
    made = graph(b)
    late = b.entropy.chance(25)
    if late:
        b.backward(made.root)
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        b.step(RequireGrad(b.entropy.pick((made.root, *made.inner)), b.entropy.chance(40)))
    if not late:
        b.backward(made.root)


@law(
    "REQ-12",
    LEAVES + " and " + TESTS + " (test_requires_grad_)",
    flags_of_results,
    needs=("set_requires_grad",),
    after=("LEAF-03",),
)
def a_non_leaf_keeps_its_flag(t: Trial) -> None:
    """Only a leaf's flag can be changed: clearing a non-leaf's is an error, setting it changes nothing."""
    for at in t.raises():
        t.flag(at, at.step.x, "requires_grad")
    for at in t.outcomes(RequireGrad):
        before = t.want.before(at.index, at.step.x)
        if at.step.flag and before is not None and before.is_leaf is False:
            t.allowed(at)
            t.flag(at, at.step.x, "requires_grad")
            t.flag(at, at.step.x, "is_leaf")


def flips(b: Builder) -> None:
    """The flags of leaves switched to and fro, amid other work."""
    leaves = [b.leaf(tracked=b.entropy.chance(50), dtype=b.entropy.pick(b.dtypes("fc"))) for _ in range(2)]
    for _ in range(1 + b.entropy.below(4)):
        b.turn()
        b.require(b.entropy.pick(leaves), b.entropy.chance(50))
        if b.entropy.chance(20):
            b.backward(graph(b).root)


@law("REQ-13", SETTER, flips, needs=("set_requires_grad",))
def the_setter_returns_the_tensor(t: Trial) -> None:
    """Setting the flag changes the tensor itself, and returns that very tensor."""
    for at in t.succeeded(RequireGrad):
        t.equal(f"`{t.source(at)} is {name(at.step.x)}`", at.got.same["returned itself"], True, at)
        t.flag(at, at.step.x, "requires_grad")


# -- when it takes effect ------------------------------------------------------------------------------------


def late_on(b: Builder) -> None:
    """A leaf that is switched on after it was used, and now and then used again."""
    x = b.data()
    w = b.leaf(b.partner(b.shape(x)))
    early = b.view(x) if b.entropy.chance(20) else None
    result = over(b, *((x, w) if early is None else (x, w, early)))
    b.require(x)
    b.turn()
    if b.entropy.chance(40):
        result = b.binary(result, over(b, x))
    b.backward(result)


@law("REQ-10", REQUIRES, late_on, needs=("set_requires_grad",), after=("VAL-01",))
def the_flag_is_not_retroactive(t: Trial) -> None:
    """Setting the flag changes nothing about what was computed before: from that comes no gradient."""
    for at in t.succeeded(RequireGrad):
        for var in at.want.seen if at.step.flag else ():
            if var != at.step.x:
                t.flag(at, var, "requires_grad")
    for at in t.succeeded(Backward):
        for var in toggled(t, at, True):
            t.grad(at, var)


def late_off(b: Builder) -> None:
    """A leaf that is switched off between its use and the backward, and now and then on again."""
    x = b.leaf()
    others = [b.leaf(b.partner(b.shape(x)))] if b.entropy.chance(60) else []
    result = over(b, x, *others)
    if b.entropy.chance(30) and b.has("retain_graph"):
        b.backward(result, retain_graph=True)
    b.require(x, False)
    if b.entropy.chance(25):
        b.require(x, True)
    b.backward(result)


@law("REQ-11", REQUIRES, late_off, needs=("set_requires_grad",), after=("VAL-01",))
def clearing_the_flag_stops_accumulation(t: Trial) -> None:
    """A leaf of the graph whose flag is off when backward runs gets nothing; with it back on, it does."""
    for at in t.succeeded(Backward):
        for var in toggled(t, at, False):
            t.grad(at, var)


def frozen_late(b: Builder) -> None:
    """Leaves that have a gradient when their flag is switched off, and perhaps on again."""
    made = graph(b)
    bystanders(b, made)
    b.backward(made.root)
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        b.require(b.entropy.pick(made.leaves), b.entropy.chance(25))


@law(
    "REQ-14",
    DOC + "generated/torch.Tensor.grad.html and " + SETTER + " (observed)",
    frozen_late,
    needs=("set_requires_grad",),
)
def the_flag_leaves_the_gradient(t: Trial) -> None:
    """Switching the flag off, or on again, keeps the .grad that is there."""
    for at in t.succeeded(RequireGrad):
        before = t.before(at, at.step.x)
        if before is not None and before.grad is not None:
            t.equal(f"{name(at.step.x)}.grad", at.got.seen[at.step.x].grad, before.grad, at)
