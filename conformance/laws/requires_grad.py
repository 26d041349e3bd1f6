"""REQ: which results require grad, which dtypes may, and what the flag means for a backward."""

from __future__ import annotations

from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import Apply, Backward, Leaf, Var
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import bystanders, graph, over

DOC = "https://docs.pytorch.org/docs/2.13/"
REQUIRES = DOC + "notes/autograd.html#setting-requires-grad"
FLAG = DOC + "generated/torch.Tensor.requires_grad.html"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"


def ranked(b: Builder) -> tuple[int, ...]:
    """A shape of rank 1 or more: 0-d operands take part in dtype promotion in ways of their own."""
    return b.draw_shape() or (2,)


# -- propagation ---------------------------------------------------------------------------------------------


def mixtures(b: Builder) -> None:
    """Ops on tracked and untracked tensors, recorded and not."""
    starts = [b.leaf(tracked=b.entropy.chance(50)) for _ in range(2 + b.entropy.below(2))]
    result = over(b, *starts)
    b.turn()
    if b.entropy.chance(40) and b.has("no_grad"):
        b.enter("no_grad")
        # No views: whether a view made here is tracked is a question of its own.
        inside = b.unary(b.entropy.pick(starts), ("exact", "smooth"))
        again = b.entropy.chance(40) and b.has("enable_grad")
        if again:
            b.enter("enable_grad")
            inside = over(b, inside, starts[0])
            b.leave()
        b.leave()
        result = b.binary(result, inside)
    if b[result].tracked and b.entropy.chance(40):
        b.backward(result)


@law("REQ-01", REQUIRES, mixtures, level="core", needs=("requires_grad",))
def a_result_requires_grad_if_an_operand_does(t: Trial) -> None:
    """A differentiable result requires grad exactly if ops are recorded and some operand requires grad."""
    for at in t.succeeded(Apply):
        for var in at.step.outs:
            value = at.want.seen[var].value
            if value is not None and value.dtype.kind in "fc":
                t.flag(at, var, "requires_grad")


def integer_results(b: Builder) -> None:
    """Comparisons, positions and conversions to integers, of tracked and untracked tensors."""
    made = graph(b)
    pool = (made.root, *made.leaves)
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        x = b.entropy.pick(pool)
        op = b.entropy.pick(tuple(op for op in ("greater", "equal", "argmax", "to_integer") if b.has(op)))
        if op in ("greater", "equal"):
            b.apply(op, x, x if b.entropy.chance(40) else b.leaf(b.shape(x), tracked=b.entropy.chance(50)))
        elif op == "argmax":
            b.apply(op, x)
        else:
            b.apply(op, x, dtype="int64")
    if b.entropy.chance(50):
        b.backward(made.root)


@law(
    "REQ-05",
    DOC + "notes/extending.html#how-to-use",
    integer_results,
    level="core",
    needs=("requires_grad", "integer", "greater"),
)
def integer_results_are_untracked(t: Trial) -> None:
    """A result of integer or bool dtype never requires grad, whatever it was computed from."""
    for at in t.succeeded(Apply):
        for var in at.step.outs:
            value = at.want.seen[var].value
            if value is not None and value.dtype.kind in "iub":
                t.flag(at, var, "requires_grad")


def casts_to_integer(b: Builder) -> None:
    """Tracked tensors converted to integers, and what is computed from those."""
    made = graph(b)
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        x = b.entropy.pick((made.root, *made.leaves))
        n = b.must("to_integer", x, dtype="int64")
        if b.shape(n) and b.entropy.chance(50):
            b.apply("mul", b.leaf(b.shape(n)), n)
    if b.entropy.chance(50):
        b.backward(made.root)


@law(
    "REQ-06",
    DOC + "generated/torch.Tensor.to.html",
    casts_to_integer,
    needs=("requires_grad", "integer", "to_integer"),
    after=("REQ-05",),
)
def a_cast_to_integer_is_untracked(t: Trial) -> None:
    """Converting a tensor that requires grad to an integer dtype gives one that does not."""
    for at in t.succeeded(Apply):
        before = t.want.before(at.index, at.step.inputs[0])
        if at.step.op == "to_integer" and before is not None and before.requires_grad:
            t.flag(at, at.step.outs[0], "requires_grad")


def mixed_kinds(b: Builder) -> None:
    """Tracked floats combined with integers and bools, which may have been computed from them."""
    shape = ranked(b)
    w = b.leaf(shape, dtype=b.entropy.pick(b.dtypes("f")))
    b.turn()
    kind = b.entropy.below(4)
    if kind == 1 and b.has("to_integer"):
        n = b.must("to_integer", w, dtype="int64")
    elif kind == 2 and b.has("greater"):
        n = b.must("greater", w, w)
    else:
        n = b.data(b.partner(shape) or shape, dtype=b.entropy.pick(b.dtypes("ib")))
    ops = ("mul", "add") if b[n].value.dtype.kind == "b" else ("mul", "add", "sub", "maximum", "minimum")
    op = b.entropy.pick(tuple(o for o in ops if b.has(o)))
    result = b.must(op, *((w, n) if b.entropy.chance(50) else (n, w)))
    b.backward(over(b, result))


@law(
    "REQ-07",
    REQUIRES + " and " + DOC + "notes/autograd.html",
    mixed_kinds,
    needs=("integer", "mul", "add"),
    after=("REQ-01", "VAL-01"),
    stored=False,
)
def integers_take_part_without_gradient(t: Trial) -> None:
    """An op on an integer and a tracked float gives a tracked result, and only the float gets a gradient."""
    kinds = {v: s.value.dtype.kind for m in t.got for v, s in m.seen.items() if s.value is not None}
    for at in t.succeeded(Apply):
        if len({kinds.get(v) for v in at.step.inputs}) > 1:
            t.flag(at, at.step.outs[0], "requires_grad")
    for at in t.succeeded(Backward):
        for var, want in at.want.seen.items():
            if kinds.get(var, "f") in "iub" or (want.is_leaf and want.requires_grad):
                t.grad(at, var)


# -- untracked -----------------------------------------------------------------------------------------------


def untracked_roots(b: Builder) -> None:
    """A backward from a result that nothing tracked went into, beside graphs where something did."""
    if b.entropy.chance(40):
        b.backward(graph(b).root)
    result = over(b, *(b.data() for _ in range(1 + b.entropy.below(3))))
    b.turn()
    if b.entropy.chance(25) and b.has("no_grad"):
        x = b.leaf()
        b.enter("no_grad")
        result = b.unary(x, ("exact", "smooth"))
        b.leave()
    elif b.entropy.chance(25) and b.has("detach"):
        result = over(b, b.detach(over(b, b.leaf())))
    b.backward(b.total(result) if b.entropy.chance(40) else result)
    if b.entropy.chance(40):
        b.backward(graph(b).root)


@law("REQ-08", REQUIRES, untracked_roots, level="core", after=("REQ-01",), needs=("constants",))
def untracked_ops_record_nothing(t: Trial) -> None:
    """Ops on untracked tensors record no graph, so that a backward from their result is an error."""
    for at in t.raises("ROOT-07"):
        for var in t.leaves(at):
            t.grad(at, var)


def frozen(b: Builder) -> None:
    """A graph some of whose leaves are frozen: made without the flag, or with the flag cleared."""
    starts = [b.leaf(tracked=b.entropy.chance(60)) for _ in range(1 + b.entropy.below(2))]
    if b.has("set_requires_grad") and b.entropy.chance(60):
        late = b.leaf()
        b.require(late, False)
        starts.append(late)
    else:
        starts.append(b.data())
    starts.append(b.leaf())
    result = over(b, *starts)
    if b.entropy.chance(30) and b.has("retain_graph"):
        b.backward(result, retain_graph=True)
    b.backward(result)


@law("REQ-09", REQUIRES, frozen, after=("VAL-01",), needs=("constants",), stored=False)
def freezing_leaves_the_rest_alone(t: Trial) -> None:
    """A frozen leaf gets no gradient, and the other leaves get the same gradients as ever."""
    for at in t.succeeded(Backward):
        made = [v for v in at.want.seen if isinstance(t.program.maker(v), Leaf)]
        cold = [v for v in made if not at.want.seen[v].requires_grad]
        for var in cold + t.leaves(at) if cold else ():
            t.grad(at, var)


def flagged(b: Builder) -> None:
    """A graph with a leaf that takes no part, and some of its inner tensors at hand."""
    made = graph(b)
    if b.entropy.chance(60):
        b.leaf()
    bystanders(b, made)
    b.backward(made.root)


@law("REQ-15", FLAG, flagged, needs=("requires_grad",), after=("NONE-03",))
def requiring_grad_promises_nothing(t: Trial) -> None:
    """Requiring grad is not having one: non-leaves, and leaves not reached, keep None in a backward."""
    for at in t.succeeded(Backward):
        reached = t.reached(at)
        for var, want in at.want.seen.items():
            if want.requires_grad and t.blank(at, var) and var not in reached:
                t.flag(at, var, "requires_grad")
                t.absent(at, var)


# -- dtypes --------------------------------------------------------------------------------------------------


def tracked_of_any_dtype(b: Builder) -> None:
    """New tensors of all dtypes that are asked to require grad."""
    kept: list[Var] = []
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        dtype = b.entropy.pick(b.dtypes())
        x = b.leaf(tracked=True, dtype=dtype)
        if dtype == b.usual:
            kept.append(x)
    b.leaf(tracked=True, dtype=b.entropy.pick(b.dtypes("ib")))
    if kept:
        b.backward(over(b, *kept))


@law("REQ-02", DOC + "autograd.html", tracked_of_any_dtype, needs=("integer", "bare_gradient"), stored=False)
def only_floats_are_made_tracked(t: Trial) -> None:
    """A new tensor that is to require grad must be floating-point or complex: any other dtype is an error."""
    for at in t.raises():
        t.claim(at.step.outs[0] not in at.got.seen, name(at.step.outs[0]), "bound", "not made", at)
    for at in t.outcomes(Leaf):
        if at.step.requires_grad:
            t.allowed(at)
