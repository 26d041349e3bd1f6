"""CKPT: checkpointed parts, whose inner values are computed again in backward. Nobody is to notice."""

from __future__ import annotations

from collections.abc import Sequence

from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.derivative_orders import higher
from gradlaws.conformance.language.steps import Backward, Grad, Var
from gradlaws.conformance.laws.metamorphic import leaves_of
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.rewrites import Other, refused, unpacked
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.checkpoints import checkpointed

CHECKPOINT = "https://docs.pytorch.org/docs/2.13/checkpoint.html"


def operands(b: Builder) -> list[Var]:
    """One or two operands of a part: leaves, or what was computed from one."""
    found = [b.leaf()]
    if b.entropy.chance(40):
        found.append(b.leaf(b.partner(b.shape(found[0])), tracked=b.entropy.chance(70)))
    b.turn()
    if b.entropy.chance(40):
        found[0] = b.unary(found[0], ("exact",))
    return found


def around(b: Builder) -> tuple[Sequence[Var], Var]:
    """A part, and mostly something around it; (its operands, the root)."""
    given = operands(b)
    b.turn()
    end = checkpointed(b, given)
    b.turn()
    if b.entropy.chance(60):
        end = b.binary(end, given[0]) if b.entropy.chance(50) else b.unary(end, ("exact", "smooth"))
    return given, end


def once(b: Builder) -> None:
    """A backward through a checkpointed part, or two."""
    _, root = around(b)
    twice = b.has("retain_graph") and b.entropy.chance(30)
    if twice:
        b.backward(root, retain_graph=True)
    b.backward(root)


@law("CKPT-01", CHECKPOINT, once, needs=("checkpoint",), after=("VAL-01",), stored=False)
def a_checkpointed_part_is_the_part(t: Trial) -> None:
    """A checkpointed part, nested ones too, has the results and the gradients that the part itself has."""
    for at in t.succeeded(Checkpoint):
        for var in at.step.outs:
            t.value(at, var)
    for at in t.outcomes(Backward):
        t.allowed(at)
    for at in t.succeeded(Backward):
        for var in t.leaves(at):
            t.grad(at, var)
    alone = unpacked(t.program)
    if alone != t.program and not refused(t.got) and t.want.derailed is None:
        Other(t, alone).agrees(leaves_of(t), "the same program without checkpoints")


def unused(b: Builder) -> dict[str, bool]:
    """Options of `autograd.grad` by which an input may be unused, where the engine has such options."""
    return {"allow_unused": True} if b.has("allow_unused") else {}


def differentiated(b: Builder) -> None:
    """A checkpointed part under `autograd.grad`, `inputs=` and a second derivative."""
    given, root = around(b)
    leaves = tuple(v for v in b.info if b[v].leaf and b[v].tracked)
    kind = b.entropy.below(3)
    if kind == 0:
        b.backward(root, inputs=leaves[:1])
        return
    (found,) = b.grad((root,), (given[0],), create_graph=kind == 2)
    if kind == 2 and b[found].tracked:
        b.grad((b.total(found),), leaves[:1], **unused(b))


@law(
    "CKPT-02",
    CHECKPOINT,
    differentiated,
    level="torch",
    needs=("checkpoint", "autograd_grad", "inputs", "create_graph"),
    after=("CKPT-01", "HO-02", "HO-11"),
    stored=False,
)
def checkpoints_are_differentiated_in_any_way(t: Trial) -> None:
    """Through a checkpointed part `autograd.grad`, inputs= and second derivatives give what they give without it."""
    free = higher(t.program)  # whether that is tracked is up to the engine where it is constant
    for at in t.outcomes(Backward, Grad):
        if free.isdisjoint(at.step.uses()):
            t.allowed(at)
    for at in t.succeeded(Backward):
        for var in t.leaves(at):
            t.grad(at, var)
    for at in t.succeeded(Grad):
        for out in at.step.outs:
            if out in at.want.seen and out in at.got.seen:
                t.value(at, out)
