"""Rows that join tensors, and that split one into several."""

from __future__ import annotations

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.movement import MOVE, VIEW, movement
from gradlaws.conformance.ops.parameters import filled_dim
from gradlaws.conformance.ops.table import TABLE, Movement, Op, Params


def _same_shape_pair(e: Entropy, a: Array, b: Array) -> Params | None:
    return {"dim": e.below(a.ndim)} if a.ndim and a.shape == b.shape else None


def _split_size(entropy: Entropy, x: Array) -> Params | None:
    if not x.ndim or not x.size:
        return None
    dim = entropy.below(x.ndim)
    return {"size": 1 + entropy.below(x.shape[dim]), "dim": dim}


def _split(x: Array, size: int, dim: int) -> tuple[Array, ...]:
    return tuple(np.split(x, range(size, x.shape[dim], size), dim))


TABLE.add(
    Op(
        "cat",
        "torch.cat(({0}, {1}), dim={dim})",
        Movement(),
        lambda a, b, dim: np.concatenate((a, b), dim),
        2,
        params=_same_shape_pair,
        **MOVE,
    ),
    Op(
        "stack",
        "torch.stack(({0}, {1}), dim={dim})",
        Movement(),
        lambda a, b, dim: np.stack((a, b), dim),
        2,
        params=_same_shape_pair,
        **MOVE,
    ),
    Op(
        "chunk",
        "{0}.chunk(2, dim={dim})",
        Movement(),
        lambda x, dim: tuple(np.split(x, 2, dim)),
        params=lambda e, x: next(({"dim": d} for d, n in enumerate(x.shape) if n and n % 2 == 0), None),
        many=True,
        **VIEW,
    ),
    movement("split", "{0}.split({size}, dim={dim})", _split, _split_size, many=True, **VIEW),
    movement(
        "unbind",
        "torch.unbind({0}, dim={dim})",
        lambda x, dim: tuple(x[(slice(None),) * (dim % x.ndim) + (k, ...)] for k in range(x.shape[dim])),
        filled_dim,
        many=True,
        **VIEW,
    ),
)
