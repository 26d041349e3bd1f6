"""SET: .grad as an attribute that can be assigned, and what may not be assigned to it."""

from __future__ import annotations

import numpy as np

from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import Backward, RequireGrad, SetGrad, Var
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Stage, Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import bystanders, graph, over

DOC = "https://docs.pytorch.org/docs/2.13/"
LAYOUTS = DOC + "autograd.html#manual-gradient-layouts"
GRAD_DTYPE = DOC + "generated/torch.Tensor.grad_dtype.html"
GRAD = DOC + "generated/torch.Tensor.grad.html"
ASSIGNMENT = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py (test_grad_assignment)"


def targets(b: Builder) -> list[Var]:
    """Leaves, with or without a gradient already, that something can be assigned to."""
    made = graph(b)
    bystanders(b, made)
    if b.entropy.chance(60):
        b.backward(made.root)
    b.turn()
    return [*made.leaves, b.leaf()]


def afterwards(b: Builder, x: Var) -> None:
    """Now and then a backward after the assignment."""
    b.turn()
    if b.entropy.chance(40):
        b.backward(over(b, x))


# -- what can be assigned ------------------------------------------------------------------------------------


def assigned(b: Builder) -> None:
    """A tensor like the leaf assigned, made or computed, now and then twice or with a reset after it."""
    leaves = targets(b)
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        x = b.entropy.pick(leaves)
        g = b.data(b.shape(x), dtype=b.dtype(x))
        if b.entropy.chance(25):
            g = b.must("add", g, g)
        b.set_grad(x, g)
        if b.entropy.chance(25):
            b.clear(x)
    afterwards(b, x)


@law("SET-01", LAYOUTS, assigned, needs=("set_grad",))
def assignment_stores_the_tensor(t: Trial) -> None:
    """Assigning a tensor of the same shape and dtype to .grad stores that very tensor."""
    for at in t.succeeded(SetGrad):
        t.grad(at, at.step.x)
        if "same_object" in t.backend.capabilities:
            same = at.got.same["stored object"]
            t.equal(f"`{name(at.step.x)}.grad is {name(at.step.source)}`", same, True, at)


def assigned_early(b: Builder) -> None:
    """A gradient assigned to a tensor that does not require grad yet."""
    x = b.data()
    others = [b.leaf(b.partner(b.shape(x))) for _ in range(b.entropy.below(2))]
    g = b.data(b.shape(x))
    b.set_grad(x, g)
    if b.entropy.chance(30):
        b.backward(over(b, b.leaf(), x))
    b.require(x)
    b.turn()
    result = over(b, x, *others)
    if b.entropy.chance(30) and b.has("retain_graph"):
        b.backward(result, retain_graph=True)
    b.backward(result)


@law(
    "SET-08",
    GRAD + " (observed)",
    assigned_early,
    needs=("constants", "set_grad", "set_requires_grad"),
    after=("ACC-01", "REQ-14"),
)
def an_early_gradient_counts(t: Trial) -> None:
    """What was assigned to .grad while the flag was off is added to once the flag is on."""
    early: set[Var] = set()
    for at in t.succeeded(SetGrad, RequireGrad, Backward):
        if isinstance(at.step, SetGrad) and at.want.seen[at.step.x].requires_grad is False:
            early.add(at.step.x)
        for var in t.leaves(at):
            if var in early:
                t.grad(at, var)


# -- what cannot ---------------------------------------------------------------------------------------------


def not_a_tensor(b: Builder) -> None:
    """A number assigned."""
    x = b.entropy.pick(targets(b))
    b.set_grad(x, None)
    afterwards(b, x)


def misshapen(b: Builder, x: Var) -> Var:
    """A tensor of another shape than x: one that would broadcast, one of as many elements, any other."""
    shape, size = b.shape(x), b[x].value.size
    shapes = ((), (1,), (size,), (*shape, 1), (1, *shape), shape[1:], (2, *shape[1:]), shape[::-1], (5,))
    return b.data(b.entropy.pick(tuple(s for s in shapes if s != shape)), dtype=b.dtype(x))


def another_shape(b: Builder) -> None:
    """A tensor of another shape assigned."""
    x = b.entropy.pick(targets(b))
    b.set_grad(x, misshapen(b, x))
    afterwards(b, x)


def another_dtype(b: Builder) -> None:
    """A tensor of the right shape but of another dtype assigned."""
    x = b.entropy.pick(targets(b))
    if b.entropy.chance(30):
        x = b.leaf(dtype="float32")
    others = tuple(dtype for dtype in b.dtypes() if dtype != b.dtype(x))
    b.set_grad(x, b.data(b.shape(x), dtype=b.entropy.pick(others)))
    afterwards(b, x)


@law("SET-02", ASSIGNMENT, not_a_tensor, needs=("set_grad",))
def only_tensors_are_assigned(t: Trial) -> None:
    """Assigning to .grad anything but a tensor or None is an error."""
    for at in t.raises():
        t.grad(at, at.step.x)


@law("SET-03", ASSIGNMENT, another_shape, needs=("set_grad",))
def only_the_same_shape_is_assigned(t: Trial) -> None:
    """Assigning a tensor of another shape to .grad is an error, even of one that would broadcast."""
    for at in t.raises():
        t.grad(at, at.step.x)


@law("SET-04", GRAD_DTYPE, another_dtype, needs=("set_grad", "float32", "float64"))
def only_the_same_dtype_is_assigned(t: Trial) -> None:
    """Assigning a tensor of another dtype to .grad is an error, unless that dtype was asked for."""
    for at in t.raises():
        t.grad(at, at.step.x)


@law("SET-05", ASSIGNMENT, needs=("set_grad", "on_other_device", "device"))
def only_the_same_device_is_assigned(stage: Stage) -> None:
    """Assigning a tensor on another device to .grad is an error, and leaves .grad as it was."""
    backend, entropy = stage.backend, stage.entropy
    shape = entropy.pick(((2,), (), (3, 1), (2, 2), (1,)))
    count = 1
    for n in shape:
        count *= n
    x = stage.tensor(entropy.values(count).reshape(shape), entropy.chance(70))
    like = stage.tensor(entropy.values(count).reshape(shape))
    other = backend.on_other_device(like)
    here, there = backend.device(x), backend.device(other)
    stage.claim(here != there, "the device of on_other_device(x)", there, "another device than x has")
    held = entropy.chance(50)
    if held:
        backend.set_grad(x, like)
    stage.raises(f"a gradient on {there} for a tensor on {here}", lambda: backend.set_grad(x, other))
    after = backend.grad(x)
    if after is None or (not held and stage.dialect.absent == "None"):
        stage.equal("`x.grad is None` after the error", after is None, not held)
    elif not held:
        stage.equal("x.grad after the error", backend.numpy(after), np.zeros_like(backend.numpy(x)))
    else:
        stage.equal("x.grad after the error", backend.numpy(after), backend.numpy(like))


def refused(b: Builder) -> None:
    """All sorts of assignments that must be refused, to leaves with and without a gradient."""
    leaves = targets(b)
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        x = b.entropy.pick(leaves)
        kind = b.entropy.below(4)
        others = tuple(dtype for dtype in b.dtypes() if dtype != b.dtype(x))
        if kind == 1:
            b.set_grad(x, None)
        elif kind == 2 and others:
            b.set_grad(x, b.data(b.shape(x), dtype=b.entropy.pick(others)))
        elif kind == 3:
            b.set_grad(x, b.data(b.shape(x), dtype=b.dtype(x)))
        else:
            b.set_grad(x, misshapen(b, x))


@law(
    "SET-09", ASSIGNMENT + " and observed", refused, needs=("set_grad",), after=("SET-02", "SET-03", "SET-04")
)
def a_refused_assignment_changes_nothing(t: Trial) -> None:
    """An assignment to .grad that is refused leaves every .grad as it was."""
    for at in t.at(SetGrad):
        if at.got.raised is not None:
            for var, seen in at.got.seen.items():
                before = t.before(at, var)
                if before is not None:
                    t.equal(f"{name(var)}.grad", seen.grad, before.grad, at)
