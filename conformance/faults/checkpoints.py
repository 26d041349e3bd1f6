"""Faults of checkpointed parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.graph_traversal import ancestors
from gradlaws.conformance.reference.node import untracked
from gradlaws.conformance.reference.tensor import Tensor, fresh

Part = Callable[..., Sequence[Tensor]]


@fault("CKPT-01", "CKPT-02")
class RecomputedGradientCountsTwice(Engine):
    """What arrives at the operands of a checkpointed part counts twice: once for the run again."""

    def checkpoint(self, part: Part, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        results = super().checkpoint(part, inputs)
        return [fresh((x.node + x.node) - untracked(x.node)) if x.requires_grad else x for x in results]


@fault("CKPT-01")
class OnlyTheFirstOperandIsTracked(Engine):
    """Of the operands of a checkpointed part the first alone receives a gradient."""

    def checkpoint(self, part: Part, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        return super().checkpoint(part, [*inputs[:1], *(fresh(untracked(x.node)) for x in inputs[1:])])


@fault("CKPT-01")
class InnerPartsAreCut(Engine):
    """A checkpointed part within another is a constant."""

    _depth = 0

    def checkpoint(self, part: Part, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        self._depth += 1
        try:
            with self.mode(self.modes.enabled and self._depth == 1):
                results = super().checkpoint(part, inputs)
        finally:
            self._depth -= 1
        return results


@fault("CKPT-02")
class OnlyBackwardRecomputes(Engine):
    """`autograd.grad` is refused where a checkpointed part is on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: set[int] = set()

    def checkpoint(self, part: Part, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        results = super().checkpoint(part, inputs)
        self.parts.update(x.node.order for x in results)
        return results

    def grad(self, roots: Sequence[Tensor], *args: Any, **options: Any) -> tuple[Tensor | None, ...]:
        if any(node.order in self.parts for node in ancestors(x.node for x in roots)):
            raise RuntimeError("a checkpointed part is differentiated by backward alone")
        return super().grad(roots, *args, **options)
