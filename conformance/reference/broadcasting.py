"""What broadcasting does to derivatives: an operand that was spread receives the sum over where it went."""

from __future__ import annotations

import numpy as np

from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.reference.node import Node, one, record


def broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether an array of one shape can be expanded to another."""
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def summed_to(g: Node, shape: tuple[int, ...]) -> Node:
    """The cotangent g of a broadcast operand, summed to the operand's own shape."""
    if g.shape == shape:
        return g
    extra = len(g.shape) - len(shape)
    dims = tuple(range(extra)) + tuple(
        d + extra for d, n in enumerate(shape) if n == 1 and g.shape[d + extra] != 1
    )
    g = record(TABLE["sum"], (g,), {"dim": dims, "keepdim": False}) if dims else g
    return g if g.shape == shape else one(TABLE["reshape"], (g,), {"shape": shape})
