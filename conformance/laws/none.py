"""NONE: when .grad is None, and when it stops being None."""

from __future__ import annotations

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.language.aliasing import is_view
from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    Detach,
    Forget,
    InPlace,
    Leaf,
    Mode,
    RequireGrad,
    RetainGrad,
    SetGrad,
    Var,
)
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import bystanders, graph, over

DOC = "https://docs.pytorch.org/docs/2.13/"
GRAD = DOC + "generated/torch.Tensor.grad.html"
ZERO_GRAD = DOC + "generated/torch.optim.Optimizer.zero_grad.html"
DETACH = DOC + "generated/torch.Tensor.detach.html"
NO_GRAD = DOC + "notes/autograd.html#no-grad-mode"
RULES = DOC + "notes/autograd.html#gradients-for-non-differentiable-functions"
IS_LEAF = DOC + "generated/torch.Tensor.is_leaf.html"

#: Steps that compute or change flags, but no gradient.
FORWARD = (Leaf, Apply, InPlace, Detach, Mode, RequireGrad, RetainGrad, Forget)


# -- before any backward -------------------------------------------------------------------------------------


def fresh(b: Builder) -> None:
    """New tensors of all shapes and dtypes, before and after a backward."""
    for _ in range(2 + b.entropy.below(3)):
        b.turn()
        dtype = b.entropy.pick(b.dtypes())
        shape = b.entropy.pick((None, None, None, None, (0,), (0, 3)))
        x = b.leaf(shape, tracked=dtype[0] in "fc" and b.entropy.chance(50), dtype=dtype)
        if dtype == b.usual and b[x].tracked and b[x].value.size and b.entropy.chance(40):
            b.backward(over(b, x))
            b.leaf(b.shape(x), values=b[x].value)


@law("NONE-01", GRAD, fresh, level="core")
def a_new_tensor_has_none(t: Trial) -> None:
    """The .grad of a new tensor is None, whatever its dtype, its shape and its flag."""
    for at in t.succeeded(Leaf):
        var = at.step.outs[0]
        t.absent(at, var)


def forward_only(b: Builder) -> None:
    """Ops, views, writes, copies without history, flags: all but a backward, or all that comes after one."""
    made = graph(b)
    if b.entropy.chance(35):
        b.backward(made.root)
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        kind = b.entropy.below(6)
        x = b.entropy.pick((made.root, *made.leaves, *made.inner))
        if kind == 1 and b.has("detach"):
            b.detach(x)
        elif kind == 2 and b.has("retain_grad"):
            b.retain(x)
        elif kind == 3 and b.has("inplace") and not b[made.root].leaf and b.writable(made.root):
            b.drawn_inplace(made.root)
        elif kind == 4 and b.has("no_grad"):
            b.enter("no_grad")
            b.unary(x, ("exact", "smooth"))
            b.leave()
        else:
            b.unary(x)


@law("NONE-02", GRAD, forward_only, level="core", after=("NONE-01",))
def forward_sets_nothing(t: Trial) -> None:
    """Computing forward sets no .grad and changes none that is there."""
    for at in t.succeeded(*FORWARD):
        for var in at.got.seen:
            t.absent(at, var)  # the reference starts from what was there before
    for var, seen in t.got.final.items():
        last = t.got.before(len(t.got.moments), var)
        if last is not None:
            t.equal(f"{name(var)}.grad at the end", seen.grad, last.grad)


# -- not reached ---------------------------------------------------------------------------------------------


def outsiders(b: Builder) -> None:
    """Several backwards, each of which leaves some of the leaves out."""
    leaves = [b.leaf() for _ in range(2 + b.entropy.below(2))]
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        used = [x for x in leaves if b.entropy.chance(40)] or leaves[:1]
        root = over(b, *used)
        unused = b.entropy.pick(leaves)
        if b.entropy.chance(30):
            over(b, unused)
        b.backward(root)


@law("NONE-03", ZERO_GRAD, outsiders, level="core")
def a_leaf_not_reached_keeps_none(t: Trial) -> None:
    """A leaf that the root does not depend on keeps None, instead of getting zeros."""
    for at in t.succeeded(Backward):
        reached = t.reached(at)
        for var in t.leaves(at):
            if t.blank(at, var) and var not in reached:
                t.absent(at, var)


def cut_off(b: Builder) -> None:
    """A leaf whose every path to the root goes through detach() or through a region that is not recorded."""
    x, u = b.leaf(), b.leaf()
    b.turn()
    before = over(b, x) if b.entropy.chance(50) else x
    if b.entropy.chance(40) and b.has("no_grad"):
        b.enter("no_grad")
        # No views: whether a view made here is tracked is a question of its own.
        inside = b.unary(before, ("exact", "smooth"))
        b.leave()
    else:
        inside = b.detach(before)
    result = over(b, inside, u)
    if b.entropy.chance(25):
        b.backward(over(b, u))
    b.backward(result)


@law("NONE-04", DETACH + " and " + NO_GRAD, cut_off, needs=("detach",), after=("NONE-03",), stored=False)
def a_cut_off_leaf_keeps_none(t: Trial) -> None:
    """A leaf that the root depends on only by way of detach() or no_grad gets no gradient."""
    for at in t.succeeded(Backward):
        reached = t.reached(at)
        on_the_way = set(at.step.roots)
        for step in reversed(t.program.steps):
            if not on_the_way.isdisjoint(step.outs):
                on_the_way.update(step.uses())
        for var in t.leaves(at):
            if var in on_the_way and t.blank(at, var) and var not in reached:
                t.absent(at, var)


# -- reached -------------------------------------------------------------------------------------------------


def vanishing(b: Builder) -> None:
    """Leaves that the root depends on, with a derivative that is zero."""
    x = b.leaf()
    y = b.unary(x) if b.entropy.chance(40) else x
    b.turn()
    kind = b.entropy.below(6)
    if kind == 1 and b.has("mul_scalar"):
        flat = b.apply("mul_scalar", y, value=0.0)
    elif kind == 2 and b.has("floor"):
        flat = b.apply("floor", y)
    elif kind == 3 and b.has("sign"):
        flat = b.apply("sign", y)
    elif kind == 4 and b.has("where"):
        mask = b.data(b.shape(y), values=-b.entropy.below(2) * abs(b[y].value))
        flat = b.apply("where", mask, y, b.leaf(b.shape(y)))
    elif kind == 5 and b.has("mul"):
        flat = b.apply("mul", y, b.data(b.shape(y), values=0 * b[y].value))
    else:
        flat = b.apply("sub", y, y)
    b.turn()
    flat = b.must("sub", y, y) if flat is None else flat
    result = b.binary(flat, b.leaf(b.partner(b.shape(flat)))) if b.entropy.chance(50) else over(b, flat)
    b.backward(result)


@law("NONE-05", RULES, vanishing, needs=("sub",), after=("VAL-01",), stored=False)
def a_vanishing_derivative_is_zeros(t: Trial) -> None:
    """A leaf that the root depends on with derivative zero gets zeros, or keeps None; nothing else."""
    for at in t.succeeded(Backward):
        for var in t.leaves(at):
            want, got = at.want.seen[var].grad, at.got.seen[var].grad
            if t.blank(at, var) and want is not None and not want.any():
                t.claim(got is None or not got.any(), f"{name(var)}.grad", got, want, at)
                if got is not None:
                    t.grad(at, var)


def stages(b: Builder) -> None:
    """Leaves that get their first gradient at different times, with other steps in between."""
    leaves = [b.leaf() for _ in range(2 + b.entropy.below(2))]
    for k in range(2 + b.entropy.below(2)):
        b.turn()
        made = over(b, *leaves[: k + 1]) if b.entropy.chance(50) else over(b, leaves[k % len(leaves)])
        kind = b.entropy.below(5)
        if kind == 1 and b.has("retain_grad"):
            b.retain(made)
        elif kind == 2 and b.has("set_requires_grad"):
            b.require(b.entropy.pick(leaves), True)
        elif kind == 3:
            bystanders(b, graph(b))
        b.backward(made)


def vanishes(gradient: Array) -> bool:
    """Whether this may be a derivative that is identically zero, for which an engine may leave None."""
    return not gradient.any()


@law("NONE-06", GRAD, stages, level="core", after=("NONE-02", "NONE-03"))
def the_first_backward_makes_a_gradient(t: Trial) -> None:
    """.grad turns from None into a tensor in the first backward that computes it, no sooner or later."""
    for at in t.succeeded(Backward, *FORWARD):
        for var, seen in at.got.seen.items():
            want = at.want.seen[var].grad
            if not t.unset(at, var) and want is not None:
                t.claim(seen.grad is not None, f"{name(var)}.grad", None, "a tensor", at)
            elif want is None or not vanishes(want):
                t.equal(f"`{name(var)}.grad is None`", seen.grad is None, want is None, at)


def aliases(b: Builder) -> None:
    """Views, detached copies and other aliases of a leaf, some of them leaves of their own."""
    x = b.leaf()
    kin: list[Var] = []
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        if b.entropy.chance(50) and b.has("detach"):
            d = b.detach(x)
            if b.entropy.chance(40) and b.has("set_requires_grad"):
                b.require(d)
            kin.append(d)
        else:
            kin.append(b.view(x))
    b.turn()
    used = [x, *(v for v in kin if b.entropy.chance(40))]
    b.backward(over(b, *used))


@law("NONE-08", IS_LEAF + " and " + DETACH, aliases, needs=("views",), after=("LEAF-06",))
def aliases_have_their_own_gradient(t: Trial) -> None:
    """A view, alias or detached copy of a tensor has a .grad of its own, and does not show the other's."""
    assigned = {step.x for step in t.program if isinstance(step, SetGrad)}
    for at in t.succeeded(Backward):
        for var in at.want.seen:
            made = t.program.maker(var)
            alias = isinstance(made, Detach) or is_view(made)
            if alias and var not in assigned:
                t.grad(at, var)
