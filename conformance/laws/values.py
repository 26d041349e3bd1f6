"""VAL: what .grad holds after one backward: the vector-Jacobian product, whatever the graph looks like."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradlaws.conformance.drawn_values import NONZERO
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import Apply, Backward, Grad, Var
from gradlaws.conformance.laws.invariants import explicit
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import At, Trial
from gradlaws.strategies.builder import Builder, DeadEnd
from gradlaws.strategies.graphs import bystanders, diamond, graph, scalar_graph, twice
from gradlaws.strategies.ops_in_context import in_context, on_one_tensor

DOC = "https://docs.pytorch.org/docs/2.13/"
BACKWARD = DOC + "generated/torch.autograd.backward.html"
TUTORIAL = "https://docs.pytorch.org/tutorials/beginner/basics/autogradqs_tutorial.html"
DIVISION = DOC + "notes/autograd.html#division-by-zero-in-autograd"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"

#: The laws of the plain value, which explain a breach of what builds on it.
BASIC = ("VAL-01", "VAL-02")


def first_gradients(t: Trial, at: At) -> Iterator[Var]:
    """Leaves whose .grad was None or zeros before this backward, so that it now shows this one contribution."""
    return (var for var in t.leaves(at) if t.blank(at, var))


def paths(program: Program, roots: tuple[Var, ...]) -> dict[Var, int]:
    """For each variable that the roots are computed from: along how many paths."""
    found = dict.fromkeys(roots, 1)
    for step in reversed(program.steps):
        if isinstance(step, Apply):
            ways = sum(found.get(v, 0) for v in step.outs)
            for x in step.inputs if ways else ():
                found[x] = found.get(x, 0) + ways
    return found


def ancestors_of(t: Trial, at: At, *ops: str) -> set[Var]:
    """What the roots of this backward are computed from by way of an op of these names."""
    on_the_way = paths(t.program, at.step.roots)
    found: set[Var] = set()
    for step in reversed(t.program.steps):
        if not isinstance(step, Apply) or on_the_way.keys().isdisjoint(step.outs):
            continue
        if step.op in ops or not found.isdisjoint(step.outs):
            found.update(step.inputs)
    return found


# -- derivatives ---------------------------------------------------------------------------------------------


def scalar_root(b: Builder) -> None:
    """A backward from a root of one element."""
    grown = scalar_graph(b)
    bystanders(b, grown)
    b.backward(grown.root)


@law("VAL-01", BACKWARD, scalar_root, level="core", stored=False)
def backward_differentiates(t: Trial) -> None:
    """The backward of a one-element result puts into each leaf's .grad the derivative of that result."""
    for at in t.succeeded(Backward):
        if at.step.gradients is None:
            for var in first_gradients(t, at):
                t.grad(at, var)


def seeded_root(b: Builder) -> None:
    """A backward with a gradient argument, from a root of any shape; and rows in their turn, between other ops."""
    grown = graph(b)
    bystanders(b, grown)
    b.backward(grown.root, b.seed(grown.root))
    for here in in_context(b, 2):
        b.backward(here.results[0], b.seed(here.results[0]))


@law("VAL-02", BACKWARD, seeded_root, level="core", after=("VAL-01",), stored=False)
def gradient_argument_weighs_the_rows(t: Trial) -> None:
    """A backward with a gradient argument v puts v times the Jacobian of the root into each leaf's .grad."""
    for at in t.succeeded(Backward):
        if at.step.gradients is not None:
            for var in first_gradients(t, at):
                t.grad(at, var)


def fan_out(b: Builder) -> None:
    """A graph in which tensors are used several times; and rows in their turn, with one tensor for all operands."""
    grown = graph(b, diamond, twice)
    bystanders(b, grown)
    b.backward(grown.root)
    for here in on_one_tensor(b):
        b.backward(here.results[0])


@law(
    "VAL-06",
    DOC + "generated/torch.autograd.grad.html",
    fan_out,
    level="core",
    after=("VAL-01",),
    stored=False,
)
def uses_add_up(t: Trial) -> None:
    """The gradient of a leaf that is used several times is the sum over its uses."""
    for at in t.succeeded(Backward):
        ways = paths(t.program, at.step.roots)
        for var in first_gradients(t, at):
            if ways.get(var, 0) > 1:
                t.grad(at, var)


def indexed(b: Builder) -> None:
    """Elements of a leaf picked by index, some not at all and some several times."""
    x = b.leaf(b.entropy.pick(((3,), (2,), (2, 3), (4,), (3, 1), (1,), (2, 1, 2))))
    source = b.unary(x, ("exact", "smooth")) if b.entropy.chance(40) else x
    b.turn()
    source = source if b.shape(source) else x
    rows = b.shape(source)[0]
    end = b.must("index", source, index=[b.entropy.below(rows) for _ in range(1 + b.entropy.below(4))])
    b.turn()
    if b.entropy.chance(50):
        end = b.binary(end, b.leaf(b.partner(b.shape(end))))
    if b.entropy.chance(30):
        end = b.binary(end, b.total(source))
    b.turn()
    b.backward(end, b.seed(end))


@law(
    "VAL-07",
    f"{TESTS} test_indexing, test_indexing_duplicates",
    indexed,
    needs=("index",),
    after=BASIC,
    stored=False,
)
def indexing_scatters(t: Trial) -> None:
    """Elements that an index leaves out get a zero gradient, and those picked repeatedly get the sum."""
    for at in t.succeeded(Backward):
        picked = ancestors_of(t, at, "index")
        for var in first_gradients(t, at):
            if var in picked:
                t.grad(at, var)


def one_part_used(b: Builder) -> None:
    """An op with two results, one of which, or both, are used further on."""
    x = b.leaf(b.entropy.pick(((2,), (2, 2), (4,), (2, 3), (2, 1, 2))))
    source = b.unary(x, ("exact", "smooth")) if b.entropy.chance(40) else x
    b.turn()
    source = source if any(n % 2 == 0 for n in b.shape(source)) else x
    even = [d for d, n in enumerate(b.shape(source)) if n % 2 == 0]
    parts = b.must("chunk", source, dim=b.entropy.pick(even))
    end = b.entropy.pick(parts)
    end = b.unary(end) if b.entropy.chance(50) else end
    b.turn()
    if b.entropy.chance(30):
        end = b.binary(end, b.entropy.pick(parts))
    if b.entropy.chance(30):
        end = b.binary(end, b.leaf(b.partner(b.shape(end))))
    b.turn()
    b.backward(end, b.seed(end))


@law("VAL-08", f"{TESTS} test_unused_output", one_part_used, needs=("chunk",), after=BASIC, stored=False)
def unused_results_contribute_nothing(t: Trial) -> None:
    """Where an op has several results, those that the root does not depend on contribute zeros."""
    for at in t.succeeded(Backward):
        split = ancestors_of(t, at, "chunk")
        for var in first_gradients(t, at):
            if var in split:
                t.grad(at, var)


# -- roots ---------------------------------------------------------------------------------------------------


@law(
    "VAL-09",
    TUTORIAL,
    scalar_root,
    needs=("gradient_argument", "bare_gradient"),
    after=("VAL-01",),
    stored=False,
)
def implicit_gradient_is_one(t: Trial) -> None:
    """Leaving out the gradient argument of a one-element root is the same as giving a one of its shape."""
    steps = [step for step in t.program if isinstance(step, Backward | Grad) and step.gradients is None]
    like = {v: seen.value for v, seen in t.got.final.items() if seen.value is not None}
    if t.want.derailed is not None or not steps or any(r not in like for step in steps for r in step.roots):
        return
    if any(at.got.raised is not None for at in t.at(Backward)):
        return
    again = t.rerun(explicit(t.program, like)).final
    for var, seen in t.got.final.items():
        t.equal(f"{name(var)}.grad, compared with that of gradient=ones", seen.grad, again[var].grad)


def leaf_as_root(b: Builder) -> None:
    """A backward that starts at a leaf, used elsewhere or not."""
    x = b.leaf()
    b.turn()
    if b.entropy.chance(40):
        end = b.unary(x)
        if b.entropy.chance(50):
            b.backward(end)
    if b.entropy.chance(30) and b.has("set_requires_grad"):
        x = b.data()
        b.require(x)
    b.turn()
    b.backward(x, b.seed(x) if b.entropy.chance(60) else None)


@law(
    "VAL-10",
    f"{DOC}generated/torch.Tensor.register_hook.html (its example), test_backward",
    leaf_as_root,
    after=("ACC-01",),
    stored=False,
)
def a_leaf_can_be_its_own_root(t: Trial) -> None:
    """A backward that starts at a leaf gives it the gradient argument, or one, as its gradient."""
    for at in t.succeeded(Backward):
        for var in at.step.roots:
            if at.want.seen[var].is_leaf:
                t.grad(at, var)


# -- values that are not finite ------------------------------------------------------------------------------

#: Ops whose derivative is not finite at an operand value, and that value.
POLES = (("log", 0.0), ("div", 0.0), ("reciprocal", 0.0), ("sqrt", 0.0), ("rsqrt", 0.0), ("exp", 1000.0))


def pole(b: Builder) -> tuple[Var, Array]:
    """A result that is not finite, or has no finite derivative, at some positions; and where it has."""
    choices = [(op, at) for op, at in POLES if b.has(op)]
    if not choices:
        raise DeadEnd("no op with a pole")
    op, at = b.entropy.pick(choices)
    b.wild = True
    shape = b.entropy.pick(((2,), (3,), (2, 2), (4,)))
    values = np.abs(b.entropy.values(int(np.prod(shape)), NONZERO).reshape(shape))
    bad = np.array([b.entropy.chance(40) for _ in range(values.size)])
    bad[b.entropy.below(bad.size)] = True
    bad = bad.reshape(shape)
    x = b.leaf(values=np.where(bad, at, values))
    b.turn()
    if op == "div":
        return b.must(op, b.leaf(shape, table=NONZERO) if b.entropy.chance(70) else x, x), ~bad
    return b.must(op, x), ~bad


def masked_out(b: Builder) -> None:
    """Infinities and NaN in a branch that is left out again before the root."""
    y, good = pole(b)
    b.turn()
    rows = [k for k in range(good.shape[0]) if good[k].all()]
    if b.entropy.chance(40) and rows and b.has("index"):
        end = b.must("index", y, index=rows)
    else:
        end = b.must("mul", y, b.data(values=good.astype(np.float64)))
    b.turn()
    end = b.must("neg", end) if b.entropy.chance(30) and b.has("neg") else end
    b.backward(end, b.data(b.shape(end)))


@law("VAL-15", DIVISION, masked_out, needs=("mul", "div"), after=BASIC, stored=False)
def masking_afterwards_comes_too_late(t: Trial) -> None:
    """What the forward computed is differentiated even if masked out afterwards: 0 times infinity is NaN."""
    for at in t.succeeded(Backward):
        for var in first_gradients(t, at):
            want = at.want.seen[var].grad
            if want is not None and not np.isfinite(want).all():
                t.grad(at, var)


def not_taken(b: Builder) -> None:
    """Infinities and NaN in the branch of a `where` that is not taken."""
    y, good = pole(b)
    b.turn()
    mask = b.data(values=good.astype(np.float64))
    other = b.leaf(good.shape, tracked=b.entropy.chance(50))
    end = b.must("where", mask, y, other)
    b.turn()
    b.backward(end, b.data(good.shape))


@law("VAL-16", f"{DIVISION} (a consequence)", not_taken, needs=("where", "div"), after=BASIC, stored=False)
def where_protects_the_value_only(t: Trial) -> None:
    """The branch that `where` does not take still yields NaN gradients where its derivative is not finite."""
    for at in t.succeeded(Backward):
        chosen = ancestors_of(t, at, "where")
        for var in first_gradients(t, at):
            want = at.want.seen[var].grad
            if var in chosen and want is not None and not np.isfinite(want).all():
                t.grad(at, var)
