"""Faults of roots, gradient arguments and inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.graph_traversal import Seeded
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor, fresh


class _Arguments(Engine):
    """An engine that prepares gradient arguments before it checks them."""

    def _seeded(self, roots: Sequence[Tensor], gradients: Sequence[Any] | None) -> Seeded:
        given = [None] * len(roots) if gradients is None else list(gradients)
        pairs = zip(roots, given, strict=False)
        return super()._seeded(roots, [self.prepared(root, g) for root, g in pairs] + given[len(roots) :])

    def prepared(self, root: Tensor, g: Any) -> Any:
        """What is used in place of gradient argument g."""
        return g


@fault("ROOT-01", "ROOT-02", "ROOT-10")
class OnesForEverything(_Arguments):
    """A gradient argument that is left out means ones, whatever the size of the root."""

    def prepared(self, root: Tensor, g: Any) -> Any:
        return fresh(Node(np.ones_like(root.array))) if g is None else g


@fault("ROOT-02")
class ScalarsHaveNoDimensions(_Arguments):
    """A root of one element is refused unless it is 0-d."""

    def prepared(self, root: Tensor, g: Any) -> Any:
        if g is None and root.array.ndim:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        return g


@fault("ROOT-03")
class BroadcastsTheArgument(_Arguments):
    """A gradient argument of another shape is broadcast, or else reshaped, to that of the root."""

    def prepared(self, root: Tensor, g: Any) -> Any:
        if isinstance(g, Tensor) and g.array.shape != root.array.shape:
            return fresh(Node(np.resize(g.array, root.array.shape)))
        return g


@fault("ROOT-05")
class DropsTheImaginaryPart(_Arguments):
    """A complex gradient argument for a real root loses its imaginary part; a real one becomes complex."""

    def prepared(self, root: Tensor, g: Any) -> Any:
        if isinstance(g, Tensor) and np.iscomplexobj(g.array) != np.iscomplexobj(root.array):
            return fresh(Node(g.array.real.astype(root.array.dtype)))
        return g


@fault("ROOT-06")
class ComplexOne(_Arguments):
    """The implicit gradient of a complex root is 1 + 0j."""

    def prepared(self, root: Tensor, g: Any) -> Any:
        implicit = g is None and root.array.size == 1 and np.iscomplexobj(root.array)
        return fresh(Node(np.ones_like(root.array))) if implicit else g


@fault("ROOT-11")
class ListsWillDo(_Arguments):
    """A gradient argument that is a list is converted to a tensor and broadcast."""

    def prepared(self, root: Tensor, g: Any) -> Any:
        if isinstance(g, list):
            return fresh(Node(np.resize(np.array(g, dtype=root.array.dtype), root.array.shape)))
        return g


@fault("ROOT-07")
class UntrackedRootsAreIgnored(Engine):
    """A backward from a root that does not require grad does nothing, silently."""

    def backward(self, roots: Sequence[Tensor], *args: Any, **options: Any) -> None:
        if all(root.requires_grad for root in roots):
            super().backward(roots, *args, **options)


@fault("ROOT-09")
class ZipsTheArguments(Engine):
    """Roots and gradient arguments are zipped: whatever is too many on either side is dropped."""

    def _seeded(self, roots: Sequence[Tensor], gradients: Sequence[Tensor | None] | None) -> Seeded:
        count = len(roots) if gradients is None else min(len(roots), len(gradients))
        return super()._seeded(roots[:count], None if gradients is None else gradients[:count])


@fault("ROOT-13")
class ReturnsTheRoot(ReferenceBackend):
    """A backward returns its root, for chaining."""

    def backward(self, root: Tensor, gradient: Any = None, **options: Any) -> Any:
        """The backward, and the root again."""
        super().backward(root, gradient, **options)
        return root


@fault("ROOT-15")
class IgnoresInputs(Engine):
    """The inputs given are ignored: every leaf receives its gradient."""

    def backward(self, *args: Any, **options: Any) -> None:
        options.pop("inputs", None)
        super().backward(*args, **options)


@fault("ROOT-18")
class FillsUnreachableInputs(Engine):
    """An input that the root does not depend on gets zeros."""

    def backward(self, *args: Any, **options: Any) -> None:
        super().backward(*args, **options)
        for x in options.get("inputs") or ():
            if x.grad is None:
                x.grad = fresh(Node(np.zeros_like(x.array)))


@fault("ROOT-18")
class RefusesUnreachableInputs(Engine):
    """An input that the root does not depend on is an error, as it is in the functional form."""

    def _plan(self, roots: Sequence[Tensor], gradients: Any, inputs: Any) -> Any:
        seeded, path, receivers = super()._plan(roots, gradients, inputs)
        known = {id(node) for node in path}
        if any(id(x.node) not in known for x in inputs or ()):
            raise RuntimeError("one of the inputs was not used in the graph")
        return seeded, path, receivers
