"""Which lists of roots and gradient arguments are accepted."""

from __future__ import annotations

from collections.abc import Sequence

from gradlaws.conformance.deviations.registry import deviation
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.graph_traversal import Seeded
from gradlaws.conformance.reference.tensor import Tensor


@deviation
class MoreGradientsThanRoots(Engine):
    """Roots with a longer list of gradients take the first of them, and the others are dropped."""

    def _seeded(self, roots: Sequence[Tensor], gradients: Sequence[Tensor | None] | None) -> Seeded:
        if gradients is not None and len(gradients) > len(roots):
            gradients = gradients[: len(roots)]
        return super()._seeded(roots, gradients)
