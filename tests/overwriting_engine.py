"""An engine that overwrites gradients instead of adding to them."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.reference.graph_traversal import ancestors


class Overwriting(ReferenceBackend):
    """Forgets the gradients that are there."""

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> None:
        if root.requires_grad:
            for node in ancestors([root.node]):
                if node.owner is not None and node.owner.requires_grad:
                    node.owner.grad = None
        super().backward(root, gradient, **options)
