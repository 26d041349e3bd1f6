"""ROOT: where a backward may start, and with which gradient argument."""

from __future__ import annotations

from gradlaws.conformance.drawn_values import NONZERO
from gradlaws.conformance.language.steps import NOT_A_TENSOR, Backward, Var
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import bystanders, graph, scalar_graph

DOC = "https://docs.pytorch.org/docs/2.13/"
BACKWARD = DOC + "generated/torch.autograd.backward.html"
METHOD = DOC + "generated/torch.Tensor.backward.html"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"
SOURCE = "https://github.com/pytorch/pytorch/blob/v2.13.0/torch/autograd/__init__.py _make_grads"


def earlier(b: Builder, leaves: tuple[Var, ...]) -> None:
    """Now and then an earlier backward over some of the leaves, so that there is a .grad to disturb."""
    b.turn()
    if b.entropy.chance(30):
        b.backward(b.unary(b.entropy.pick(leaves)))


def bare(b: Builder, root: Var) -> None:
    """`root.backward()`, whatever the root: the builder itself would supply a gradient argument."""
    b.step(Backward((root,)))


# -- the scalar requirement ----------------------------------------------------------------------------------


def no_argument(b: Builder) -> None:
    """A backward without gradient argument, mostly from a root of several elements."""
    grown = graph(b)
    bystanders(b, grown)
    earlier(b, grown.leaves)
    root = b.entropy.pick(grown.leaves) if b.entropy.chance(15) else grown.root
    if b[root].value.size == 1:
        root = b.binary(root, b.leaf(b.entropy.pick(((2,), (3,), (2, 2)))))
    b.turn()
    bare(b, root)
    if b.entropy.chance(50):
        b.backward(root, b.seed(root))


@law("ROOT-01", METHOD, no_argument, level="core", needs=("bare_gradient",), stored=False)
def several_elements_need_an_argument(t: Trial) -> None:
    """A backward without gradient argument is an error where the root has more than one element."""
    for at in t.raises("ROOT-01"):
        for var in t.leaves(at):
            t.grad(at, var)


def one_or_none(b: Builder) -> None:
    """A backward without gradient argument from a root of one element and any rank, or of no element."""
    if b.entropy.chance(30):
        root = b.leaf(b.entropy.pick(((0,), (2, 0), (1, 0), (0, 3))))
        b.turn()
        root = root if b.entropy.chance(30) else b.unary(root, ("exact", "smooth"))
        if b.entropy.chance(30):
            root = b.binary(root, b.leaf(()))
    else:
        root = scalar_graph(b).root
        b.turn()
        for _ in range(b.entropy.below(4)):
            shape = b.shape(root)
            if b.has("unsqueeze") and len(shape) < 3 and b.entropy.chance(70):
                root = b.must("unsqueeze", root, dim=b.entropy.below(len(shape) + 1))
            elif b.has("reshape") and b.entropy.chance(50):
                root = b.must("reshape", root, shape=b.entropy.pick(((1,), (1, 1), (), (1, 1, 1))))
    b.turn()
    bare(b, root)


@law(
    "ROOT-02", BACKWARD, one_or_none, level="core", after=("ROOT-01",), needs=("bare_gradient",), stored=False
)
def scalar_means_one_element(t: Trial) -> None:
    """A root of one element needs no gradient argument whatever its rank, but a root of none does."""
    values = {v: seen.value for m in t.got for v, seen in m.seen.items() if seen.value is not None}
    for at in t.raises("ROOT-01"):
        for var in t.leaves(at):
            t.grad(at, var)
    for at in t.outcomes(Backward):
        root = values.get(at.step.roots[0])
        if at.step.gradients is None and root is not None and root.size == 1:
            t.allowed(at)
            for var in t.leaves(at) if at.got.raised is None else ():
                t.grad(at, var)


# -- the gradient argument -----------------------------------------------------------------------------------

#: Shapes of gradient arguments that a root might be given by mistake.
MISTAKEN = ((), (1,), (2,), (3,), (1, 1), (2, 2), (1, 3), (3, 1), (2, 3), (3, 2), (0,))


def wrong_shape(b: Builder) -> None:
    """A gradient argument of another shape than the root, many of them broadcastable or merely transposed."""
    grown = graph(b)
    bystanders(b, grown)
    earlier(b, grown.leaves)
    shape, size = b.shape(grown.root), b[grown.root].value.size
    near = {shape[1:], (1, *shape), (*shape, 1), shape[::-1], (1,) * len(shape), (size,)}
    options = sorted(near) if b.entropy.chance(70) else list(MISTAKEN)
    dtype = b.dtype(grown.root)
    b.turn()
    b.backward(grown.root, b.data(b.entropy.pick([s for s in options if s != shape]), dtype=dtype))
    if b.entropy.chance(40):
        b.backward(grown.root, b.data(shape, dtype=dtype))


@law("ROOT-03", METHOD, wrong_shape, level="core", stored=False, needs=("gradient_argument",))
def argument_has_the_shape_of_the_root(t: Trial) -> None:
    """A gradient argument of another shape than the root is an error: there is no broadcasting."""
    for at in t.raises("ROOT-03"):
        for var in t.leaves(at):
            t.grad(at, var)


def complex_leaf(b: Builder, shape: tuple[int, ...] | None = None, tracked: bool = True) -> Var:
    """A leaf of complex numbers."""
    shape = b.draw_shape() if shape is None else shape
    size = 1
    for n in shape:
        size *= n
    values = b.entropy.values(size) + 1j * b.entropy.values(size, NONZERO)
    return b.leaf(values=values.reshape(shape), dtype="complex128", tracked=tracked)


def complex_graph(b: Builder) -> tuple[Var, tuple[Var, ...]]:
    """(root, leaves) of a small graph over complex numbers."""
    x = complex_leaf(b)
    b.turn()
    y = complex_leaf(b, b.shape(x))
    b.turn()
    end = x
    for _ in range(1 + b.entropy.below(3)):
        op = b.entropy.pick([op for op in ("add", "sub", "mul", "neg") if b.has(op)] or ["add"])
        end = b.must(op, end) if op == "neg" else b.must(op, end, b.entropy.pick((y, x, end)))
    b.turn()
    if b.entropy.chance(50) and b.has("sum"):
        end = b.total(end)
    return end, (x, y)


def other_field(b: Builder) -> None:
    """A complex gradient argument for a real root, or a real one for a complex root."""
    if b.entropy.chance(50):
        root, leaves = complex_graph(b)
        b.turn()
        b.backward(root, b.data(b.shape(root)))
        again = complex_leaf(b, b.shape(root), tracked=False)
    else:
        grown = graph(b)
        root, leaves = grown.root, grown.leaves
        earlier(b, leaves)
        b.backward(root, complex_leaf(b, b.shape(root), tracked=False))
        again = b.data(b.shape(root), dtype=b.dtype(root))
    if b.entropy.chance(50):
        b.backward(root, again)


@law(
    "ROOT-05",
    f"{SOURCE}; test_gradient_edge_output",
    other_field,
    needs=("complex", "add", "gradient_argument"),
    stored=False,
)
def argument_is_complex_where_the_root_is(t: Trial) -> None:
    """A complex gradient argument for a real root is an error, and so is a real one for a complex root."""
    for at in t.raises("ROOT-05"):
        for var in t.leaves(at):
            t.grad(at, var)


def complex_scalar(b: Builder) -> None:
    """A backward without gradient argument from a complex root of one element."""
    root, _ = complex_graph(b)
    root = root if b[root].value.size == 1 else b.total(root)
    b.turn()
    bare(b, root)
    if b.entropy.chance(50):
        b.backward(root, complex_leaf(b, b.shape(root), tracked=False))


@law(
    "ROOT-06",
    f"{TESTS} test_complex_scalar_backward",
    complex_scalar,
    needs=("complex", "add", "sum", "bare_gradient"),
    stored=False,
)
def complex_roots_need_an_argument(t: Trial) -> None:
    """A complex root needs a gradient argument even if it has one element only."""
    for at in t.raises("ROOT-06"):
        for var in t.leaves(at):
            t.grad(at, var)


def no_tensor(b: Builder) -> None:
    """A Python list in place of the gradient argument."""
    grown = graph(b)
    bystanders(b, grown)
    earlier(b, grown.leaves)
    if b.has("backward_many") and b.entropy.chance(25):
        other = graph(b).root
        pair = [(grown.root, NOT_A_TENSOR), (other, b.seed(other))]
        (first, one), (second, two) = pair if b.entropy.chance(50) else pair[::-1]
        b.step(Backward((first, second), (one, two)))
    elif b.has("reshape", "sum") and b.entropy.chance(30):
        b.backward(b.must("reshape", b.total(grown.root), shape=(1,)), NOT_A_TENSOR)
    else:
        b.backward(grown.root, NOT_A_TENSOR)
    if b.entropy.chance(40):
        b.backward(grown.root, b.seed(grown.root))


@law("ROOT-11", SOURCE, no_tensor, needs=("gradient_argument",), stored=False)
def argument_is_a_tensor(t: Trial) -> None:
    """A gradient argument that is no tensor is an error."""
    for at in t.raises("ROOT-11"):
        for var in t.leaves(at):
            t.grad(at, var)


# -- roots ---------------------------------------------------------------------------------------------------


def untracked_root(b: Builder) -> None:
    """A backward from something that does not require grad: constants and what is computed from them only."""
    grown = graph(b)
    earlier(b, grown.leaves)
    kind = b.entropy.below(5)
    if kind == 1 and b.has("detach"):
        root = b.detach(b.entropy.pick((grown.root, *grown.leaves)))
    elif kind == 2 and b.has("no_grad"):
        b.enter("no_grad")
        root = b.unary(grown.root, ("exact", "smooth"))
        b.leave()
    elif kind == 3:
        root = b.binary(b.data(), b.data())
    elif kind == 4 and b.has("set_requires_grad"):
        root = b.leaf()
        b.require(root, False)
    else:
        root = b.data()
    b.turn()
    root = b.total(root) if b.has("sum") and b.entropy.chance(40) else root
    b.backward(root, b.seed(root) if b.entropy.chance(30) else None)
    if b.entropy.chance(40):
        b.backward(grown.root)


@law("ROOT-07", f"{TESTS} test_backward_badcalls", untracked_root, level="core", needs=("constants",))
def roots_require_grad(t: Trial) -> None:
    """A backward from a tensor that does not require grad is an error."""
    for at in t.raises("ROOT-07"):
        for var in t.leaves(at):
            t.grad(at, var)


def miscounted(b: Builder) -> None:
    """More gradient arguments than roots, or fewer."""
    grown = graph(b)
    earlier(b, grown.leaves)
    roots = [grown.root] + [graph(b).root for _ in range(b.entropy.below(2))]
    b.turn()
    seeds = [b.seed(root) for root in roots]
    if len(seeds) > 1 and b.entropy.chance(60):
        seeds = seeds[: b.entropy.below(len(seeds))]
    else:
        seeds.append(b.seed(b.entropy.pick(roots)))
    b.step(Backward(tuple(roots), tuple(seeds)))
    if b.entropy.chance(30):
        b.backward(grown.root)


@law(
    "ROOT-09",
    BACKWARD,
    miscounted,
    needs=("backward_many", "gradient_argument", "gradient_lists"),
    stored=False,
)
def as_many_arguments_as_roots(t: Trial) -> None:
    """A list of gradient arguments that is longer or shorter than the list of roots is an error."""
    for at in t.raises("ROOT-09"):
        for var in t.leaves(at):
            t.grad(at, var)


def nones_among_arguments(b: Builder) -> None:
    """None for some of the gradient arguments, of roots of one element and of others."""
    first = scalar_graph(b) if b.entropy.chance(60) else graph(b)
    second = graph(b) if b.entropy.chance(60) else scalar_graph(b)
    roots = (first.root, second.root)
    b.turn()
    wanted = b.entropy.below(2)
    seeds: list[Var | None] = []
    for k, root in enumerate(roots):
        one = b[root].value.size == 1
        seeds.append(None if k == wanted or (one and b.entropy.chance(50)) else b.seed(root))
    b.turn()
    b.step(Backward(roots, tuple(seeds)))


@law(
    "ROOT-10",
    BACKWARD,
    nones_among_arguments,
    needs=("backward_many", "bare_gradient"),
    after=("ACC-05", "ROOT-01"),
    stored=False,
)
def none_stands_for_one(t: Trial) -> None:
    """None among gradient arguments stands for 1 where the root has one element, and else is an error."""
    for at in t.raises("ROOT-01"):
        for var in t.leaves(at):
            t.grad(at, var)
    for at in t.outcomes(Backward):
        if at.step.gradients is not None and None in at.step.gradients:
            t.allowed(at)
            for var in t.leaves(at) if at.got.raised is None and at.want.raised is None else ():
                t.grad(at, var)


def any_backward(b: Builder) -> None:
    """One or two backwards of any kind."""
    grown = graph(b)
    bystanders(b, grown)
    b.backward(grown.root)
    if b.has("backward_many") and b.entropy.chance(50):
        other, another = graph(b).root, graph(b).root
        b.backward_many((other, another))


@law("ROOT-13", BACKWARD, any_backward)
def backward_returns_nothing(t: Trial) -> None:
    """A backward returns None."""
    for at in t.succeeded(Backward):
        got, want = (moment.same.get("returned None") for moment in (at.got, at.want))
        t.equal(f"`({t.source(at)}) is None`", got, want, at)
