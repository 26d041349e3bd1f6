"""Parameters that several ops draw alike."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.table import Params


def one_dim(entropy: Entropy, x: Array) -> Params | None:
    """A parameter dim, counted from the end now and then; None for 0-d operands."""
    return {"dim": entropy.below(x.ndim) - (x.ndim if entropy.chance(30) else 0)} if x.ndim else None


def filled_dim(entropy: Entropy, x: Array) -> Params | None:
    """The same; None for empty operands, too."""
    return one_dim(entropy, x) if x.size else None


def reduced_dims(entropy: Entropy, x: Array) -> Params:
    """Parameters dim (an int, a tuple or None for all) and keepdim."""
    if not x.ndim or entropy.chance(40):
        return {"dim": None, "keepdim": False}
    dim: Any = entropy.below(x.ndim) - (x.ndim if entropy.chance(30) else 0)
    if x.ndim > 1 and entropy.chance(30):
        dim = (0, x.ndim - 1)
    return {"dim": dim, "keepdim": entropy.chance(40)}
