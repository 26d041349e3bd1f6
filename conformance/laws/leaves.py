"""LEAF: which tensors are leaves of the graph, and that the graph is what the last forward pass did."""

from __future__ import annotations

from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import Apply, Backward, InPlace, Leaf, RequireGrad
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.builder import Builder, DeadEnd
from gradlaws.strategies.graphs import bystanders, graph, over

DOC = "https://docs.pytorch.org/docs/2.13/"
IS_LEAF = DOC + "generated/torch.Tensor.is_leaf.html"
REQUIRES = DOC + "notes/autograd.html#setting-requires-grad"
INPLACE = DOC + "notes/autograd.html#in-place-operations-with-autograd"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"


# -- making leaves -------------------------------------------------------------------------------------------


def creations(b: Builder) -> None:
    """New tensors of all dtypes, asked to require grad or not, inside and outside of grad modes."""
    if b.entropy.chance(25):
        b.backward(graph(b).root)
    quiet = b.entropy.chance(25) and b.has("no_grad")
    if quiet:
        b.enter("no_grad")
    for _ in range(2 + b.entropy.below(4)):
        b.turn()
        dtype = b.entropy.pick(b.dtypes())
        shape = b.entropy.pick((None, None, None, (0,), (2, 0)))
        b.leaf(shape, tracked=dtype[0] in "fc" and b.entropy.chance(40), dtype=dtype)
    if quiet:
        b.leave()


@law("LEAF-01", REQUIRES, creations, level="core", needs=("requires_grad",))
def a_new_tensor_requires_grad_if_asked(t: Trial) -> None:
    """A new tensor requires grad exactly if that is asked for, or if it is made as a parameter."""
    parameters = {"parameter", "calls"} <= t.backend.capabilities
    for at in t.succeeded(Leaf):
        var = at.step.outs[0]
        t.flag(at, var, "requires_grad")
        if parameters and at.step.value.array.dtype.kind == "f":
            made = t.backend.requires_grad(t.backend.parameter(at.step.value.array))
            t.equal(f"Parameter({name(var)}).requires_grad", made, True, at)


# -- leaf or not ---------------------------------------------------------------------------------------------


def untracked_results(b: Builder) -> None:
    """Ops on constants, on integers, and on tracked tensors where nothing is recorded."""
    result = over(b, *(b.data() for _ in range(1 + b.entropy.below(2))))
    b.turn()
    if b.entropy.chance(50) and b.has("no_grad"):
        x = b.leaf()
        b.enter("no_grad")
        # No views: whether a view made here is tracked is a question of its own.
        result = b.unary(b.unary(x, ("exact", "smooth")), ("exact", "smooth"))
        b.leave()
    b.turn()
    if b.entropy.chance(50) and b.has("integer", "greater"):
        x = b.leaf(b.shape(result))
        if b.apply("greater", x, result) is not None and b.has("argmax"):
            b.apply("argmax", x)
    if b.entropy.chance(40):
        b.backward(b.binary(result, b.leaf(b.shape(result))))


@law("LEAF-02", IS_LEAF, untracked_results, needs=("is_leaf",), after=("REQ-01",))
def an_untracked_result_is_a_leaf(t: Trial) -> None:
    """The result of an op that does not require grad counts as a leaf."""
    for at in t.succeeded(Apply):
        for var in at.step.outs:
            if at.want.seen[var].requires_grad is False:
                t.flag(at, var, "is_leaf")


def grown(b: Builder) -> None:
    """A graph of any shape, and its backward."""
    made = graph(b)
    bystanders(b, made)
    b.backward(made.root)


@law("LEAF-03", IS_LEAF, grown, level="core", needs=("is_leaf",))
def a_tracked_leaf_has_no_recorded_op(t: Trial) -> None:
    """A tensor that requires grad is a leaf exactly if no recorded op made it, also after a backward."""
    for at in t.succeeded(Leaf, Apply, Backward):
        for var, want in at.want.seen.items():
            if want.requires_grad:
                t.flag(at, var, "is_leaf")


def conversions(b: Builder) -> None:
    """Conversions to the same and to another dtype, of leaves and of results."""
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        x = b.leaf(dtype=b.entropy.pick(b.dtypes("f")))
        if b.entropy.chance(25):
            x = b.unary(x)
        for _ in range(1 + b.entropy.below(2)):
            x = b.converted(x, b.entropy.pick(b.dtypes("f")))
        b.backward(over(b, x))


@law(
    "LEAF-04",
    IS_LEAF + " and " + DOC + "generated/torch.Tensor.to.html",
    conversions,
    needs=("is_leaf", "cast", "float32", "float64"),
)
def converting_makes_a_non_leaf(t: Trial) -> None:
    """Converting a tracked leaf to another dtype gives a non-leaf; to its own dtype, the leaf itself."""
    for at in t.succeeded(Apply):
        x = at.step.inputs[0]
        before = t.want.before(at.index, x)
        if at.step.op == "cast" and before is not None and before.requires_grad:
            itself = "returned itself"
            t.equal(f"`{t.source(at)} is {name(x)}`", at.got.same[itself], at.want.same[itself], at)
            t.flag(at, at.step.outs[0], "is_leaf")


def late_flags(b: Builder) -> None:
    """An untracked result that is made to require grad, and used."""
    result = over(b, *(b.data() for _ in range(1 + b.entropy.below(2))))
    b.require(result)
    others = [b.leaf(b.partner(b.shape(result)))] if b.entropy.chance(50) else []
    b.backward(over(b, result, *others))


@law("LEAF-05", IS_LEAF, late_flags, needs=("constants", "is_leaf", "set_requires_grad"))
def a_flagged_result_is_a_leaf(t: Trial) -> None:
    """An untracked result that is told to require grad after its op ran is a leaf that requires grad."""
    for at in t.succeeded(RequireGrad):
        before = t.want.before(at.index, at.step.x)
        made = t.program.maker(at.step.x)
        if at.step.flag and isinstance(made, Apply) and before is not None and not before.requires_grad:
            t.flag(at, at.step.x, "is_leaf")
            t.flag(at, at.step.x, "requires_grad")


@law("LEAF-06", IS_LEAF, grown, level="core", after=("NONE-03",))
def only_tracked_leaves_receive(t: Trial) -> None:
    """A plain backward leaves .grad of everything but the leaves that require grad as it was."""
    for at in t.succeeded(Backward):
        if at.step.inputs is not None:
            continue
        for var, want in at.want.seen.items():
            if not (want.is_leaf and want.requires_grad) and not want.retains:
                t.grad(at, var)
            elif want.is_leaf and want.grad is not None and want.grad.any():
                t.claim(at.got.seen[var].grad is not None, f"{name(var)}.grad", None, want.grad, at)


@law("LEAF-07", REQUIRES, grown, needs=("is_leaf", "requires_grad"))
def a_non_leaf_requires_grad(t: Trial) -> None:
    """Whatever is not a leaf requires grad, as long as it lives."""
    for at in t.succeeded(Apply, Backward, RequireGrad):
        for var, seen in at.got.seen.items():
            if seen.is_leaf is False:
                # A result that was recorded for nothing is no leaf in some dialects.
                want = at.want.seen[var]
                requires = want.is_leaf is not False or want.requires_grad
                t.equal(f"{name(var)}.requires_grad of a non-leaf", seen.requires_grad, requires, at)


# -- what becomes of leaves ----------------------------------------------------------------------------------


def tracked_writes(b: Builder) -> None:
    """A tracked operand written into an untracked tensor, or into a view of one."""
    base = b.data()
    target = base
    if b.entropy.chance(40) and b.has("views"):
        target = b.view(base)
    if b.entropy.chance(30) and b.has("views"):
        b.view(base)
    b.turn()
    shape = b.shape(target)
    names = tuple(n for n in ("add_", "sub_", "mul_", "copy_", "set_item_") if b.has(n))
    if not names:
        raise DeadEnd("there is nothing to write with")
    op = b.entropy.pick(names)
    slot = op == "set_item_"
    if (slot and not shape) or not b.writable(target):
        raise DeadEnd("there is nothing to write to")
    source = b.leaf(shape[1:] if slot else b.partner(shape))
    if b.entropy.chance(40):
        source = b.unary(source, ("exact",))
    params = {"index": b.entropy.below(shape[0])} if slot else {}
    if not b.inplace(op, target, source, **params):
        raise DeadEnd("the write does not fit")
    b.backward(over(b, base))


@law(
    "LEAF-10",
    TESTS + " (test_requires_grad_inplace) and " + INPLACE,
    tracked_writes,
    needs=("constants", "inplace", "is_leaf", "requires_grad"),
)
def a_tracked_write_makes_a_non_leaf(t: Trial) -> None:
    """A tracked operand written in place into an untracked tensor makes it a non-leaf that requires grad."""
    for at in t.succeeded(InPlace):
        for var, want in at.want.seen.items():
            before = t.want.before(at.index, var)
            if want.requires_grad and before is not None and not before.requires_grad:
                t.flag(at, var, "requires_grad")
                t.flag(at, var, "is_leaf")


def iterations(b: Builder) -> None:
    """Several forward passes over the same leaves, each with other ops, and each with its backward."""
    leaves = [b.leaf() for _ in range(1 + b.entropy.below(3))]
    for _ in range(2 + b.entropy.below(2)):
        b.turn()
        used = [x for x in leaves if b.entropy.chance(60)] or leaves[:1]
        if b.entropy.chance(30) and b.has("set_grad"):
            b.clear(b.entropy.pick(leaves))
        b.backward(over(b, *used))


@law(
    "LEAF-12",
    DOC + "notes/autograd.html#how-autograd-encodes-the-history",
    iterations,
    after=("VAL-01", "ACC-01"),
    stored=False,
)
def each_forward_has_its_own_graph(t: Trial) -> None:
    """Every forward pass records its own graph: each backward differentiates the code that ran that time."""
    for k, at in enumerate(t.succeeded(Backward)):
        for var in t.leaves(at) if k else ():
            t.grad(at, var)
