"""A reverse-mode engine with its joints exposed, for faults of the tape; as it stands, it has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.graph_traversal import Seeded
from gradlaws.conformance.reference.jacobian_products import pull
from gradlaws.conformance.reference.node import Node

Product = tuple[Node | None, Callable[[], Array] | None]


class TapeEngine(Engine):
    """Walks the recorded ops backwards and adds up cotangents: the way of most engines."""

    def _products(
        self, seeded: Seeded, path: list[Node], targets: list[Node], create_graph: bool
    ) -> list[Product]:
        within = {id(node) for node in path}
        arrived: dict[int, Node] = {}
        for root, seed in seeded:
            if id(root) in within:
                arrived[id(root)] = self.start(arrived.get(id(root)), seed)
        seeds = {id(root): seed for root, seed in seeded}
        for node in sorted(path, key=lambda node: -node.order):
            if id(node) not in arrived:
                continue
            g = arrived[id(node)] = self.visit(node, arrived[id(node)], seeds.get(id(node)))
            for operand, part in zip(node.inputs, self.pull(node, g) if node.row else (), strict=True):
                if part is not None and id(operand) in within:
                    old = arrived.get(id(operand))
                    arrived[id(operand)] = part if old is None else self.join(old, part)
        found = (arrived.get(id(target)) for target in targets)
        return [(None if g is None else Node(g.array), None) for g in found]

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


def scattered(g: Node, where: Any, like: Node) -> Node:
    """Zeros shaped like `like`, with g written (not added) at flat 1-based positions."""
    flat = np.zeros(like.array.size, dtype=g.array.dtype)
    flat[np.asarray(where).ravel() - 1] = g.array.ravel()
    return Node(flat.reshape(like.shape))
