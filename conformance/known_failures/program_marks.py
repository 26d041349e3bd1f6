"""What can be read off the steps of a program: views, and the marks that conditions of known failures name."""

from __future__ import annotations

from collections.abc import Callable

from gradlaws.conformance.language.aliasing import viewed
from gradlaws.conformance.language.higher_order import recording
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, InPlace


def writes_to_alias(program: Program) -> bool:
    """Whether an in-place op writes to a view, or to what there is a view of."""
    sources = viewed(program)
    aliases = {*sources, *sources.values()}
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
