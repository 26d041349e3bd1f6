"""Faults of the values that a backward leaves in .grad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.faults.base_engine import Product, TapeEngine, scattered
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.ops.movement import positions
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.graph_traversal import Seeded
from gradlaws.conformance.reference.jacobian_products import origins
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor


@fault("VAL-01", "VAL-02")
class SubtractsLikeItAdds(TapeEngine):
    """The second operand of a subtraction gets the gradient without the minus sign."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        if node.row and node.row.name == "sub" and parts[1] is not None:
            return parts[0], -parts[1]
        return parts


@fault("VAL-02")
class IgnoresTheArgument(Engine):
    """The gradient argument is checked, and then ones are used in its place."""

    def _seeded(self, roots: Sequence[Tensor], gradients: Sequence[Tensor | None] | None) -> Seeded:
        return [(node, Node(np.ones_like(seed.array))) for node, seed in super()._seeded(roots, gradients)]


def row_by_row(x: Tensor) -> Array:
    """What a kernel reads that takes a tensor to lie row by row: memory from its first element on."""
    where = x.family.where.ravel()[x.within.ravel() - 1]
    found: Array = np.resize(
        x.family.storage.array[where.min(initial=where.size and where[0]) :], x.array.shape
    )
    return found


@fault("VAL-02")
class MisreadsStridedArguments(Engine):
    """A gradient argument that is a view is read row by row, in whatever steps it lies in memory."""

    def _seeded(self, roots: Sequence[Tensor], gradients: Sequence[Tensor | None] | None) -> Seeded:
        given = list(gradients or [None] * len(roots))
        return [
            (node, seed if g is None or g.is_root else Node(row_by_row(g)))
            for (node, seed), g in zip(super()._seeded(roots, gradients), given, strict=True)
        ]


@fault("VAL-02")
class MisreadsStridedLeaves(TapeEngine):
    """The backward of a product reads a factor that is a leaf row by row, in whatever steps it lies in memory."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        if node.row and node.row.name == "mul":
            read = [x if x.owner is None else Node(row_by_row(x.owner), tracked=True) for x in node.inputs]
            node = Node(node.array, node.row, tuple(read), node.params, node.tracked)
        return super().pull(node, g)


@fault("VAL-06", "OPT-14")
class LastUseWins(TapeEngine):
    """What arrives over a second path replaces what arrived over the first."""

    def join(self, old: Node, new: Node) -> Node:
        return new


@fault("VAL-07")
class AssignsWhereItIndexes(TapeEngine):
    """The gradient of indexing is assigned to the picked positions instead of added: repeats count once."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        if node.row and node.row.name == "index":
            return (scattered(g, origins(node), node.inputs[0]),)
        return super().pull(node, g)


@fault("VAL-08")
class FillsUnusedParts(TapeEngine):
    """The gradient of one part of a split is written to both parts."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        if node.row and node.row.name == "chunk":
            params = {name: value for name, value in node.params.items() if name != "part"}
            whole = node.inputs[0]
            total = np.zeros(whole.shape)
            for where in positions(node.row, (whole.array,), params):
                total = total + scattered(g, where, whole).array
            return (Node(total),)
        return super().pull(node, g)


@fault("VAL-09")
class ImplicitGradientUninitialised(Engine):
    """The memory of the implicit gradient is not set to one: it still holds the value of the root."""

    def _seeded(self, roots: Sequence[Tensor], gradients: Sequence[Tensor | None] | None) -> Seeded:
        found = super()._seeded(roots, gradients)
        return found if gradients is not None else [(node, Node(node.array)) for node, _ in found]


@fault("VAL-10")
class SkipsLeafRoots(Engine):
    """A leaf that is itself the root gets nothing: no op on the tape leads to it."""

    def _plan(self, roots: Sequence[Tensor], gradients: Any, inputs: Any) -> Any:
        seeded, path, receivers = super()._plan(roots, gradients, inputs)
        starts = {id(node) for node, _ in seeded}
        return seeded, path, [(node, x) for node, x in receivers if id(node) not in starts or x.retains]


@fault("VAL-15", "VAL-16")
class CleansNan(Engine):
    """Gradients that are not a number are replaced by zero, hiding what went wrong."""

    def _products(self, *args: Any) -> list[Product]:
        found = super()._products(*args)
        return [(None if g is None else Node(np.nan_to_num(g.array)), error) for g, error in found]
