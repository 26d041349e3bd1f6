"""What a program can be recognised by that is more than one kind of step; conditions of known failures name it."""

from __future__ import annotations

from collections.abc import Callable

from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.program import Program
from gradlaws.conformance.steps import Apply, InPlace, recording


def writes_to_alias(program: Program) -> bool:
    """Whether an in-place op writes to a view, or to what there is a view of."""
    views = [step for step in program if isinstance(step, Apply) and TABLE[step.op].alias]
    aliases = {var for step in views for var in (step.inputs[0], *step.outs)}
    return any(isinstance(step, InPlace) and step.target in aliases for step in program)


def repeats(program: Program) -> bool:
    """Whether the same op is applied to the same operands twice."""
    asked = [(step.op, step.inputs, repr(step.params)) for step in program if isinstance(step, Apply)]
    return len(set(asked)) < len(asked)


#: By name: a program with a backward or `autograd.grad` that has create_graph, and those of the functions above.
MARKS: dict[str, Callable[[Program], bool]] = {
    "create_graph": recording,
    "alias_write": writes_to_alias,
    "repeated_op": repeats,
}
