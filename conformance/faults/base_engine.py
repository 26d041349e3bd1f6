"""A reverse-mode engine with its joints exposed, for faults of the tape; as it stands, it has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import TABLE, Op
from gradlaws.conformance.ops.table import Composite
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.graph_traversal import Seeded, backward, between
from gradlaws.conformance.reference.jacobian_products import pull
from gradlaws.conformance.reference.node import Node, one, record, untracked

Product = tuple[Node | None, Callable[[], Array] | None]


class TapeEngine(Engine):
    """Walks the recorded ops backwards and adds up cotangents: the way of most engines."""

    def _products(
        self, seeded: Seeded, path: list[Node], targets: list[Node], create_graph: bool
    ) -> list[Product]:
        within = {id(node) for node in path}
        arrived: dict[int, Node] = {}
        with self.mode(create_graph):
            for root, seed in seeded:
                if id(root) in within:
                    arrived[id(root)] = self.start(arrived.get(id(root)), seed)
            seeds = {id(root): seed for root, seed in seeded}
            for node in sorted(path, key=lambda node: -node.order):
                if id(node) not in arrived:
                    continue
                g = self._visit(node, self.visit(node, arrived[id(node)], seeds.get(id(node))))
                arrived[id(node)] = g
                for operand, part in zip(node.inputs, self.pull(node, g) if node.row else (), strict=True):
                    if part is not None and id(operand) in within:
                        old = arrived.get(id(operand))
                        arrived[id(operand)] = part if old is None else self.join(old, part)
        found = (arrived.get(id(target)) for target in targets)
        return [(g if g is None or create_graph else Node(g.array), None) for g in found]

    def start(self, old: Node | None, seed: Node) -> Node:
        """The cotangent of a root, from what an earlier listing of it brought, and its seed."""
        return seed if old is None else old + seed

    def visit(self, node: Node, g: Node, seed: Node | None) -> Node:
        """The cotangent to go on with at `node`; `seed` is its own, where it is a root."""
        return g

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        """The cotangents of the operands of `node`."""
        with np.errstate(all="ignore"):
            return pull(node, g)

    def join(self, old: Node, new: Node) -> Node:
        """The sum of two contributions."""
        return old + new


class KernelEngine(TapeEngine):
    """A tape on which some composite ops are one node each, as where an engine has kernels of its own for them."""

    #: The names of these ops.
    kernels: frozenset[str] = frozenset()

    def _record(self, row: Op, nodes: tuple[Node, ...], params: dict[str, Any]) -> Any:  # type: ignore[override]
        if row.name not in self.kernels or not isinstance(row.rule, Composite):
            return super()._record(row, nodes, params)
        value = record(row, tuple(map(untracked, nodes)), params)
        return Node(value.array, row, nodes, params, any(node.tracked for node in nodes))

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        if node.row is None or not isinstance(node.row.rule, Composite):
            return super().pull(node, g)
        with np.errstate(all="ignore"):
            return self.kernel(node, g)

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        """The cotangents of the operands of such an op: as it stands, by the chain rule over its parts."""
        assert node.row is not None
        operands = tuple(one(TABLE["clone"], (x,)) for x in node.inputs)
        out = record(node.row, operands, node.params)
        path = between(_above(out, operands), operands)
        return backward([(out, g)], path, operands, lambda _, arrived: arrived)


def _above(out: Node, operands: Sequence[Node]) -> list[Node]:
    """The tracked nodes that `out` was computed by from operands, these included, in the order of recording."""
    ends = {id(x) for x in operands}
    seen: dict[int, Node] = {}
    pending = [out] if out.tracked else []
    while pending:
        node = pending.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            pending += [x for x in node.inputs if x.tracked] if id(node) not in ends else []
    return sorted(seen.values(), key=lambda node: node.order)


def scattered(g: Node, where: Any, like: Node) -> Node:
    """Zeros shaped like `like`, with g written (not added) at flat 1-based positions."""
    flat = np.zeros(like.array.size, dtype=g.array.dtype)
    flat[np.asarray(where).ravel() - 1] = g.array.ravel()
    return Node(flat.reshape(like.shape))
