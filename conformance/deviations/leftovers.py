"""What a backward finds that an earlier one has left behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.deviations.registry import deviation
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.error_bounds import doubt
from gradlaws.conformance.reference.graph_traversal import backward
from gradlaws.conformance.reference.node import Node, one
from gradlaws.conformance.reference.tensor import Tensor


@deviation
class LeftoversGoOn(Engine):
    """What a backward has left in non-leaves, those within sums and differences included, flows on with the next one.

    A difference a - b is a + -b, and a sum adds element by element, beginning with 0.
    """

    def __init__(self) -> None:
        super().__init__()
        #: By node, and place within its op: the node, and all that has come there.
        self._left: dict[tuple[int, int], tuple[Node, Node]] = {}

    def forget(self, node: Node) -> None:
        """Nothing is left at a node."""
        self._left.pop((id(node), -1), None)

    def _with_left(self, node: Node, g: Node, place: int = -1) -> Node:
        left = self._left.get((id(node), place))
        total = g if left is None else left[1] + g
        self._left[id(node), place] = node, total
        return total

    def _products(self, seeded: Any, path: list[Node], targets: list[Node], create_graph: bool) -> list[Any]:
        came: dict[int, Node] = {}

        def visit(node: Node, g: Node) -> Node:
            came[id(node)] = g = self._visit(node, g)
            return g if node.row is None else self._with_left(node, g)

        with self.mode(create_graph):
            backward(seeded, path, targets, visit, self._pull)
        found = [came.get(id(target)) for target in targets]
        kept = [g if g is None or create_graph else Node(g.array) for g in found]
        return [(None, None) if g is None else (k, doubt(g)) for g, k in zip(found, kept, strict=True)]

    def _pull(self, node: Node, g: Node) -> Sequence[Node | None]:  # type: ignore[override]
        match None if node.row is None else node.row.name:
            case "sub":
                return super()._pull(node, g)[0], super()._pull(node, self._with_left(node, g, 0))[1]
            case "sum":
                return (self._through_sum(node, g),)
            case _:
                return super()._pull(node, g)

    def _through_sum(self, node: Node, g: Node) -> Node:
        """What comes to each element: all that has come to the sums from it on."""
        (x,), dim = node.inputs, node.params["dim"]
        if not x.array.size:
            return Node(np.zeros(x.shape))
        axes = set(range(x.array.ndim)) if dim is None else {d % x.array.ndim for d in np.atleast_1d(dim)}
        order = [*sorted(axes), *(d for d in range(x.array.ndim) if d not in axes)]
        count = int(np.prod([x.shape[d] for d in axes], dtype=int))
        g = one(TABLE["reshape"], (g,), {"shape": (g.array.size,)})
        place = np.arange(x.array.size).reshape([x.shape[d] for d in order]).transpose(np.argsort(order))
        whole = g
        for k in range(count - 1):
            g = self._with_left(node, g, k)
            whole = one(TABLE["cat"], (g, whole), {"dim": 0})
        return one(TABLE["take"], (whole,), {"index": place + 1})


@deviation
class RootsAreSetToOne(Engine):
    """Without a gradient argument a backward sets the gradient of its root to 1, whatever was there."""

    def _plan(self, roots: Sequence[Tensor], gradients: Any, inputs: Any) -> Any:
        planned = super()._plan(roots, gradients, inputs)
        for k, x in enumerate(roots):
            if gradients is None or gradients[k] is None:
                x.grad = x.error = None
                if isinstance(self, LeftoversGoOn):
                    self.forget(x.anchor)
        return planned
