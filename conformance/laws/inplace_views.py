"""INP: in-place ops on tensors that share memory: views, what they are views of, and detached tensors."""

from __future__ import annotations

from gradlaws.conformance.language.aliasing import neighbours, viewed
from gradlaws.conformance.language.steps import Backward, Detach, InPlace, Var
from gradlaws.conformance.laws.inplace import NEEDED, guarded, multiplied, overwrite, written
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.builder import Builder, DeadEnd
from gradlaws.strategies.graphs import graph
from gradlaws.strategies.in_place_writes import harmless, root_of, writes

DOC = "https://docs.pytorch.org/docs/2.13/"
CHECKS = DOC + "notes/autograd.html#in-place-correctness-checks"
DETACH = DOC + "generated/torch.Tensor.detach.html"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"
ON_VIEWS = f"{TESTS} test_inplace_on_view_backprop_base, test_inplace_on_view_backprop_view_of_view"


def some_view(b: Builder, x: Var) -> Var:
    """A view of x, of a view of it, or of a view of that."""
    for _ in range(1 + b.entropy.below(3)):
        x = b.view(x)
    return x


def leaf_viewed_and_written(b: Builder) -> None:
    """In-place ops on views of a leaf that requires grad, and on views of these."""
    x = b.leaf()
    part = some_view(b, x)
    used = b.unary(part) if b.entropy.chance(50) else x
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        b.drawn_inplace(part)
    b.turn()
    b.backward(b.binary(used, x))


@law("INP-02", f"{TESTS} test_inplace_on_view_leaf_errors", leaf_viewed_and_written,
     needs=("inplace", "views"), after=("INP-01",))  # fmt: skip
def a_tracked_leaf_is_not_written_to_through_views(t: Trial) -> None:
    """While ops are recorded, an in-place op on a view of a leaf that requires grad is refused, too."""
    for at in t.raises():
        for var in at.want.seen:
            t.value(at, var)


def part_overwritten(b: Builder) -> None:
    """A product needs a tensor or a view of it; another one of the same memory is written to."""
    x, product = multiplied(b)
    part = some_view(b, x)
    b.turn()
    if b.entropy.chance(50):
        # The product needs the view, and what it is a view of is written to.
        made = None
        if b.has("matmul") and b.shape(part) and b.entropy.chance(40):
            made = b.apply("matmul", part, b.leaf(b.shape(part)[-1:]))
        product, part = int(b.must("mul", part, part) if made is None else made), x
    overwrite(b, part if b.writable(part) else x)
    b.turn()
    b.backward(harmless(b, product) if b.entropy.chance(40) else product)


@law("INP-11", f"{CHECKS}; {TESTS} test_version_counter", part_overwritten,
     needs=("inplace", "views", "mul"), after=NEEDED)  # fmt: skip
def writes_through_views_count(t: Trial) -> None:
    """A needed value is guarded also against writes to its views, and to what it is a view of.

    Backward is refused, or goes by the old value.
    """
    families = neighbours(t.program)
    guarded(t, when=lambda at: all(len(families[v]) > 1 for v in written(t, at)))


def views_written(b: Builder) -> None:
    """A computed tensor and views of it; some are written to, before and after the others are used."""
    base = harmless(b, graph(b).root)
    pool = writes(b, turns=1, pool=None) if b.entropy.chance(10) else None
    family = [base, some_view(b, base)]
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        target = b.entropy.pick([v for v in family[::-1] if b.writable(v)] or [base])
        b.drawn_inplace(target)
        if b.entropy.chance(50):
            family.append(some_view(b, b.entropy.pick(family)))
    b.turn()
    root = root_of(b, [*(pool or ()), *family])
    if root is not None:
        b.backward(root)


@law("INP-12", ON_VIEWS, views_written, needs=("inplace", "views"), after=("INP-08",))
def views_and_bases_follow_each_other(t: Trial) -> None:
    """Writing to a view changes what it is a view of, values and gradients, and the other way round."""
    families = neighbours(t.program)
    for at in t.succeeded(InPlace, Backward):
        if isinstance(at.step, InPlace):
            for var in sorted(families[at.step.target] & at.want.seen.keys()):
                t.value(at, var)
        elif any(len(families[v]) > 1 for v in written(t, at)):
            for var in t.leaves(at):
                t.grad(at, var)


def tracked_into_untracked(b: Builder) -> None:
    """A tracked tensor is written into an untracked one, or a view of it; views of it are used after that."""
    base = b.data()
    if b.entropy.chance(40):
        base = b.unary(base, ("exact", "smooth"))
    family = [base, *(some_view(b, base) for _ in range(1 + b.entropy.below(2)))]
    b.turn()
    targets = [v for v in family[::-1] if b.writable(v)]
    if not targets:
        raise DeadEnd("nothing of the family may be written to")
    target = b.entropy.pick(targets)
    source = b.leaf(b.partner(b.shape(target)))
    source = b.unary(source) if b.entropy.chance(40) else source
    names = [n for n in ("add_", "copy_", "mul_", "sub_") if b.has(n)]
    if not names or not b.inplace(b.entropy.pick(names), target, source):
        b.drawn_inplace(target)
    b.turn()
    if b.entropy.chance(40):
        family.append(some_view(b, b.entropy.pick(family)))
    root = root_of(b, family)
    if root is not None:
        b.backward(root)


@law("INP-13", f"{TESTS} test_inplace_on_view_makes_base_require_grad, test_inplace_on_view_modify_base",
     tracked_into_untracked, needs=("constants", "inplace", "views", "requires_grad"), after=("INP-08",))  # fmt: skip
def writing_tracked_values_makes_tracked(t: Trial) -> None:
    """A tracked value written into an untracked tensor makes it tracked, and all views of the same memory."""
    families = neighbours(t.program)
    for at in t.succeeded(InPlace):
        for var in sorted(families[at.step.target] & at.want.seen.keys()):
            t.flag(at, var, "requires_grad")


def overwritten_through_detach(b: Builder) -> None:
    """A needed value is overwritten through `detach()`, of it or of a view of it."""
    if b.entropy.chance(40):
        x = b.leaf()
        product = int(b.must("mul", x, x if b.entropy.chance(50) else b.leaf(b.partner(b.shape(x)))))
    else:
        x, product = multiplied(b)
    b.turn()
    alias = b.detach(some_view(b, x) if b.has("views") and b.entropy.chance(30) else x)
    if not b.writable(alias):
        alias = b.detach(x)
    overwrite(b, alias)
    b.turn()
    b.backward(harmless(b, product) if b.entropy.chance(40) else product)


@law("INP-17", f"{DETACH}; {TESTS} test_detach_then_inplace_raises_in_autograd", overwritten_through_detach,
     needs=("inplace", "detach", "views", "mul"), after=("DET-01", *NEEDED))  # fmt: skip
def writes_through_detached_tensors_count(t: Trial) -> None:
    """A needed value overwritten through detach() is guarded just as well: backward is refused, or right."""
    above = viewed(t.program)
    detached = {v for step in t.program if isinstance(step, Detach) for v in step.outs}

    def aside(var: Var) -> bool:
        while var in above and var not in detached:
            var = above[var]
        return var in detached

    guarded(t, when=lambda at: all(aside(v) for v in written(t, at)))
