"""ACC: gradients accumulate. What a backward computes is added to what .grad holds, whoever put it there."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import (
    Backward,
    Grad,
    InPlace,
    ReadGrad,
    SetGrad,
    Step,
    Var,
    ZeroGrad,
)
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import At, Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import Graph, bystanders, graph
from gradlaws.strategies.ops_in_context import in_context

DOC = "https://docs.pytorch.org/docs/2.13/"
GRAD = DOC + "generated/torch.Tensor.grad.html"
BACKWARD = DOC + "generated/torch.autograd.backward.html"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"
LAYOUTS = DOC + "autograd.html#manual-gradient-layouts"


def repeated(b: Builder) -> None:
    """Two or three backwards through one graph; and rows in their turn, twice through each."""
    grown = graph(b)
    for _ in range(1 + b.entropy.below(2)):
        b.backward(grown.root, retain_graph=True)
    b.backward(grown.root)
    for here in in_context(b):
        end = here.results[0]
        seed = None if b[end].value.size == 1 else b.seed(end)
        b.backward(end, seed, retain_graph=True)
        b.backward(end, seed)


@law("ACC-01", GRAD, repeated, level="core", needs=("retain_graph",), after=("VAL-01",))
def a_second_backward_adds(t: Trial) -> None:
    """A second backward adds to .grad instead of replacing it."""
    for at in t.succeeded(Backward):
        for var in t.leaves(at):
            before = t.before(at, var)
            if before is not None and before.grad is not None:
                t.grad(at, var)


def joined(b: Builder, grown: Graph) -> Var:
    """Another root over some of the leaves of a graph."""
    b.turn()
    end = b.entropy.pick(grown.leaves)
    end = b.unary(end) if b.entropy.chance(60) else end
    b.turn()
    other = b.entropy.pick(grown.leaves) if b.entropy.chance(60) else b.leaf(b.partner(b.shape(end)))
    return b.binary(end, other)


def over_the_same_leaves(b: Builder) -> None:
    """Backwards from several roots of their own over the same leaves."""
    grown = graph(b)
    late = b.entropy.chance(50)
    roots = [grown.root]
    for _ in range(1 + b.entropy.below(2)):
        if not late:
            b.backward(roots[-1])
        roots.append(joined(b, grown))
    b.turn()
    for root in roots if late else roots[-1:]:
        b.backward(root)


@law("ACC-02", GRAD, over_the_same_leaves, level="core", after=("VAL-01", "ACC-01"))
def graphs_accumulate_together(t: Trial) -> None:
    """Gradients from different graphs and different roots add up in the same .grad."""
    roots: set[Var] = set()
    for at in t.succeeded(Backward):
        if roots.difference(at.step.roots):
            for var in t.leaves(at):
                before = t.before(at, var)
                if before is not None and before.grad is not None:
                    t.grad(at, var)
        roots.update(at.step.roots)


# -- several roots -------------------------------------------------------------------------------------------


def several_roots(b: Builder) -> None:
    """One backward over two or three roots that share leaves, or share nothing."""
    grown = graph(b)
    bystanders(b, grown)
    more = 1 + b.entropy.below(2)
    others = [joined(b, grown) if b.entropy.chance(70) else graph(b).root for _ in range(more)]
    b.turn()
    b.backward_many((grown.root, *others))


@law(
    "ACC-05",
    BACKWARD,
    several_roots,
    needs=("backward_many",),
    after=("VAL-01", "VAL-02", "VAL-06"),
    stored=False,
)
def several_roots_add_up(t: Trial) -> None:
    """One backward over several roots puts into .grad the sum of what each root gives."""
    for at in t.succeeded(Backward):
        if len(set(at.step.roots)) > 1:
            for var in t.leaves(at):
                t.grad(at, var)


def same_root_again(b: Builder) -> None:
    """A backward over a list in which a root stands twice, with equal or different gradient arguments."""
    grown = graph(b)
    bystanders(b, grown)
    roots = [grown.root, grown.root]
    if b.entropy.chance(30):
        roots.insert(b.entropy.below(3), joined(b, grown))
    b.turn()
    if b.entropy.chance(40):
        seed = b.seed(grown.root)
        seeds = tuple(seed if r == grown.root else b.seed(r) for r in roots)
        b.step(Backward(tuple(roots), seeds))
    else:
        b.backward_many(tuple(roots))


@law(
    "ACC-06",
    f"{TESTS} test_duplicate_backward_root",
    same_root_again,
    needs=("backward_many", "order"),
    after=("ACC-05",),
    stored=False,
)
def a_root_listed_twice_counts_twice(t: Trial) -> None:
    """A root that is listed twice contributes twice."""
    for at in t.succeeded(Backward):
        if len(set(at.step.roots)) < len(at.step.roots):
            for var in t.leaves(at):
                t.grad(at, var)


def dependent_roots(b: Builder) -> None:
    """A backward over roots of which one is computed from another, in either order."""
    grown = graph(b)
    inner = b.entropy.pick(grown.inner) if grown.inner and b.entropy.chance(50) else grown.root
    outer = grown.root
    if inner == grown.root or b.entropy.chance(30):
        outer = b.unary(outer) if b.entropy.chance(50) else b.binary(outer, b.entropy.pick(grown.leaves))
    b.turn()
    b.backward_many((inner, outer) if b.entropy.chance(50) else (outer, inner))


@law(
    "ACC-07",
    f"{TESTS} test_dependent_backward",
    dependent_roots,
    needs=("backward_many",),
    after=("ACC-05",),
    stored=False,
)
def roots_may_depend_on_roots(t: Trial) -> None:
    """Where one root is computed from another, both contributions arrive."""
    for at in t.succeeded(Backward):
        if len(set(at.step.roots)) > 1:
            for var in t.leaves(at):
                t.grad(at, var)


# -- what is accumulated onto --------------------------------------------------------------------------------


def touched(t: Trial, at: At, *kinds: type[Step]) -> set[Var]:
    """The tensors whose .grad one of these kinds of steps has written to or set since the last backward."""
    owners: dict[Var, Var] = {}
    found: set[Var] = set()
    for moment in t.got.moments[: at.index]:
        step = moment.step
        if moment.skipped or moment.raised is not None:
            continue
        if isinstance(step, Backward):
            found.clear()
        elif isinstance(step, ReadGrad):
            owners[step.outs[0]] = step.x
        elif isinstance(step, kinds):
            if isinstance(step, InPlace):
                found.update({owners[step.target]} if step.target in owners else ())
            elif isinstance(step, SetGrad | ZeroGrad):
                found.add(step.x)
    return found


def assigned_first(b: Builder) -> None:
    """Gradients assigned by the program, before the first backward or between two."""
    grown = graph(b)
    bystanders(b, grown)
    keep: dict[str, Any] = {"retain_graph": True} if b.has("retain_graph") else {}
    if keep and b.entropy.chance(50):
        b.backward(grown.root, **keep)
    b.turn()
    for var in grown.leaves[: 1 + b.entropy.below(3)]:
        kind = b.entropy.below(3)
        shape, dtype = b.shape(var), b.dtype(var)
        if kind == 1 and len(shape) == 2 and b.has("transpose"):
            source = b.must("transpose", b.data(shape[::-1], dtype=dtype), dim0=0, dim1=1)
        elif kind == 2 and b.has("mul") and dtype == b.usual:
            source = b.must("mul", b.data(shape), b.data(shape))
        else:
            source = b.data(shape, dtype=dtype)
        b.set_grad(var, source)
        b.turn()
    b.backward(grown.root, **keep)
    if keep and b.entropy.chance(30):
        b.backward(grown.root)


@law("ACC-08", LAYOUTS, assigned_first, needs=("set_grad",), after=("ACC-01",))
def an_assigned_gradient_is_added_to(t: Trial) -> None:
    """A backward adds to whatever the program has assigned to .grad."""
    for at in t.succeeded(Backward):
        for var in touched(t, at, SetGrad):
            if var in at.want.seen and at.want.seen[var].grad is not None:
                t.grad(at, var)


#: In-place ops that a program may use on a gradient; exact, so that what follows is compared to the bit.
WRITES = ("mul_scalar_", "add_scalar_", "zero_", "fill_", "add_", "set_item_", "copy_", "sub_")


def written_to(b: Builder) -> None:
    """Gradients scaled, zeroed or overwritten in place between two backwards."""
    grown = graph(b)
    b.backward(grown.root, retain_graph=True)
    for var in grown.leaves[: 1 + b.entropy.below(3)]:
        b.turn()
        if b.has("inplace") and b.entropy.chance(75):
            _written(b, b.read_grad(var))
        else:
            b.zero(var)
    b.turn()
    b.backward(grown.root if b.entropy.chance(70) else joined(b, grown))


def _written(b: Builder, gradient: Var) -> None:
    choices = [op for op in WRITES if b.has(op)]
    for _ in range(3 if choices else 0):
        if b.drawn_inplace(gradient, (b.entropy.pick(choices),)):
            return


@law(
    "ACC-09",
    "https://docs.pytorch.org/tutorials/beginner/basics/autogradqs_tutorial.html (zeroing x.grad)",
    written_to,
    needs=("zero_grad", "retain_graph"),
    after=("ACC-01",),
)
def a_gradient_written_to_is_added_to(t: Trial) -> None:
    """A backward adds to a gradient as the program has left it after writing to it in place."""
    for at in t.succeeded(Backward):
        for var in touched(t, at, InPlace, ZeroGrad):
            if var in at.want.seen and at.want.seen[var].grad is not None:
                t.grad(at, var)


def functional(b: Builder) -> None:
    """`autograd.grad` over a graph whose leaves have gradients, or have none."""
    grown = graph(b)
    bystanders(b, grown)
    keep: dict[str, Any] = {"retain_graph": True} if b.has("retain_graph") else {}
    if keep and b.entropy.chance(60):
        b.backward(grown.root, **keep)
    b.turn()
    wanted = grown.leaves[: 1 + b.entropy.below(3)]
    if grown.inner and b.entropy.chance(30):
        wanted = (*wanted, b.entropy.pick(grown.inner))
    if b.has("create_graph") and b.entropy.chance(25):
        b.grad((grown.root,), wanted, create_graph=True)
    else:
        b.grad((grown.root,), wanted, **keep)
    if keep and b.entropy.chance(30):
        b.backward(grown.root)


@law("ACC-12", DOC + "generated/torch.autograd.grad.html", functional, needs=("autograd_grad",))
def the_functional_form_does_not_accumulate(t: Trial) -> None:
    """`autograd.grad` returns gradients and leaves every leaf's .grad as it was."""
    for at in t.succeeded(Grad):
        for var in t.leaves(at):
            before = t.before(at, var)
            if before is not None:
                t.equal(f"{name(var)}.grad", at.got.seen[var].grad, before.grad, at)
