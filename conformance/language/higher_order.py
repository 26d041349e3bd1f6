"""What may have a history or none, as the engine likes: results of a differentiation that is recorded itself."""

from __future__ import annotations

from collections.abc import Iterable

from gradlaws.conformance.language.aliasing import neighbours
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Backward, Grad, InPlace, ReadGrad, Step, Var


def higher(program: Program) -> set[Var]:
    """What was computed with create_graph, and from that: an engine may track it where the derivative is constant."""
    found: set[Var] = set()
    grads: set[Var] = set()
    for step in program:
        if isinstance(step, Grad) and step.create_graph:
            found.update(step.outs)
        elif isinstance(step, Backward) and step.create_graph:
            grads.add(-1)
        elif (isinstance(step, ReadGrad) and grads) or not found.isdisjoint(step.uses()):
            found.update(step.outs or step.uses())
            if isinstance(step, InPlace):
                found |= neighbours(program)[step.target]
    return found


def recording(steps: Iterable[Step]) -> bool:
    """Whether derivatives are recorded: a backward or `autograd.grad` with create_graph is among the steps."""
    return any(isinstance(step, Backward | Grad) and step.create_graph for step in steps)


def orders(program: Program) -> dict[Var, int]:
    """How many differentiations, one of the other's result, each variable has come through."""
    found: dict[Var, int] = {}
    for step in program:
        if isinstance(step, Grad):
            order = 1 + max(found.get(root, 0) for root in step.roots)
        else:
            order = max((found.get(v, 0) for v in step.uses()), default=0)
        found.update(dict.fromkeys(step.outs, order))
    return found
