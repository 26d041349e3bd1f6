"""When two findings of a soak are one: the same law, and programs with the same skeleton."""

from __future__ import annotations

from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Hook, Leaf, Look, Mode
from gradlaws.conformance.ops import TABLE


def skeleton(program: Program) -> tuple[str, ...]:
    """What two findings have in common if they are one: the steps by kind, ops by what they do to memory."""
    shape: list[str] = []
    for step in program:
        if isinstance(step, Apply):
            kind = "view" if TABLE[step.op].alias else "op"
        elif isinstance(step, Hook | Mode):
            kind = f"{type(step).__name__} {step.kind}"
        else:
            kind = type(step).__name__
        if not isinstance(step, Leaf | Look) and shape[-1:] != [kind]:
            shape.append(kind)
    return tuple(shape)
