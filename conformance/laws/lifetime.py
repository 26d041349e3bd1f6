"""LIFE: how long a recorded graph can be used: until a backward frees it, unless retain_graph keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gradlaws.conformance.language.steps import Backward, Forget, Grad, Var
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import At, Trial
from gradlaws.conformance.laws.values import paths
from gradlaws.conformance.reference.engine import MustRaise
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import Graph, bystanders, graph

DOC = "https://docs.pytorch.org/docs/2.13/"
METHOD = DOC + "generated/torch.Tensor.backward.html"
FUNCTION = DOC + "generated/torch.autograd.backward.html"
NOTES = DOC + "notes/autograd.html"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"

#: Ops that are documented to keep their operands or their result for backward.
KEEPING = ("mul", "exp", "tanh", "sigmoid", "square", "matmul")


def keeping(b: Builder, x: Var) -> Var:
    """A result computed from x by an op that keeps something for backward."""
    for op in (b.entropy.pick(KEEPING), "mul", "exp"):
        if b.has(op):
            made = b.apply(op, x, x) if op in ("mul", "matmul") else b.apply(op, x)
            if made is not None:
                return int(made)
    return b.unary(x)


def with_kept(b: Builder) -> Graph:
    """A graph in which, nearly always, some op keeps something."""
    grown = graph(b)
    b.turn()
    if b.entropy.chance(85):
        root = keeping(b, grown.root)
        grown = Graph(root, grown.leaves, (*grown.inner, grown.root))
        if b.entropy.chance(30):
            root = b.unary(root, ("move", "view", "exact"))
            grown = Graph(root, grown.leaves, (*grown.inner, grown.root))
    return grown


def again(t: Trial, retained: bool) -> Iterator[At]:
    """Backwards from roots that were roots before, of backwards that did (not) ask to keep the graph."""
    before: dict[Var, bool] = {}
    for at in t.outcomes(Backward, Grad):
        if isinstance(at.step, Backward) and any(before.get(root) is retained for root in at.step.roots):
            yield at
        if at.got.raised is None:
            keeps = at.step.create_graph if at.step.retain_graph is None else at.step.retain_graph
            for root in at.step.roots:
                before[root] = keeps and before.get(root, True)


def right(t: Trial, at: At) -> None:
    """Assert that a backward that need not be refused, and was not, has accumulated the right gradients."""
    t.allowed(at)
    if at.got.raised is None and at.want.raised is None:
        for var in t.leaves(at):
            t.grad(at, var)


# -- freeing -------------------------------------------------------------------------------------------------


def used_up(b: Builder) -> None:
    """A second pass through a graph that a first one was not asked to keep."""
    grown = with_kept(b)
    bystanders(b, grown)
    options: dict[str, Any] = {}
    if b.has("retain_graph") and b.entropy.chance(40):
        options["retain_graph"] = False
    b.turn()
    if b.has("autograd_grad") and b.entropy.chance(25):
        b.grad((grown.root,), grown.leaves, **options)
    else:
        b.backward(grown.root, **options)
    b.turn()
    b.backward(grown.root)


@law("LIFE-01", METHOD, used_up, after=("VAL-01", "VAL-02"), stored=False)
def backward_uses_the_graph_up(t: Trial) -> None:
    """A second backward through a graph that was not kept is refused, or adds exactly the right gradient again.

    PyTorch documents the refusal where an op had to keep values; judged strictly, nothing else will do there.
    """
    for _ in t.raises("LIFE-01"):
        pass
    for at in again(t, retained=False):
        if at.want.raised is None:
            right(t, at)


def kept_alive(b: Builder) -> None:
    """Two to four backwards through one graph, all but the last told to keep it."""
    grown = with_kept(b)
    bystanders(b, grown)
    b.turn()
    seed = None if b[grown.root].value.size == 1 and b.entropy.chance(50) else b.seed(grown.root)
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        b.backward(grown.root, seed if b.entropy.chance(60) else None, retain_graph=True)
    b.backward(grown.root, seed)


@law("LIFE-02", METHOD, kept_alive, needs=("retain_graph",), after=("ACC-01",), stored=False)
def a_kept_graph_can_be_used_again(t: Trial) -> None:
    """After retain_graph=True any number of backwards are possible, and each adds its gradient in full."""
    for at in again(t, retained=True):
        right(t, at)


def differentiable(b: Builder) -> None:
    """A backward with create_graph=True, with or without retain_graph=False, and another one after it."""
    grown = with_kept(b)
    first: dict[str, Any] = {"create_graph": True}
    if b.has("retain_graph") and b.entropy.chance(40):
        first["retain_graph"] = False
    b.turn()
    if b.has("autograd_grad") and b.entropy.chance(25):
        b.grad((grown.root,), grown.leaves, **first)
    else:
        b.backward(grown.root, **first)
    b.turn()
    b.backward(grown.root)


@law("LIFE-03", FUNCTION, differentiable, needs=("create_graph",), after=("LIFE-01", "LIFE-02"), stored=False)
def create_graph_keeps_the_graph(t: Trial) -> None:
    """A backward with create_graph=True keeps the graph, unless it is given retain_graph=False as well."""
    made = {root for at in t.succeeded(Backward, Grad) if at.step.create_graph for root in at.step.roots}
    for at in again(t, retained=False):
        must = at.want.raised
        if isinstance(must, MustRaise) and must.law == "LIFE-01" and not made.isdisjoint(at.step.roots):
            t.claim(at.got.raised is not None, t.quoted(at.index), "accepted", "an error", at)
        elif must is None:
            right(t, at)
    for at in again(t, retained=True):
        if not made.isdisjoint(at.step.roots):
            right(t, at)


def shared_below(b: Builder) -> None:
    """Two roots above one op that keeps something, and a backward from each."""
    grown = with_kept(b)
    shared = grown.root
    roots = []
    for _ in range(2):
        b.turn()
        alone = b.entropy.chance(70)
        top = b.unary(shared) if alone else b.binary(shared, b.leaf(b.partner(b.shape(shared))))
        roots.append(b.total(top) if b.has("sum") and b.entropy.chance(40) else top)
    b.turn()
    keep = b.has("retain_graph") and b.entropy.chance(20)
    b.backward(roots[0], **({"retain_graph": True} if keep else {}))
    b.backward(roots[1])


@law("LIFE-06", f"{NOTES}#graph-retaining (implied)", shared_below, after=("LIFE-01",), stored=False)
def what_graphs_share_is_freed_once_for_all(t: Trial) -> None:
    """What a backward from one root has freed is refused, or still right, from another root that shares it."""
    for _ in t.raises("LIFE-01"):
        pass
    done: list[tuple[Var, ...]] = []
    for at in t.outcomes(Backward):
        if at.want.raised is None and any(roots != at.step.roots for roots in done):
            right(t, at)
        if at.got.raised is None:
            done.append(at.step.roots)


def failing(b: Builder) -> None:
    """A second backward that fails, and one that must, over leaves with a gradient, one that was set, or none."""
    grown = with_kept(b)
    b.turn()
    root = grown.root
    b.backward(root)
    leaf = b.entropy.pick(grown.leaves)
    if b.has("set_grad") and b.entropy.chance(40):
        if b.entropy.chance(50):
            b.clear(leaf)
        else:
            b.set_grad(leaf, b.data(b.shape(leaf), dtype=b.dtype(leaf)))
    if b.entropy.chance(40):
        root = b.binary(root, b.leaf(b.partner(b.shape(root))))
    b.turn()
    b.backward(root)
    if not b.has("gradient_argument"):
        return  # an adapter that weights the root may take other shapes
    b.turn()
    wrong = b.data((*b.shape(root), 2), dtype=b.dtype(root))
    b.step(Backward((root,), (wrong,)))  # no engine can take a gradient of another shape


@law(
    "LIFE-09",
    f"{METHOD} (observed: what a failing backward leaves behind)",
    failing,
    after=("LIFE-01",),
    stored=False,
)
def a_failing_backward_corrupts_nothing(t: Trial) -> None:
    """A backward that fails leaves each .grad as it was, or with its gradient added in full."""
    for at in t.at(Backward):
        if at.got.raised is not None:
            for var in t.leaves(at):
                t.grad(at, var)


# -- names and modes -----------------------------------------------------------------------------------------


def forgotten(b: Builder) -> None:
    """Names of leaves, constants and intermediate results deleted before the backward."""
    grown = with_kept(b)
    bystanders(b, grown)
    used = [v for v in b.info if v not in (grown.root, grown.leaves[0])]
    b.turn()
    gone: set[Var] = set()
    for _ in range(1 + b.entropy.below(5)):
        if used:
            var = used.pop(b.entropy.below(len(used)))
            b.forget(var)
            gone.add(var)
    b.turn()
    b.backward(grown.root)


@law("LIFE-10", f"{TESTS} test_variable_traverse (implied)", forgotten, after=("VAL-01", "VAL-02"))
def the_graph_holds_what_it_needs(t: Trial) -> None:
    """Deleting names of tensors that a graph was computed from changes nothing for its backward."""
    gone: set[Var] = set()
    for at in t.outcomes(Forget, Backward):
        if isinstance(at.step, Forget):
            gone.add(at.step.x)
        elif not gone.isdisjoint(paths(t.program, at.step.roots)):
            right(t, at)


def under_no_grad(b: Builder) -> None:
    """A backward within no_grad, perhaps within enable_grad within it, perhaps after ops within it."""
    grown = graph(b)
    bystanders(b, grown)
    b.turn()
    b.enter("no_grad")
    if b.entropy.chance(30):
        b.unary(grown.root, ("exact", "smooth", "move"))
    nested = b.has("enable_grad") and b.entropy.chance(20)
    if nested:
        b.enter("enable_grad")
        b.leave()
    b.turn()
    keep = b.has("retain_graph") and b.entropy.chance(40)
    b.backward(grown.root, **({"retain_graph": True} if keep else {}))
    if b.entropy.chance(70):
        b.leave()
    if keep:
        b.backward(grown.root)


@law("LIFE-12", f"{NOTES}#no-grad-mode", under_no_grad, needs=("no_grad",), after=("VAL-01", "VAL-02"))
def backward_does_not_mind_the_mode(t: Trial) -> None:
    """A backward within no_grad works as it does outside: the mode only decides what is recorded."""
    for at in t.outcomes(Backward):
        if at.want.mode is False:
            right(t, at)
