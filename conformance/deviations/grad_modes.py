"""What is computed, and differentiated, while nothing is recorded, and of what nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlaws.conformance.deviations.registry import deviation
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.error_bounds import bound_of
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


@deviation
class UnrecordedBackwardDoesNothing(Engine):
    """A backward under no_grad does nothing, whatever it is given."""

    def backward(self, *args: Any, **options: Any) -> Sequence[Tensor] | None:
        return super().backward(*args, **options) if self.modes.enabled else None


@deviation
class ConstantsGetGradients(Engine):
    """Whatever is made of numbers with a fraction requires grad, whether that was asked for or not."""

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        return super().tensor(array, requires_grad or array.dtype.kind in "fc")


@deviation
class ConstantsStayConstant(Engine):
    """What is written into a tensor that does not require grad is not recorded."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        with self.mode(self.modes.enabled and target.requires_grad):
            super().inplace(op, target, *inputs, **params)


def _become_leaf(x: Tensor) -> None:
    before = x.node
    shown = Node(before.array, tracked=True, owner=x)
    shown.noise = lambda: bound_of(before)
    x.family.relabel(shown)
