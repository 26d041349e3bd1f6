"""INP: in-place ops. They are refused on tracked leaves, and never make a gradient wrong in silence."""

from __future__ import annotations

from collections.abc import Callable

from gradlaws.conformance.language.steps import Backward, InPlace, RequireGrad, Var
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import At, Trial
from gradlaws.conformance.reference.engine import MustRaise
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import bystanders, graph
from gradlaws.strategies.in_place_writes import ACTIONS, harmless, root_of, writes

DOC = "https://docs.pytorch.org/docs/2.13/"
CHECKS = DOC + "notes/autograd.html#in-place-correctness-checks"
NO_GRAD = DOC + "notes/autograd.html#no-grad-mode"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"

#: The laws that say that overwriting a value is an error when backward needs it.
NEEDED = ("INP-05", "INP-06")


def written(t: Trial, at: At, recorded: bool | None = None) -> list[Var]:
    """What in-place ops have written to before this step; only (un)recorded writes if `recorded` is given."""
    return [
        got.step.target
        for got, want in zip(t.got.moments[: at.index], t.want.moments, strict=False)
        if isinstance(got.step, InPlace) and not got.skipped and got.raised is None
        and (recorded is None or want.mode is recorded)
    ]  # fmt: skip


def guarded(t: Trial, needs: tuple[str, ...] = NEEDED, when: Callable[[At], bool] = lambda at: True) -> None:
    """Assert of backwards after writes, where `when` holds, that they are refused or right.

    Where the reference says that one must be refused because of `needs`, nothing else will do.
    """
    for at in t.outcomes(Backward):
        must = at.want.raised
        if not written(t, at) or not when(at):
            continue
        if isinstance(must, MustRaise) and must.law in needs:
            t.claim(at.got.raised is not None, t.quoted(at.index), "accepted", "an error", at)
        if (at.got.raised is None) == (must is None):
            for var in t.leaves(at):
                t.grad(at, var)


def overwrite(b: Builder, x: Var) -> None:
    """Write to x so that its contents change."""
    before = b[x].value.copy()
    for _ in range(2):
        b.drawn_inplace(x)
        if b[x].value.tobytes() != before.tobytes():
            return
    if b.has("add_scalar_"):
        b.inplace("add_scalar_", x, value=1.0)


# -- leaves --------------------------------------------------------------------------------------------------


def leaf_written(b: Builder) -> None:
    """In-place ops on a leaf that requires grad, before or after its use, or where recording was resumed."""
    x = b.leaf()
    if b.entropy.chance(30) and b.has("set_requires_grad"):
        x = b.data(b.shape(x))
        b.require(x)
    used = b.unary(x) if b.entropy.chance(50) else x
    within = b.has("no_grad", "enable_grad") and b.entropy.chance(25)
    if within:
        b.enter("no_grad")
        b.enter("enable_grad")
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        b.drawn_inplace(x)
    if within:
        b.leave()
        b.leave()
    b.turn()
    b.backward(b.binary(used, x))


@law("INP-01", f"{NO_GRAD} (implied); {TESTS} test_inplace, test_no_requires_grad_inplace", leaf_written,
     level="core", needs=("inplace",))  # fmt: skip
def a_tracked_leaf_is_not_written_to(t: Trial) -> None:
    """While ops are recorded, an in-place op on a leaf that requires grad is refused and writes nothing."""
    for at in t.raises():
        for var in at.want.seen:
            t.value(at, var)
        t.flag(at, at.step.target, "is_leaf")
        t.flag(at, at.step.target, "requires_grad")


def polynomial(b: Builder, x: Var) -> Var:
    """A result computed from x by ops defined for all numbers: what a gradient made of x is not known."""
    other = b.leaf(b.partner(b.shape(x))) if b.entropy.chance(50) else x
    names = [op for op in ("mul", "mul", "add", "sub") if b.has(op)]
    made = b.apply(b.entropy.pick(names), x, other) if names else None
    return b.unary(x if made is None else int(made), ("exact", "move"))


def trained(b: Builder) -> None:
    """A few rounds of backward, and an update of the leaf under no_grad: by its gradient, or by anything."""
    x = b.leaf()
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        b.backward(polynomial(b, x))
        b.turn()
        b.enter("no_grad")
        if b.has("sub_") and b.entropy.chance(40):
            b.inplace("sub_", x, b.read_grad(x))
        else:
            overwrite(b, x)
        b.leave()
        if b.has("zero_grad") and b.entropy.chance(30):
            b.zero(x)
    b.turn()
    b.backward(polynomial(b, x))


@law("INP-03", NO_GRAD, trained, level="core", needs=("inplace", "no_grad"), after=("VAL-01", "ACC-01"))
def a_leaf_is_updated_under_no_grad(t: Trial) -> None:
    """Under no_grad a tracked leaf may be written to, stays one, and is used with its new value."""
    updated = set()
    for at in t.outcomes(InPlace, Backward):
        if isinstance(at.step, InPlace):
            x = at.step.target
            want = at.want.seen[x]
            if at.want.mode is False and want.is_leaf and want.requires_grad:
                updated.add(x)
                t.allowed(at)
                t.value(at, x)
                t.flag(at, x, "is_leaf")
                t.flag(at, x, "requires_grad")
        elif at.got.raised is None and at.want.raised is None:
            for x in updated & at.want.seen.keys():
                t.grad(at, x)


def written_then_tracked(b: Builder) -> None:
    """An untracked tensor is written to, made to require grad, and used."""
    x = b.data()
    if b.entropy.chance(40):
        x = b.unary(x, ("exact", "smooth"))
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        operand = b.data(b.partner(b.shape(x)))
        names = [n for n in ("add_", "mul_", "sub_", "copy_") if b.has(n)]
        if not names or b.entropy.chance(40) or not b.inplace(b.entropy.pick(names), x, operand):
            b.drawn_inplace(
                x, ("mul_scalar_", "add_scalar_", "fill_", "zero_", "relu_", "neg_", "exp_", "set_mask_")
            )
    b.require(x)
    b.turn()
    root = b.unary(b.binary(x, b.leaf(b.partner(b.shape(x)))))
    b.backward(root)


@law("INP-04", f"{TESTS} test_no_requires_grad_inplace", written_then_tracked,
     needs=("inplace", "set_requires_grad"), after=("VAL-01",))  # fmt: skip
def an_untracked_leaf_is_written_freely(t: Trial) -> None:
    """A leaf that does not require grad may be written to, and made to require grad after that."""
    prepared: set[Var] = set()
    for at in t.outcomes(InPlace, RequireGrad, Backward):
        if isinstance(at.step, InPlace):
            t.allowed(at)
        elif isinstance(at.step, RequireGrad):
            if at.step.x in written(t, at):
                prepared.add(at.step.x)
                t.allowed(at)
        elif at.got.raised is None and at.want.raised is None:
            for x in prepared & at.want.seen.keys():
                t.grad(at, x)


# -- needed values -------------------------------------------------------------------------------------------


def multiplied(b: Builder) -> tuple[Var, Var]:
    """(x, product): a tracked tensor that may be written to, and a product that needs it."""
    x = harmless(b, graph(b).root)
    kind = b.entropy.below(3)
    if kind == 1:
        product = b.apply("mul", x, harmless(b, b.leaf(b.partner(b.shape(x)))))
    elif kind == 2 and b.has("square"):
        product = b.apply("square", x)
    else:
        product = b.apply("mul", x, x)
    return x, int(product) if product is not None else int(b.must("mul", x, b.leaf(b.shape(x))))


def operand_overwritten(b: Builder) -> None:
    """An operand of a product is written to before backward."""
    x, product = multiplied(b)
    root = harmless(b, product) if b.entropy.chance(40) else product
    b.turn()
    overwrite(b, x)
    if b.entropy.chance(30):
        root = b.binary(root, harmless(b, x))
    b.turn()
    b.backward(root)


@law("INP-05", CHECKS, operand_overwritten, level="core", needs=("inplace", "mul"))
def needed_operands_are_guarded(t: Trial) -> None:
    """If a factor of a product has been overwritten, backward is refused, or goes by the factor's old value.

    PyTorch documents the refusal; judged strictly, nothing else will do.
    """
    guarded(t, ("INP-05",))


def result_overwritten(b: Builder) -> None:
    """The result of an op whose derivative is computed from it is written to before backward."""
    source = graph(b).root
    names = [op for op in ("exp", "tanh", "sigmoid") if b.has(op)]
    result = b.apply(b.entropy.pick(names), source)
    if result is None:
        result = b.must("exp", b.leaf())
    b.turn()
    root = harmless(b, result) if b.entropy.chance(50) else result
    overwrite(b, result)
    b.turn()
    b.backward(root)


@law("INP-06", f"{DOC}notes/autograd.html#saved-tensors; {TESTS} test_inplace", result_overwritten,
     level="core", needs=("inplace", "exp"))  # fmt: skip
def needed_results_are_guarded(t: Trial) -> None:
    """If the result of exp, tanh or sigmoid was overwritten, backward is refused, or goes by the old one.

    PyTorch documents the refusal; judged strictly, nothing else will do.
    """
    guarded(t, ("INP-06",))


def overwritten_unrecorded(b: Builder) -> None:
    """A needed value, a leaf perhaps, is overwritten under no_grad."""
    if b.entropy.chance(50):
        x = b.leaf()
        product = int(b.must("mul", x, x if b.entropy.chance(50) else b.leaf(b.partner(b.shape(x)))))
    else:
        x, product = multiplied(b)
    b.turn()
    b.enter("no_grad")
    overwrite(b, x)
    b.leave()
    b.turn()
    b.backward(harmless(b, product) if b.entropy.chance(40) else product)


@law("INP-10", f"{CHECKS}; {TESTS} test_no_grad_modifies_version", overwritten_unrecorded,
     needs=("inplace", "no_grad", "mul"), after=NEEDED)  # fmt: skip
def unrecorded_writes_count(t: Trial) -> None:
    """A needed value overwritten under no_grad is guarded just as well: backward is refused, or right."""
    guarded(t, when=lambda at: not written(t, at, recorded=True))


# -- right, or an error --------------------------------------------------------------------------------------


def anything_written(b: Builder) -> None:
    """Whole programs that compute, view, write, and go backward, in any order."""
    pool = writes(b, ACTIONS, turns=8)
    if not any(isinstance(step, InPlace) for step in b.steps):
        pool.append(harmless(b, pool[-1]))
        overwrite(b, pool[-1])
    root = root_of(b, pool)
    if root is None:
        root = graph(b).root
    keep = b.has("retain_graph") and b.entropy.chance(40)
    b.turn()
    b.backward(root, **({"retain_graph": True} if keep else {}))
    if b.entropy.chance(40):
        writes(b, ACTIONS, turns=2, pool=pool)
        root = root_of(b, pool) or root
        b.backward(root)


@law("INP-08", CHECKS, anything_written, level="core", needs=("inplace",), after=("VAL-01", "ACC-01"))
def no_error_means_right(t: Trial) -> None:
    """Where in-place ops were used and backward raises no error, the gradients are right."""
    for _ in t.raises():
        pass
    for at in t.succeeded(Backward):
        if written(t, at):
            for var in t.leaves(at):
                t.grad(at, var)


def items_assigned(b: Builder) -> None:
    """Parts of a tensor are replaced: by tracked tensors, by constants, by numbers, some of them twice."""
    y = harmless(b, graph(b).root)
    if b.shape(y) == ():
        y = harmless(b, b.leaf((3,)))
    if b.entropy.chance(20):
        y = b.data((2, 2))
    bystanders(b, graph(b)) if b.entropy.chance(10) else None
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        names = ("set_item_", "set_item_", "set_slice_", "set_mask_", "masked_fill_", "copy_", "zero_")
        b.drawn_inplace(y, names)
    b.turn()
    root = b.binary(y, b.leaf(b.shape(y), tracked=b.entropy.chance(30)))
    b.backward(root)


@law("INP-14", f"{TESTS} test_setitem, test_setitem_mask", items_assigned,
     needs=("inplace", "set_item_"), after=("INP-08", "VAL-01"))  # fmt: skip
def what_was_replaced_gets_no_gradient(t: Trial) -> None:
    """Elements that were assigned over get no gradient any more; what was assigned gets it instead."""
    for at in t.succeeded(Backward):
        if written(t, at):
            for var in t.leaves(at):
                t.grad(at, var)
