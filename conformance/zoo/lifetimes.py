"""M10: depth, repetition, and what a graph holds on to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults.base_engine import TapeEngine
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.graph_traversal import Seeded, ancestors
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor
from gradlaws.conformance.zoo.registry import bug


def depth(path: Sequence[Node]) -> int:
    """The number of ops on the longest way through nodes that are in order."""
    deep: dict[int, int] = {}
    for node in path:
        deep[id(node)] = 1 + max((deep.get(id(x), 0) for x in node.inputs), default=0)
    return max(deep.values(), default=0)


@bug("M10", "karpathy/micrograd/pull/90", "VAL-17")
class OrdersByRecursion(Engine):
    """The order of nodes is found by recursion, which ends at a depth of 1,000."""

    def _check_alive(self, path: Sequence[Node]) -> None:
        if len(path) > 1000 and depth(path) > 1000:
            raise RecursionError("maximum recursion depth exceeded")
        super()._check_alive(path)


@bug("M10", "karpathy/micrograd/pull/64", "VAL-17")
class WalksEveryPath(Engine):
    """Every path is walked by itself, so that stacked diamonds take time without end (a refusal stands for it here)."""

    def _check_alive(self, path: Sequence[Node]) -> None:
        paths = {id(node): 0 for node in path}
        for node in reversed(path[-1:]):
            paths[id(node)] = 1
        for node in reversed(path):
            for x in node.inputs:
                if id(x) in paths:
                    paths[id(x)] += paths[id(node)]
            if paths[id(node)] > 1 << 24:
                raise TimeoutError("not done yet")
        super()._check_alive(path)


@bug("M10", "huggingface/candle/pull/1243", "VAL-13")
class GradientsHoldTheGraph(TapeEngine):
    """Gradients of the leaves that went into a product are not detached: they require grad, and hold the graph."""

    def _products(self, seeded: Seeded, path: list[Node], targets: list[Node], create_graph: bool) -> Any:
        used = {id(x) for node in path if node.row and node.row.name == "mul" for x in node.inputs}
        found = super()._products(seeded, path, targets, True)
        return [
            (g if g is None or create_graph or id(target) in used else Node(g.array), error)
            for target, (g, error) in zip(targets, found, strict=True)
        ]


@bug("M10", "tinygrad/tinygrad/issues/8457", "VAL-17")
class RealizedByRecursion(ReferenceBackend):
    """A backward only notes what is to be computed; reading .grad rewrites that by recursion, to a depth of 997."""

    def __init__(self) -> None:
        super().__init__()
        self._deep = False

    def backward(self, root: Tensor, gradient: Any = None, **options: Any) -> Any:
        self._deep = depth(ancestors([root.node])) > 997
        return super().backward(root, gradient, **options)

    def grad(self, x: Tensor) -> Tensor | None:
        if self._deep and x.grad is not None:
            raise RecursionError("maximum recursion depth exceeded")
        return self.engine.read_grad(x)
