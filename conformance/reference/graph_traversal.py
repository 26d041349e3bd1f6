"""Vector-Jacobian products of a recorded graph.

Forward, where it can be: one sweep in the order of recording carries, for every element of every target, a
tangent; the seed is contracted with the root's tangents at the end. There is no tape to walk, no order of
visits, nothing accumulated along the way. Where a cotangent itself matters (hooks, create_graph) or a
partial derivative is not finite (so that 0 * inf decides), cotangents are pulled back instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from math import isfinite, prod
from operator import attrgetter

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.reference.jacobian_products import pull, push
from gradlaws.conformance.reference.node import Node

Seeded = Sequence[tuple[Node, Node]]
Visit = Callable[[Node, Node], Node]
Pull = Callable[[Node, Node], Sequence[Node | None]]
ORDER = attrgetter("order")


def ancestors(roots: Iterable[Node]) -> list[Node]:
    """All tracked nodes that the roots depend on, themselves included, in the order of recording."""
    seen: dict[int, Node] = {}
    pending = [root for root in roots if root.tracked]
    while pending:
        node = pending.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            pending += [operand for operand in node.inputs if operand.tracked]
    return sorted(seen.values(), key=ORDER)


def between(nodes: Sequence[Node], targets: Sequence[Node]) -> list[Node]:
    """Those of `nodes` (in order) through which a gradient travels to a target: targets and their users."""
    wanted = {id(target) for target in targets}
    reached: set[int] = set()
    found = []
    for node in nodes:
        if id(node) in wanted or not reached.isdisjoint(map(id, node.inputs)):
            reached.add(id(node))
            found.append(node)
    return found


#: Tangents of more numbers than this take longer than a sweep back.
MOST = 1 << 20


def forward(seeded: Seeded, nodes: Sequence[Node], targets: Sequence[Node]) -> list[Array] | None:
    """For each target the sum over roots of seed times Jacobian, shaped like the target.

    `nodes` are what `between` found. None where a partial derivative is not finite, or there are too many directions.
    """
    offsets: dict[int, int] = {}
    total = 0
    for target in targets:
        offsets[id(target)] = total
        total += target.array.size * (2 if target.array.dtype.kind == "c" else 1)
    if total > 256 and total * max(node.array.size for node in nodes) > MOST:
        return None
    tangents: dict[int, Array] = {}
    try:
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            for node in nodes:
                t = None
                if node.row is not None:
                    t = push(node, tuple([tangents.get(id(x)) for x in node.inputs]))
                offset = offsets.get(id(node))
                if offset is not None:
                    own = _directions(node.array.shape, offset, total, node.array.dtype.kind == "c")
                    t = own if t is None else t + own
                if t is not None:
                    tangents[id(node)] = t
            result = np.zeros(total)
            for root, seed in seeded:
                t = tangents.get(id(root))
                if t is None:
                    continue
                flat, weights = t.reshape(total, -1), seed.array.ravel()
                if flat.dtype.kind == "c" or weights.dtype.kind == "c":
                    result += (np.conj(weights) * flat).sum(axis=1).real
                else:
                    result += flat.dot(weights)
    except FloatingPointError:
        return None
    if not all(map(isfinite, result.tolist())):
        return None  # what is not a number must not spread from one direction to the next
    return [_gathered(result[offsets[id(t)] :], t.array) for t in targets]


@lru_cache(maxsize=1000)
def _directions(shape: tuple[int, ...], offset: int, total: int, complex_too: bool) -> Array:
    size = prod(shape)
    own = np.zeros((total, size), dtype=np.complex128 if complex_too else np.float64)
    own[offset + np.arange(size), np.arange(size)] = 1
    if complex_too:
        own[offset + size + np.arange(size), np.arange(size)] = 1j
    own = own.reshape(total, *shape)
    own.flags.writeable = False
    return own


def _gathered(flat: Array, like: Array) -> Array:
    size = like.size
    value = flat[:size] + 1j * flat[size : 2 * size] if like.dtype.kind == "c" else flat[:size]
    return value.reshape(like.shape).astype(like.dtype, copy=False)


@np.errstate(all="ignore")
def backward(
    seeded: Seeded, nodes: Sequence[Node], targets: Sequence[Node], visit: Visit, pulled: Pull = pull
) -> list[Node | None]:
    """The same by cotangents, as recorded nodes; None for a target that nothing arrives at.

    visit(node, g) is called once a node, with the whole cotangent, and returns the one to go on with.
    pulled(node, g) gives the cotangents of the operands.
    """
    within = {id(node) for node in nodes}
    arrived: dict[int, Node] = {}
    for root, seed in seeded:
        if id(root) in within:
            arrived[id(root)] = arrived[id(root)] + seed if id(root) in arrived else seed
    for node in sorted(nodes, key=ORDER, reverse=True):
        g = arrived.get(id(node))
        if g is None:
            continue
        arrived[id(node)] = g = visit(node, g)
        if node.row is None:
            continue
        for operand, part in zip(node.inputs, pulled(node, g), strict=True):
            if part is not None and id(operand) in within:
                old = arrived.get(id(operand))
                arrived[id(operand)] = part if old is None else old + part
    return [arrived.get(id(target)) for target in targets]
