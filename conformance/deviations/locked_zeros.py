"""What becomes of derivatives that vanish, and of zeros in the place of none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import numpy as np

from gradlaws.conformance.deviations.registry import deviation
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.jacobian_products import Formula
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor


@deviation
class VanishedIsLocked(Engine):
    """Zeros that become .grad where something was differentiated with create_graph may refuse to be written to."""

    def __init__(self) -> None:
        super().__init__()
        self._locked: WeakSet[Tensor] = WeakSet()
        self._higher = False

    def _products(self, seeded: Any, path: list[Node], targets: list[Node], create_graph: bool) -> list[Any]:
        self._higher = self._higher or create_graph
        return super()._products(seeded, path, targets, create_graph)

    def _accumulate(self, x: Tensor, value: Node, error: Any, create_graph: bool) -> None:  # type: ignore[override]
        old = x.grad
        if old is not None and old in self._locked and not (create_graph or old.requires_grad):
            self._may_raise("zeros that cannot be written to")
        super()._accumulate(x, value, error, create_graph)
        if old is None and x.grad is not None and self._higher and not value.array.any():
            self._locked.add(x.grad)

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        if target in self._locked:
            self._may_raise("zeros that cannot be written to")
        super().inplace(op, target, *inputs, **params)


@deviation
class ZerosForNoneAreTracked(Engine):
    """With materialize_grads the zeros that autograd.grad gives for None are leaves that require grad.

    None is what an unused input has, and one to which a user-defined function gives None.
    """

    _undefined: frozenset[int] = frozenset()

    def _bounded(self, *call: Any) -> Any:
        found = super()._bounded(*call)
        _, path, targets, _ = call
        users = any(node.row is not None and type(node.row.rule) is Formula for node in path)
        arrived = zip(targets, found, strict=True)
        self._undefined = frozenset(id(target) for target, (value, _) in arrived if users and value is None)
        return found

    def grad(
        self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any
    ) -> tuple[Tensor | None, ...]:
        if not options.get("materialize_grads"):
            return super().grad(roots, inputs, *args, **options)
        found = super().grad(
            roots, inputs, *args, **options | {"materialize_grads": False, "allow_unused": True}
        )
        return tuple(
            self.tensor(np.zeros_like(x.array), requires_grad=True)
            if g is None or id(x.anchor) in self._undefined
            else g
            for g, x in zip(found, inputs, strict=True)
        )
