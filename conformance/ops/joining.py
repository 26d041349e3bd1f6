"""Rows that split, repeat, shift, pad and cut out."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.movement import MOVE, VIEW
from gradlaws.conformance.ops.table import TABLE, Movement, Op, Params


def _split_size(entropy: Entropy, x: Array) -> Params | None:
    if not x.ndim or not x.size:
        return None
    dim = entropy.below(x.ndim)
    return {"size": 1 + entropy.below(x.shape[dim]), "dim": dim}


def _split(x: Array, size: int, dim: int) -> tuple[Array, ...]:
    return tuple(np.split(x, range(size, x.shape[dim], size), dim))


def _a_dim(entropy: Entropy, x: Array) -> Params | None:
    return {"dim": entropy.below(x.ndim)} if x.ndim and x.size else None


def _two_places(entropy: Entropy, x: Array) -> Params | None:
    return {"source": entropy.below(x.ndim), "target": entropy.below(x.ndim)} if x.ndim else None


def _shift(entropy: Entropy, x: Array) -> Params | None:
    return {"shift": entropy.below(4) - 1, "dim": entropy.below(x.ndim)} if x.ndim else None


def _times(entropy: Entropy, x: Array) -> Params | None:
    if x.size > 8 or x.ndim > 2:
        return None
    return {"times": tuple(1 + entropy.below(2) for _ in range(max(x.ndim, 1)))}


def _padding(entropy: Entropy, x: Array) -> Params | None:
    if not x.ndim:
        return None
    return {"pad": (entropy.below(2), 1 + entropy.below(2)), "value": entropy.pick((0.0, 1.0, -0.5))}


def _padded(x: Array, pad: tuple[int, int], value: float) -> Array:
    if not x.ndim:
        raise ValueError("there is no dimension to pad")  # which np.pad lets pass
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [pad], constant_values=value)


def _matrices(entropy: Entropy, x: Array) -> Params | None:
    return {"diagonal": entropy.below(3) - 1} if x.ndim >= 2 else None


def _if_matrix(_: Entropy, x: Array) -> Params | None:
    return {} if x.ndim == 2 and x.size else None


def _movement(name: str, spell: str, forward: Any, params: Any, **more: Any) -> Op:
    return Op(name, spell, Movement(), forward, params=params, **more)


TABLE.add(
    _movement("split", "{0}.split({size}, dim={dim})", _split, _split_size, many=True, **VIEW),
    _movement(
        "unbind",
        "torch.unbind({0}, dim={dim})",
        lambda x, dim: tuple(x[(slice(None),) * dim + (k, ...)] for k in range(x.shape[dim])),
        _a_dim,
        many=True,
        **VIEW,
    ),
    _movement(
        "movedim",
        "torch.movedim({0}, {source}, {target})",
        lambda x, source, target: np.moveaxis(x, source, target),
        _two_places,
        **VIEW,
    ),
    _movement("diagonal", "torch.diagonal({0})", lambda x: np.diagonal(x), _if_matrix, **VIEW),
    _movement(
        "roll",
        "torch.roll({0}, {shift}, {dim})",
        lambda x, shift, dim: np.roll(x, shift, dim),
        _shift,
        **MOVE,
    ),
    _movement("repeat", "{0}.repeat({times})", lambda x, times: np.tile(x, times), _times, **MOVE),
    _movement("pad", "torch.nn.functional.pad({0}, {pad}, value={value})", _padded, _padding, exact=True),
    _movement(
        "tril", "torch.tril({0}, {diagonal})", lambda x, diagonal: np.tril(x, diagonal), _matrices, **MOVE
    ),
    _movement(
        "triu", "torch.triu({0}, {diagonal})", lambda x, diagonal: np.triu(x, diagonal), _matrices, **MOVE
    ),
)
