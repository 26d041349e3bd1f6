"""HO: derivatives of derivatives, for every differentiable row of the op table in its turn."""

from __future__ import annotations

from gradlaws.conformance.language.derivative_orders import higher, orders
from gradlaws.conformance.language.steps import Apply, Backward, Grad
from gradlaws.conformance.laws.functional_gradients import GRAD, TESTS, answers
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.every_op_in_turn import sites, weighted, weights

METHOD = "https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.backward.html"
#: What weighted sums are made of.
NEEDED = ("add", "mul", "sum")
#: Of a hundred second derivatives, how many are differentiated again: none, until what PyTorch shows there is listed.
THIRD = 10


def by_repetition(b: Builder) -> None:
    """Rows differentiated by `autograd.grad`, then what comes of it."""
    for here in sites(b):
        xs = here.operands
        found = xs
        root = weighted(b, here.results)
        for _ in range(2 if b.entropy.chance(THIRD) else 1):
            found = b.grad((root,), xs, create_graph=True)
            root = weighted(b, found, xs)
        b.grad((root,), xs)


@law(
    "HO-11",
    f"{GRAD}; {TESTS} test_hessian_vector",
    by_repetition,
    needs=("autograd_grad", "create_graph", *NEEDED),
    after=("HO-02",),
    stored=False,
)
def derivatives_can_be_differentiated(t: Trial) -> None:
    """With create_graph what `autograd.grad` returns can be differentiated again: second derivatives."""
    order = orders(t.program)
    for at in t.outcomes(Grad):
        t.allowed(at)
        if at.got.raised is None and at.want.raised is None:
            answers(t, at, "" if any(order[root] for root in at.step.roots) else "HO-02")


def by_backward(b: Builder) -> None:
    """Rows differentiated by backward; .grad computed with, cleared or left to be added to, and a second backward."""
    for here in sites(b):
        xs = here.operands
        root = weighted(b, here.results)
        b.backward(root, create_graph=True)
        if b.entropy.chance(25):
            b.backward(root, create_graph=True)
        found = tuple(b.read_grad(x) for x in xs)
        if b.has("set_grad") and b.entropy.chance(60):
            for x in xs:
                b.clear(x)
        b.backward(weighted(b, found, xs))


@law("HO-14", METHOD, by_backward, needs=("create_graph", *NEEDED), after=("VAL-01",), stored=False)
def recorded_gradients_can_be_differentiated(t: Trial) -> None:
    """After a backward with create_graph .grad can be differentiated, and the next backward adds to it."""
    derived = higher(t.program)
    for at in t.outcomes(Backward):
        t.allowed(at)
        if at.got.raised is None and at.want.raised is None:
            for var in t.leaves(at):
                t.grad(at, var, "VAL-01" if derived.isdisjoint(at.step.roots) else "")


def mixed(b: Builder) -> None:
    """Rows differentiated twice, in either order: along v, then along w, and along w, then along v."""
    for here in sites(b):
        one, two = b.entropy.pick(here.operands), b.entropy.pick(here.operands[::-1])
        v, w = weights(b, one), weights(b, two)
        root = weighted(b, here.results)
        ends = []
        for x, along, other, against in ((one, v, two, w), (two, w, one, v)):
            (first,) = b.grad((root,), (x,), create_graph=True)
            way = b.must("add", b.total(b.must("mul", first, along)), b.total(other))
            (second,) = b.grad((way,), (other,), retain_graph=True)
            # What the sum of `other` adds is subtracted again.
            ends.append(b.must("sub", b.total(b.must("mul", second, against)), b.total(against)))
        b.must("sub", *ends)


@law(
    "HO-23",
    f"{GRAD} (of derivatives; that they are symmetric is the theorem of Schwarz)",
    mixed,
    needs=("autograd_grad", "create_graph", "retain_graph", "sub", *NEEDED),
    after=("HO-11",),
    stored=False,
)
def mixed_derivatives_are_symmetric(t: Trial) -> None:
    """Second derivatives do not depend on the order of differentiation, wherever the op is smooth."""
    derived = higher(t.program)
    for at in t.succeeded(Apply):
        if at.step.op == "sub" and derived.issuperset(at.step.uses()):
            t.value(at, at.step.outs[0])
