"""When hooks run, and what becomes of what they return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlaws.conformance.deviations.registry import deviation
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.rounding import doubt
from gradlaws.conformance.reference.tensor import Tensor


@deviation
class AskedBeforeItsHooks(Engine):
    """An input of autograd.grad from which another one is reached gets its gradient as it was before its hooks."""

    _before: dict[int, Node] | None = None

    def grad(
        self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any
    ) -> tuple[Tensor | None, ...]:
        self._before = {}
        try:
            return super().grad(roots, inputs, *args, **options)
        finally:
            self._before = None

    def _visit(self, node: Node, g: Node) -> Node:
        if self._before is not None:
            self._before.setdefault(id(node), g)
        return super()._visit(node, g)

    def _products(self, seeded: Any, path: list[Node], targets: list[Node], create_graph: bool) -> list[Any]:
        found = super()._products(seeded, path, targets, create_graph)
        within = {id(node) for node in path}
        before = self._before or {}
        for k, node in enumerate(targets):
            g = before.get(id(node))
            if g is not None and any(id(x) in within for x in node.inputs):
                found[k] = (g if create_graph else Node(g.array)), doubt(g)
        return found


@deviation
class FrozenLeafCallsBack(Engine):
    """Post-accumulate hooks run at a leaf whose flag was cleared, though nothing is accumulated there."""

    def _plan(self, roots: Any, gradients: Any, inputs: Any) -> Any:
        seeded, path, receivers = super()._plan(roots, gradients, inputs)
        owners = {id(node.owner): node.owner for node in path if inputs is None and node.owner is not None}
        self._frozen = [x for x in owners.values() if not x.requires_grad]
        return seeded, path, receivers

    def backward(self, *args: Any, **options: Any) -> Sequence[Tensor] | None:
        done = super().backward(*args, **options)
        for x in self._frozen:
            for hook in list(x.post_hooks):
                hook(x)
        return done


@deviation
class NothingCallsBack(Engine):
    """Post-accumulate hooks run at a leaf on the way to which a user-defined function returned None."""

    @staticmethod
    def _called_back(receivers: list[tuple[Node, Tensor]], arrived: list[Node | None]) -> list[Tensor]:
        return [tensor for _, tensor in receivers]
