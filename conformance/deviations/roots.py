"""Which roots and gradient arguments are accepted, and what is made of those that should not be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlaws.conformance.deviations.registry import deviation
from gradlaws.conformance.reference.broadcasting import broadcasts, summed_to
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.graph_traversal import Seeded
from gradlaws.conformance.reference.outcomes import MustRaise
from gradlaws.conformance.reference.tensor import Tensor, fresh


@deviation
class MoreGradientsThanRoots(Engine):
    """Roots with a longer list of gradients take the first of them, and the others are dropped."""

    def _seeded(self, roots: Sequence[Tensor], gradients: Sequence[Tensor | None] | None) -> Seeded:
        if gradients is not None and len(gradients) > len(roots):
            gradients = gradients[: len(roots)]
        return super()._seeded(roots, gradients)


@deviation
class LargerGradientsAreSummed(Engine):
    """A gradient argument of another shape is summed to that of the root, where the root would broadcast to it."""

    def _seeded(self, roots: Sequence[Tensor], gradients: Sequence[Tensor | None] | None) -> Seeded:
        if gradients is not None and len(gradients) == len(roots):
            gradients = [self._summed_up(root, given) for root, given in zip(roots, gradients, strict=True)]
        return super()._seeded(roots, gradients)

    @staticmethod
    def _summed_up(root: Tensor, given: Tensor | None) -> Tensor | None:
        shape = root.array.shape
        if not isinstance(given, Tensor) or given.array.shape == shape:
            return given
        larger = broadcasts(shape, given.array.shape)
        return fresh(summed_to(given.node, shape)) if larger else given


@deviation
class DeepGraphsMayBeRefused(Engine):
    """A backward through more ops one after another than Python recurses may be refused."""

    _MOST = 300

    def _plan(self, roots: Sequence[Tensor], gradients: Any, inputs: Any) -> Any:
        planned = super()._plan(roots, gradients, inputs)
        depth: dict[int, int] = {}
        for node in planned[1]:
            depth[id(node)] = 1 + max((depth.get(id(x), 0) for x in node.inputs), default=0)
        if max(depth.values(), default=0) > self._MOST:
            self._may_raise("a graph that is too deep")
        return planned


@deviation
class AskedTwiceIsRefused(Engine):
    """`autograd.grad` refuses to be asked for one tensor twice."""

    def grad(
        self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any
    ) -> tuple[Tensor | None, ...]:
        if len({id(x) for x in inputs}) < len(inputs):
            raise MustRaise("HO-01", "a tensor is asked for twice")
        return super().grad(roots, inputs, *args, **options)
