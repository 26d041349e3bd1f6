"""Faults of purity: backward that does more than it should."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor


@fault("META-16")
class ScratchesInTheRoot(Engine):
    """Backward uses the memory of the root as a scratch buffer."""

    def backward(self, roots: Sequence[Tensor], *args: Any, **options: Any) -> None:
        super().backward(roots, *args, **options)
        for root in roots:
            root.family.write(root.within, Node(root.array * 2 + 1), recorded=False)


@fault("META-16")
class FreezesWhatItReached(Engine):
    """A leaf that has received its gradient no longer requires grad."""

    def backward(self, roots: Sequence[Tensor], *args: Any, **options: Any) -> None:
        _, _, receivers = self._plan(roots, args[0] if args else None, None)
        super().backward(roots, *args, **options)
        for _, tensor in receivers:
            if tensor.is_leaf:
                self.set_requires_grad(tensor, False)
