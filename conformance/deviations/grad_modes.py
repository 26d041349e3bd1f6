"""What is computed while nothing is recorded."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.deviations.registry import deviation
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.error_bounds import Bounds
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor


@deviation
class UnrecordedRequiresGrad(Engine):
    """Whatever is computed under no_grad, of numbers with a fraction, is a leaf that requires grad."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        for x in () if self.modes.enabled else made if isinstance(made, tuple) else (made,):
            if x.array.dtype.kind == "f" and all(x is not y for y in inputs):
                _become_leaf(x)
        return made


def _become_leaf(x: Tensor) -> None:
    before = x.node
    shown = Node(before.array, tracked=True, owner=x)
    shown.noise = lambda: Bounds().of(before)
    x.family.relabel(shown)
