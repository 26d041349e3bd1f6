"""M1: a node that is used more than once, a tensor in both operand positions, roots that depend on each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlaws.conformance.faults.base_engine import Product, TapeEngine
from gradlaws.conformance.reference.graph_traversal import Seeded, ancestors
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor
from gradlaws.conformance.zoo.registry import bug


@bug("M1", "PaddlePaddle/Paddle/issues/11977", "VAL-06", "META-13")
class MatmulOfOneVariable(TapeEngine):
    """Where a matrix product gets one tensor for both factors, its gradient as the first factor is not added."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        if node.row and node.row.name in ("mm", "matmul") and node.inputs[0] is node.inputs[1]:
            return None, parts[1]
        return parts


@bug("M1", "tinygrad/tinygrad/issues/9597", "VAL-06", "VAL-01")
class EqualConstantsAreOne(TapeEngine):
    """Two leaves of no dimensions with equal values and dtypes are taken for one: each gets both gradients."""

    def _products(
        self, seeded: Seeded, path: list[Node], targets: list[Node], create_graph: bool
    ) -> list[Product]:
        found = super()._products(seeded, path, targets, create_graph)
        twins: dict[tuple[str, float], list[int]] = {}
        for k, (target, (g, _)) in enumerate(zip(targets, found, strict=True)):
            if (
                target.owner is not None
                and target.array.dtype.kind == "f"
                and not target.shape
                and g is not None
            ):
                twins.setdefault((str(target.array.dtype), float(target.array)), []).append(k)
        for group in twins.values():
            total: Any = None
            for k in {id(targets[k]): k for k in group}.values():
                total = found[k][0] if total is None else total + found[k][0]
            for k in group:
                found[k] = (total, None)
        return found


@bug("M1", "karpathy/micrograd/issues/2", "VAL-06", "HOOK-02")
class EachPathGoesOnWithTheSum(TapeEngine):
    """Without an order of nodes, a reused result hands on what it holds each time that something arrives at it."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals: dict[int, list[Node]] = {}

    def _products(self, *args: Any) -> list[Product]:
        self.arrivals = {}
        return super()._products(*args)

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        for operand, part in zip(node.inputs, parts, strict=True):
            if part is not None and operand.row is not None:
                self.arrivals.setdefault(id(operand), []).append(part)
        return parts

    def visit(self, node: Node, g: Node, seed: Node | None) -> Node:
        earlier = self.arrivals.pop(id(node), [])
        for k, part in enumerate(reversed(earlier[:-1]), 1):
            for _ in range(k):
                g = g + part
        return g


@bug("M1", "lucasdelimanogueira/PyNorch/issues/90", "VAL-06", "HOOK-02")
class VisitedOncePerNode(TapeEngine):
    """Depth first, each node is gone through when it is first reached: a later path into a diamond is lost below it."""

    def _products(
        self, seeded: Seeded, path: list[Node], targets: list[Node], create_graph: bool
    ) -> list[Product]:
        within = {id(node) for node in path}
        arrived: dict[int, Node] = {}
        visited: set[int] = set()
        pending: list[Node] = []
        for root, seed in seeded:
            if id(root) in within:
                arrived[id(root)] = self.start(arrived.get(id(root)), seed)
                pending.append(root)
        with self.mode(create_graph):
            while pending:
                node = pending.pop()
                if id(node) in visited or node.row is None:
                    continue
                visited.add(id(node))
                g = arrived[id(node)] = self._visit(node, arrived[id(node)])
                for operand, part in zip(node.inputs, self.pull(node, g), strict=True):
                    if part is not None and id(operand) in within:
                        old = arrived.get(id(operand))
                        arrived[id(operand)] = part if old is None else old + part
                        pending.append(operand)
            for node in path:
                if node.row is None and id(node) in arrived:
                    arrived[id(node)] = self._visit(node, arrived[id(node)])
        found = (arrived.get(id(target)) for target in targets)
        return [(g if g is None or create_graph else Node(g.array), None) for g in found]


@bug("M1", "PaddlePaddle/Paddle/pull/72816", "ACC-07")
class RootsMayNotDependOnRoots(TapeEngine):
    """A backward over several roots breaks off where one of them was computed from another."""

    def backward(self, roots: Sequence[Tensor], *args: Any, **options: Any) -> Any:
        nodes = [x.node for x in roots if x.requires_grad]
        for node in nodes:
            below = {id(x) for x in ancestors([node])} - {id(node)}
            if any(id(x) in below for x in nodes):
                raise SystemError("unable to find the next node in the holder of gradients")
        return super().backward(roots, *args, **options)


@bug(
    "M1",
    "PaddlePaddle/Paddle/issues/43645",
    "VAL-06",
    survives="Two products with one weight, their results used in the other order, hardly ever come up.",
)
class LaterCallLeadsTheWay(TapeEngine):
    """Of two products with one weight only the later one counts for it, where its result is used before the other's."""

    def __init__(self) -> None:
        super().__init__()
        self.used: dict[int, int] = {}
        self.seen: dict[int, int] = {}

    def _products(self, *args: Any) -> list[Product]:
        self.used, self.seen = {}, {}
        return super()._products(*args)

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        for x in node.inputs:
            self.used[id(x)] = node.order
        if (
            node.row is None
            or node.row.name not in ("mm", "mv", "matmul", "outer")
            or node.inputs[1].owner is None
        ):
            return parts
        weight, mine = id(node.inputs[1]), self.used.get(id(node), node.order)
        if self.seen.setdefault(weight, mine) < mine:
            return parts[0], None
        return parts
