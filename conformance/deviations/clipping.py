"""What clipping takes."""

from __future__ import annotations

from collections.abc import Sequence

from gradlaws.conformance.deviations.registry import deviation
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.outcomes import MustRaise
from gradlaws.conformance.reference.tensor import Tensor


@deviation
class ClippingByValueNeedsGradients(Engine):
    """Clipping by value is refused where none of the parameters has a gradient."""

    def clip_grad_value(self, parameters: Sequence[Tensor], limit: float) -> None:
        if all(x.grad is None for x in parameters):
            raise MustRaise("OPT-09", "no parameter has a gradient")
        super().clip_grad_value(parameters, limit)
