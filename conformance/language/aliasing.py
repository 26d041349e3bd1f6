"""Who shares memory with whom in a program: views, and what they are views of; detached tensors.

And from that, which steps have to do with each other.
"""

from __future__ import annotations

from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import (
    Apply,
    Detach,
    Step,
    Var,
)
from gradlaws.conformance.language.user_functions import ApplyFunction
from gradlaws.conformance.ops import TABLE


def memory(program: Program) -> dict[Var, Var]:
    """For each variable the one whose memory it lives in, itself included; `reshape` counts as a view."""
    found: dict[Var, Var] = {}
    for step in program:
        source = step.uses()[0] if isinstance(step, Detach) or is_view(step) else None
        for k, var in enumerate(step.outs):
            if isinstance(step, ApplyFunction):
                handed = step.function.handed_through(k)
                source = None if handed is None else step.inputs[handed]
            found[var] = var if source is None else found.get(source, source)
    return found


def neighbours(program: Program) -> dict[Var, set[Var]]:
    """For each variable all that live in the same memory, itself included."""
    bases = memory(program)
    groups: dict[Var, set[Var]] = {}
    for var, base in bases.items():
        groups.setdefault(base, set()).add(var)
    return {var: groups[base] for var, base in bases.items()}


def is_view(step: Step | None) -> bool:
    """Whether a step is a view op; `reshape`, which may copy, counts as one."""
    return isinstance(step, Apply) and bool(TABLE[step.op].alias)


def viewed(program: Program) -> dict[Var, Var]:
    """For each view what it is directly a view of."""
    return {var: step.uses()[0] for step in program if is_view(step) for var in step.outs}
