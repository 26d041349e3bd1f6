"""ZERO: starting over. A gradient is reset to zeros, or to None, and the next backward begins anew."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import Backward, ClearGrad, ReadGrad, SetGrad, Step, Var, ZeroGrad
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import At, Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import bystanders, graph, over

DOC = "https://docs.pytorch.org/docs/2.13/"
BACKWARD = DOC + "generated/torch.autograd.backward.html"
LAYOUTS = DOC + "autograd.html#manual-gradient-layouts"
ZERO_GRAD = DOC + "generated/torch.optim.Optimizer.zero_grad.html"
TUTORIAL = "https://docs.pytorch.org/tutorials/beginner/basics/autogradqs_tutorial.html"


def resets(t: Trial, *kinds: type[Step]) -> Iterator[tuple[At, list[Var]]]:
    """Each backward, with the tensors whose .grad was reset so since a gradient last arrived there."""
    last: dict[Var, type[Step]] = {}
    for at in t.succeeded(ZeroGrad, ClearGrad, SetGrad, Backward):
        if isinstance(at.step, Backward):
            yield at, [v for v, kind in last.items() if kind in kinds and v in at.got.seen]
            for var in t.reached(at):
                last.pop(var, None)
        else:
            last[at.step.x] = type(at.step)


def rounds(b: Builder, *kinds: str) -> None:
    """Backwards over the same leaves, between which some gradients are reset in one of these ways."""
    leaves = [b.leaf() for _ in range(2 + b.entropy.below(2))]
    b.backward(over(b, *leaves))
    filled = set(leaves)
    for _ in range(1 + b.entropy.below(2)):
        for x in leaves:
            kind = b.entropy.pick((*kinds, ""))
            if kind == "zero" and x in filled:
                b.zero(x)
            elif kind == "clear":
                if x in filled and "zero" not in kinds and b.entropy.chance(25):
                    b.read_grad(x)
                b.clear(x)
                filled.discard(x)
        b.turn()
        used = [x for x in leaves if b.entropy.chance(70)] or leaves[:1]
        b.backward(over(b, *used))
        filled.update(used)


def zeroed(b: Builder) -> None:
    """Gradients zeroed between backwards."""
    rounds(b, "zero", "zero")


def cleared(b: Builder) -> None:
    """Gradients cleared between backwards, while the program may hold the old ones."""
    rounds(b, "clear", "clear")


def either(b: Builder) -> None:
    """Gradients zeroed or cleared between backwards."""
    rounds(b, "zero", "clear")


@law("ZERO-01", TUTORIAL + " and " + BACKWARD, zeroed, level="core", needs=("zero_grad",), after=("ACC-01",))
def zeroing_keeps_a_tensor_of_zeros(t: Trial) -> None:
    """Zeroing .grad in place keeps the tensor, full of zeros; the next backward gives the fresh gradient."""
    for at in t.succeeded(ZeroGrad):
        before, got = t.before(at, at.step.x), at.got.seen[at.step.x].grad
        if before is not None and before.grad is not None:
            t.claim(got is not None, f"{name(at.step.x)}.grad", got, np.zeros_like(before.grad), at)
            t.grad(at, at.step.x)
            if "same_object" in t.backend.capabilities:
                same = at.got.same["kept object"]
                t.equal(f"whether {name(at.step.x)}.grad is the same object", same, True, at)
    for at, variables in resets(t, ZeroGrad):
        for var in variables:
            t.grad(at, var)


@law("ZERO-02", BACKWARD + " and " + LAYOUTS, cleared, level="core", needs=("set_grad",), after=("ACC-01",))
def clearing_starts_anew(t: Trial) -> None:
    """Setting .grad to None resets it; the next backward makes a new tensor, and leaves the old one alone."""
    for at in t.succeeded(ClearGrad):
        t.grad(at, at.step.x)
    for at, variables in resets(t, ClearGrad):
        for var in variables:
            t.grad(at, var)
    for old, at, var in held(t):
        if old in t.got.final:
            t.equal(f"{name(old)}, the old {name(var)}.grad,", t.got.final[old].value, at.got.seen[old].value)
        if t.got.shared is not None:
            shared = (("value", old), ("grad", var)) in t.got.shared
            t.equal(f"whether the new {name(var)}.grad shares memory with {name(old)}", shared, False)


def held(t: Trial) -> Iterator[tuple[Var, At, Var]]:
    """Gradients that the program holds in a variable since before they were cleared for the next backward.

    Yields (variable, the step that bound it, the tensor whose gradient it was), where no backward came in
    between, and nothing was written to it later.
    """
    written = {v for step in t.program if not isinstance(step, ReadGrad) for v in step.uses()}
    pending: dict[Var, tuple[Var, At]] = {}
    for at in t.succeeded(ReadGrad, ClearGrad, Backward, SetGrad, ZeroGrad):
        if isinstance(at.step, ReadGrad):
            old = at.step.outs[0]
            if old in at.got.seen and old not in written:
                pending[at.step.x] = (old, at)
        elif isinstance(at.step, ClearGrad) and at.step.x in pending:
            old, bound = pending.pop(at.step.x)
            yield old, bound, at.step.x
        elif isinstance(at.step, Backward):
            pending.clear()
        elif isinstance(at.step, SetGrad | ZeroGrad):
            pending.pop(at.step.x, None)


def other_way(program: Program) -> Program:
    """The program with each reset done in the other of the two ways."""

    def swapped(step: Step) -> Step:
        if isinstance(step, ZeroGrad):
            return ClearGrad(step.x)
        return ZeroGrad(step.x) if isinstance(step, ClearGrad) else step

    return Program(tuple(map(swapped, program)))


@law("ZERO-03", ZERO_GRAD, either, needs=("zero_grad", "set_grad"), after=("ZERO-01", "ZERO-02"))
def both_resets_lead_to_the_same(t: Trial) -> None:
    """Zeroing .grad and setting it to None make no difference to what the next backward puts there."""
    if any(isinstance(step, SetGrad | ReadGrad) for step in t.program):
        return  # what the program holds on to is zeroed by the one and not by the other
    others = t.rerun(other_way(t.program)).moments
    for at, variables in resets(t, ZeroGrad, ClearGrad):
        for var in variables:
            got, other = at.got.seen[var].grad, others[at.index].seen[var].grad
            if got is not None and other is not None:
                t.equal(f"{name(var)}.grad, had it been reset the other way,", other, got, at)


@law(
    "ZERO-04", ZERO_GRAD, either, level="core", needs=("zero_grad", "set_grad"), after=("ZERO-01", "ZERO-02")
)
def resets_differ_where_nothing_arrives(t: Trial) -> None:
    """Where the next backward does not arrive, a zeroed .grad stays zeros, and a cleared one stays None."""
    for at, variables in resets(t, ZeroGrad, ClearGrad):
        reached = t.reached(at)
        for var in variables:
            if var not in reached:
                t.grad(at, var)


def isolated(b: Builder) -> None:
    """Several leaves with gradients, of equal values even, of which one is zeroed."""
    made = graph(b)
    bystanders(b, made)
    b.backward(made.root)
    b.turn()
    twin = b.leaf(values=b[made.leaves[0]].value, dtype=b.dtype(made.leaves[0]))
    other = over(b, twin, b.entropy.pick(made.leaves))
    b.backward(other)
    for _ in range(1 + b.entropy.below(2)):
        b.zero(b.entropy.pick((twin, *made.leaves)))


@law("ZERO-05", BACKWARD + " (isolation; observed)", isolated, needs=("zero_grad",), after=("VAL-11",))
def zeroing_touches_no_other(t: Trial) -> None:
    """Zeroing the .grad of one tensor changes the .grad of no other."""
    for at in t.succeeded(ZeroGrad):
        for var, seen in at.got.seen.items():
            before = t.before(at, var)
            if var != at.step.x and before is not None:
                t.equal(f"{name(var)}.grad", seen.grad, before.grad, at)
