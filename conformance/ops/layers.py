"""Rows of what else networks are built of: linear layers, embedding, attention, dropout by a given mask."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.movement import movement
from gradlaws.conformance.ops.table import TABLE, Composite, Elementwise, Op, Params


def _layer(F: Any, x: Any, weight: Any, bias: Any) -> Any:
    rows = "xyz"[: len(x.shape) - 1]
    return F.einsum(x, weight, spec=f"{rows}i,oi->{rows}o") + bias


def _features(_: Entropy, x: Array, weight: Array, bias: Array) -> Params | None:
    fits = x.ndim and weight.ndim == 2 and x.shape[-1] == weight.shape[1] and bias.shape == weight.shape[:1]
    return {} if fits and x.ndim <= 4 and x.size and weight.size else None


def _attention(F: Any, query: Any, key: Any, value: Any, is_causal: bool) -> Any:
    scores = F.einsum(query, key, spec="bqe,bke->bqk") * (1 / math.sqrt(query.shape[2]))
    if is_causal:  # what comes later is left out of each row
        weights = F.exp(scores - F.stop(F.amax(scores, dim=(2,), keepdim=True)))
        weights = weights * F.const(np.tril(np.ones(scores.shape[1:])), scores)
        weights = weights / F.sum(weights, dim=2, keepdim=True)
    else:
        weights = F.softmax(scores, dim=2)
    return F.einsum(weights, value, spec="bqk,bkv->bqv")


def _heads(entropy: Entropy, query: Array, key: Array, value: Array) -> Params | None:
    fits = query.ndim == key.ndim == value.ndim == 3 and key.shape[:2] == value.shape[:2]
    if not fits or query.shape[0] != key.shape[0] or query.shape[2] != key.shape[2]:
        return None
    return {"is_causal": entropy.chance(30)} if query.size and key.size and value.size else None


def _modest(query: Array, key: Array, value: Array, **_: Any) -> bool:
    return all(float(np.abs(x).max()) <= 4 for x in (query, key, value))


TABLE.add(
    Op(
        "linear",
        "torch.nn.functional.linear({0}, {1}, {2})",
        Composite(_layer),
        arity=3,
        params=_features,
        shapes=lambda e: e.pick(
            (((2, 3), (2, 3), (2,)), ((3,), (2, 3), (2,)), ((2, 1, 2), (3, 2), (3,)), ((1, 3), (1, 3), (1,)))
        ),
        exact=True,
        tags=frozenset({"view inside"}),
    ),
    movement(
        "embedding",
        "torch.nn.functional.embedding(torch.tensor({index}), {0})",
        lambda x, index: x[np.asarray(index)],
        lambda e, x: (
            {"index": [e.below(x.shape[0]) for _ in range(1 + e.below(4))]}
            if x.ndim == 2 and x.size
            else None
        ),
        shapes=lambda e: (e.pick(((3, 2), (2, 2), (4, 1), (2, 3))),),
        exact=True,
    ),
    Op(
        "scaled_dot_product_attention",
        "torch.nn.functional.scaled_dot_product_attention({0}, {1}, {2}, is_causal={is_causal})",
        Composite(_attention),
        arity=3,
        params=_heads,
        shapes=lambda e: e.pick(
            (
                ((1, 2, 2), (1, 2, 2), (1, 2, 2)),
                ((1, 2, 2), (1, 3, 2), (1, 3, 1)),
                ((2, 1, 2), (2, 2, 2), (2, 2, 2)),
            )
        ),
        domain=_modest,
        ulps=8,
    ),
    Op(
        "dropout",
        "{0} * ({1} > 0) * 2.",
        Elementwise(lambda F, y, x, mask: (2 * F.const((mask > 0).astype(float), x), None)),
        lambda x, mask: x * (mask > 0) * np.asarray(2, x.dtype),
        2,
        exact=True,
        passive=(1,),
    ),
)
