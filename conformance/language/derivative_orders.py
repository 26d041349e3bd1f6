"""What may have a history or none, as the engine likes: results of a differentiation that is recorded itself."""

from __future__ import annotations

from collections.abc import Iterable

from gradlaws.conformance.language.aliasing import neighbours
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Backward, Grad, InPlace, ReadGrad, Step, Var


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


def orders(program: Iterable[Step]) -> dict[Var, int]:
    """How many differentiations, one of the other's result, each variable has come through."""
    return _Derivatives(program).order


def differentiated(steps: Iterable[Step]) -> dict[str, int]:
    """By op that is differentiated at all: the highest order of a derivative that goes through it."""
    walk = _Derivatives(steps)
    found: dict[str, int] = {}
    for order, ops in sorted(walk.reached.items()):
        found.update((op, order) for k, op in enumerate(walk.ops) if ops >> k & 1)
    return found


class _Derivatives:
    """What depends on what, through derivatives too; sets are bits of integers.

    order:   how many differentiations each variable has come through.
    ops:     those that were applied to what is no derivative.
    reached: by order of a derivative, those that it goes through.
    """

    def __init__(self, steps: Iterable[Step]) -> None:
        self.order: dict[Var, int] = {}
        self.ops: list[str] = []
        self.reached: dict[int, int] = {}
        #: By variable: the variables, and the ops, that it depends on.
        self._behind: dict[Var, tuple[int, int]] = {}
        #: Of each backward: what it may have reached, through which ops, and of which order it was.
        self._backwards: list[tuple[int, int, int]] = []
        for step in steps:
            self._take(step)

    def _take(self, step: Step) -> None:
        if isinstance(step, Backward | Grad):
            variables, ops, order = self._of(step.roots)
            order += 1
            self.reached[order] = self.reached.get(order, 0) | ops
            if isinstance(step, Backward):
                self._backwards.append((variables, ops, order))
        elif isinstance(step, ReadGrad):
            variables = ops = order = 0
            for met in self._backwards:
                if met[0] >> step.x & 1:
                    variables, ops, order = variables | met[0], ops | met[1], max(order, met[2])
        else:
            variables, ops, order = self._of(step.uses())
            if not order and isinstance(step, Apply | InPlace):
                if step.op not in self.ops:
                    self.ops.append(step.op)
                ops |= 1 << self.ops.index(step.op)
        for var in step.outs or ((step.target,) if isinstance(step, InPlace) else ()):
            self._behind[var], self.order[var] = (variables | 1 << var, ops), order

    def _of(self, variables: Iterable[Var]) -> tuple[int, int, int]:
        """The variables and ops behind some variables, and the highest order of them."""
        behind = ops = order = 0
        for var in variables:
            more, through = self._behind.get(var, (1 << var, 0))
            behind, ops, order = behind | more, ops | through, max(order, self.order.get(var, 0))
        return behind, ops, order
