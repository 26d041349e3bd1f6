"""What may have a history or none, as the engine likes: results of a differentiation that is recorded itself."""

from __future__ import annotations

from gradlaws.conformance.laws.memory import neighbours
from gradlaws.conformance.program import Program
from gradlaws.conformance.steps import Backward, Grad, InPlace, ReadGrad, Var


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
