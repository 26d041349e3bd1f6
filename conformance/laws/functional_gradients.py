"""HO: `autograd.grad`, which returns gradients instead of accumulating them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import Grad, Step, Var
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import At, Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import Graph, bystanders, graph, over

GRAD = "https://docs.pytorch.org/docs/2.13/generated/torch.autograd.grad.html"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"


def answers(t: Trial, at: At, law: str = "") -> None:
    """Assert that an `autograd.grad` returned what it must: for each input a tensor or None, shape, dtype, value."""
    for out, x in zip(at.step.outs, at.step.inputs, strict=True):
        got, want = ("None" if out in m.nothing else "a tensor" for m in (at.got, at.want))
        t.claim(got == want, f"{name(out)}, the gradient of {name(x)},", got, want, at, law)
        if out in at.got.seen and out in at.want.seen:
            t.value(at, out, law)


def returned(t: Trial) -> None:
    """Assert that every `autograd.grad` that must not be refused is not, and returned what it must."""
    for at in t.outcomes(Grad):
        t.allowed(at)
        if at.got.raised is None and at.want.raised is None:
            answers(t, at)


def kept(b: Builder) -> dict[str, Any]:
    """retain_graph=True, mostly."""
    return {"retain_graph": True} if b.has("retain_graph") and b.entropy.chance(60) else {}


def shuffled(b: Builder, variables: tuple[Var, ...]) -> tuple[Var, ...]:
    """The same in another order."""
    left, found = list(dict.fromkeys(variables)), []
    while left:
        found.append(left.pop(b.entropy.below(len(left))))
    return tuple(found)


def several_leaves(b: Builder) -> Graph:
    """A graph with more than one leaf, over which nothing is spared."""
    grown = graph(b)
    bystanders(b, grown)
    if len(grown.leaves) > 1:
        return grown
    other = b.leaf(b.shape(grown.root))
    b.turn()
    return Graph(b.binary(grown.root, other), (*grown.leaves, other), (*grown.inner, grown.root))


# -- one result per input ------------------------------------------------------------------------------------


def in_any_order(b: Builder) -> None:
    """Several leaves asked for in any order, some of them more than once."""
    grown = several_leaves(b)
    b.turn()
    inputs = list(shuffled(b, grown.leaves))
    if b.entropy.chance(50):
        inputs.insert(b.entropy.below(len(inputs) + 1), b.entropy.pick(inputs))
    b.grad((grown.root,), tuple(inputs), **kept(b))


@law("HO-01", GRAD, in_any_order, needs=("autograd_grad",), after=("HO-02",), stored=False)
def one_gradient_per_input_in_order(t: Trial) -> None:
    """`autograd.grad` returns one gradient per input, in their order; an input that repeats has its own each time."""
    returned(t)


def as_backward_would(b: Builder) -> None:
    """One `autograd.grad` of some leaves, where there may be gradients already."""
    grown = graph(b)
    bystanders(b, grown)
    b.turn()
    if b.has("retain_graph") and b.entropy.chance(40):
        b.backward(grown.root, retain_graph=True)
    b.grad((grown.root,), grown.leaves[: 1 + b.entropy.below(3)], **kept(b))


@law("HO-02", GRAD, as_backward_would, needs=("autograd_grad",), stored=False)
def what_backward_would_have_added(t: Trial) -> None:
    """`autograd.grad` returns what a backward would have accumulated, whatever .grad holds."""
    returned(t)


def on_one_path(b: Builder) -> None:
    """A non-leaf asked for, alone or with what it was computed from; in the former case then what lies below it."""
    x = b.leaf()
    below = b.must("mul", x, x) if b.has("mul") and b.entropy.chance(50) else x
    b.turn()
    inner = over(b, below)
    root = over(b, inner, x) if b.entropy.chance(50) else over(b, inner)
    b.turn()
    if below != x and b.entropy.chance(50):
        b.grad((root,), (inner,))  # which uses up what lies above, and nothing else
        b.grad((below,), (x,))
        return
    inputs = shuffled(b, (inner, x)[: 1 + b.entropy.below(2)])
    if b.entropy.chance(30):
        inputs = (*inputs, inputs[0])
    b.grad((root,), inputs, **kept(b))


@law("HO-03", f"{GRAD}; {TESTS} test_grad_nonleaf", on_one_path, needs=("autograd_grad",), stored=False)
def inputs_may_be_anywhere(t: Trial) -> None:
    """Inputs of `autograd.grad` may be non-leaves and lie on one path; what is below them is neither run nor freed."""
    returned(t)


# -- several roots -------------------------------------------------------------------------------------------


def several_roots(b: Builder) -> None:
    """Two or three roots over shared leaves, of one element and of several, some of them listed twice."""
    x, other = b.leaf(), b.leaf()
    b.turn()
    roots = [over(b, x), over(b, x, other)]
    if b.entropy.chance(40):
        roots.append(over(b, other))
    if b.has("order") and b.entropy.chance(50):
        roots.insert(b.entropy.below(len(roots) + 1), b.entropy.pick(roots))
    b.turn()
    roots = [b.total(r) if b.entropy.chance(40) else r for r in roots]
    inputs = shuffled(b, (x, other))
    seeds = tuple(None if b[r].value.size == 1 and b.entropy.chance(50) else b.seed(r) for r in roots)
    b.grad(tuple(roots), inputs, gradients=seeds, **kept(b))


@law(
    "HO-04",
    GRAD,
    several_roots,
    needs=("autograd_grad", "grad_roots"),
    after=("HO-02", "ACC-05"),
    stored=False,
)
def roots_are_summed(t: Trial) -> None:
    """Of several roots `autograd.grad` returns the sum of their products; a root that is listed twice counts twice."""
    returned(t)


# -- inputs that are not used --------------------------------------------------------------------------------


def with_stranger(b: Builder, **options: Any) -> None:
    """An input that the root does not depend on among those that it does."""
    grown = graph(b)
    b.turn()
    kind = b.entropy.below(4)
    if kind == 1:
        stranger = graph(b).root
    elif kind == 2 and grown.inner:
        stranger = b.unary(b.entropy.pick(grown.inner))  # computed from the same, and not used
    else:
        stranger = b.leaf()
    b.turn()
    inputs = [stranger]
    if b.entropy.chance(75):
        inputs.insert(b.entropy.below(2), b.entropy.pick(grown.leaves))
    b.grad((grown.root,), tuple(inputs), **options)
    if options and b.entropy.chance(30):
        b.grad((b.unary(grown.leaves[0]),), (stranger,), **options)


def unused(b: Builder) -> None:
    """An unused input, with nothing said about it."""
    with_stranger(b)


@law("HO-05", GRAD, unused, needs=("autograd_grad", "allow_unused"), stored=False)
def unused_inputs_are_an_error(t: Trial) -> None:
    """An input that the roots do not depend on is an error, unless allow_unused is given."""
    for _ in t.raises():
        pass


def allowed_unused(b: Builder) -> None:
    """An unused input with allow_unused=True, with or without create_graph."""
    more: dict[str, Any] = (
        {"create_graph": True} if b.has("create_graph") and b.entropy.chance(30) else kept(b)
    )
    with_stranger(b, allow_unused=True, **more)


@law("HO-06", GRAD, allowed_unused, needs=("autograd_grad", "allow_unused"), after=("HO-02",), stored=False)
def unused_inputs_give_none(t: Trial) -> None:
    """With allow_unused the gradient of an input that was not used is None, which is something else than zeros."""
    returned(t)


def materialized(b: Builder) -> None:
    """An unused input with materialize_grads=True, of whatever shape and dtype."""
    b.turn()
    more: dict[str, Any] = {"allow_unused": True} if b.has("allow_unused") and b.entropy.chance(50) else {}
    if b.entropy.chance(40):
        root, dtype = graph(b).root, b.entropy.pick(b.dtypes("f"))
        stranger = b.leaf(dtype=dtype)
        b.grad((root,), (stranger,), materialize_grads=True, **more)
    else:
        with_stranger(b, materialize_grads=True, **more)


@law(
    "HO-07", GRAD, materialized, needs=("autograd_grad", "materialize_grads"), after=("HO-02",), stored=False
)
def unused_inputs_give_zeros(t: Trial) -> None:
    """With materialize_grads the gradient of an input that was not used is zeros of its shape and dtype."""
    returned(t)


def untracked_input(b: Builder) -> None:
    """An input that does not require grad, alone or among others, with and without allow_unused."""
    grown = graph(b)
    b.turn()
    if b.has("detach") and b.entropy.chance(30):
        stranger = b.detach(b.entropy.pick((grown.root, *grown.leaves)))
    else:
        stranger = b.data()
    inputs = [stranger]
    if b.entropy.chance(60):
        inputs.insert(b.entropy.below(2), b.entropy.pick(grown.leaves))
    options: dict[str, Any] = {"allow_unused": True} if b.has("allow_unused") and b.entropy.chance(50) else {}
    b.grad((grown.root,), tuple(inputs), **options)


@law(
    "HO-09",
    f"{TESTS} test_grad_badcalls",
    untracked_input,
    needs=("autograd_grad", "constants"),
)
def untracked_inputs_are_an_error(t: Trial) -> None:
    """An input of `autograd.grad` that does not require grad is an error, with allow_unused, too."""
    for _ in t.raises():
        pass


# -- options -------------------------------------------------------------------------------------------------


def without_history(b: Builder) -> None:
    """Gradients without create_graph, and then an attempt to differentiate one of them."""
    grown = graph(b)
    b.turn()
    found = b.grad((grown.root,), grown.leaves[: 1 + b.entropy.below(2)], **kept(b))
    b.turn()
    end = found[0]
    if b.has("sum") and b.entropy.chance(60):
        end = b.total(end)
    if b.entropy.chance(50):
        b.backward(end)
    else:
        b.grad((end,), (grown.leaves[0],))


@law("HO-12", GRAD, without_history, needs=("autograd_grad", "constants"))
def no_history_without_create_graph(t: Trial) -> None:
    """Without create_graph what `autograd.grad` returns has no history: it does not require grad, nor is it a root."""
    for at in t.succeeded(Grad):
        for out in at.step.outs:
            if out in at.got.seen and out in at.want.seen:
                t.flag(at, out, "requires_grad")
    for _ in t.raises("ROOT-07", "HO-12"):
        pass


def with_options(b: Builder) -> None:
    """One `autograd.grad` with create_graph and retain_graph, or without."""
    grown = several_leaves(b)
    b.turn()
    options: dict[str, Any] = {}
    if b.has("create_graph") and b.entropy.chance(50):
        options["create_graph"] = True
    b.grad((grown.root,), grown.leaves, **options)


@law(
    "HO-22",
    f"{GRAD} (create_graph and retain_graph are about the graph)",
    with_options,
    needs=("autograd_grad", "create_graph"),
    after=("HO-02",),
    stored=False,
)
def options_change_no_value(t: Trial) -> None:
    """Whether create_graph or retain_graph is set, `autograd.grad` returns the same values, within rounding."""
    returned(t)
    ways: list[dict[str, Any]] = [{"create_graph": True}, {"create_graph": False}]
    if "retain_graph" in t.backend.capabilities:
        ways.append({"create_graph": False, "retain_graph": True})
    for way in ways:
        steps: tuple[Step, ...] = tuple(replace(s, **way) if isinstance(s, Grad) else s for s in t.program)
        again = t.rerun(Program(steps))
        for at in t.succeeded(Grad):
            other = again.moments[at.index]
            t.claim(other.raised is None, t.quoted(at.index, f" with {way}"), "refused", "accepted", at)
            for out in at.step.outs:
                if out in other.seen and out in at.want.seen:
                    value, want = other.seen[out].value, at.want.seen[out]
                    if value is not None and want.value is not None:
                        t.close(f"{name(out)} with {way}", value, want.value, want.value_error, at)
