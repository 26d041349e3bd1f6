"""Checkpointed parts, drawn: a few ops on what is there, wrapped; now and then one within another."""

from __future__ import annotations

from collections.abc import Sequence

from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.steps import Apply, Var
from gradlaws.conformance.ops import TABLE
from gradlaws.strategies.builder import Builder, DeadEnd

#: Parts within parts go so deep.
DEEPEST = 2


def checkpointed(b: Builder, inputs: Sequence[Var], depth: int = 0) -> Var:
    """Append a checkpointed part of a few ops over these operands, each used at least once; its last result.

    Raises DeadEnd where an op gives a view: what becomes of memory that a part shares is another matter.
    """
    first, end = len(b.steps), inputs[0]
    for k in range(1 + b.entropy.below(3)):
        end = b.unary(end, ("exact", "smooth"))
        if depth < DEEPEST and b.entropy.chance(20):
            end = checkpointed(b, (end,), depth + 1)
        for other in inputs[1 + k : 2 + k]:
            end = b.binary(end, other)
    for other in inputs[1:]:
        if b.entropy.chance(50):
            end = b.binary(end, other)
    return wrapped(b, first, end)


def wrapped(b: Builder, first: int, end: Var) -> Var:
    """Make a checkpointed part of the ops from step `first` on; leaves made on the way are made before it."""
    inside = [step for step in b.steps[first:] if isinstance(step, Apply | Checkpoint)]
    ops = [op for step in inside for op in (step.ops() if isinstance(step, Checkpoint) else (step,))]
    if any(TABLE[op.op].alias for op in ops) or not any(end in step.outs for step in inside):
        raise DeadEnd("a part that is a view")
    outside = [step for step in b.steps[first:] if not isinstance(step, Apply | Checkpoint)]
    del b.steps[first:]
    b.steps += outside
    b.step(Checkpoint(tuple(inside), outs=(end,)).pruned())
    return end
