"""Rows of normalization layers, and of vectors brought to length one."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.table import TABLE, Composite, Op, Params
from gradlaws.conformance.ops.windows import Shape

#: Large, so that rows of equal elements are no ill-conditioned problem.
_EPS = 0.125


def _standard(F: Any, x: Any, dims: Shape) -> Any:
    rough = F.blur(x)  # engines compute variances in several ways, as for var
    centred = rough - F.mean(rough, dim=dims, keepdim=True)
    return centred * F.rsqrt(F.mean(F.square(centred), dim=dims, keepdim=True) + _EPS)


def _along(F: Any, values: Any, x: Any) -> Any:
    """One value a channel, lined up with the channels of x."""
    return F.reshape(values, shape=(values.shape[0],) + (1,) * (len(x.shape) - 2))


def _layer_norm(F: Any, x: Any, weight: Any, bias: Any, size: int) -> Any:
    return _standard(F, x, (len(x.shape) - 1,)) * weight + bias


def _batch_norm(F: Any, x: Any, weight: Any, bias: Any) -> Any:
    dims = (0, *range(2, len(x.shape)))
    return _standard(F, x, dims) * _along(F, weight, x) + _along(F, bias, x)


def _group_norm(F: Any, x: Any, weight: Any, bias: Any, groups: int) -> Any:
    batch, channels, length = x.shape
    apart = F.reshape(x, shape=(batch, groups, channels // groups * length))
    made = F.reshape(_standard(F, apart, (2,)), shape=x.shape)
    return made * _along(F, weight, x) + _along(F, bias, x)


def _rms_norm(F: Any, x: Any, weight: Any, size: int) -> Any:
    squares = F.mean(F.square(x), dim=(len(x.shape) - 1,), keepdim=True)
    return x * F.rsqrt(squares + _EPS) * weight


def _per_feature(_: Entropy, x: Array, *rest: Array) -> Params | None:
    fits = x.ndim and x.size and all(v.shape == x.shape[-1:] for v in rest)
    return {"size": x.shape[-1]} if fits else None


def _per_channel(x: Array, *rest: Array) -> bool:
    return x.ndim > 1 and bool(x.size) and all(v.shape == x.shape[1:2] for v in rest)


def _groups(entropy: Entropy, x: Array, *rest: Array) -> Params | None:
    if x.ndim != 3 or not _per_channel(x, *rest):
        return None
    return {"groups": entropy.pick([n for n in (1, 2, 4) if x.shape[1] % n == 0])}


def _shapes(last: bool, *choices: Shape, vectors: int = 2) -> Any:
    def drawn(entropy: Entropy) -> tuple[Shape, ...]:
        shape = entropy.pick(choices)
        return (shape, *[shape[-1:] if last else shape[1:2]] * vectors)

    return drawn


def _dim_of_length(entropy: Entropy, *xs: Array) -> Params | None:
    x = xs[0]
    return (
        {"dim": entropy.below(x.ndim)} if x.ndim and x.size and all(o.shape == x.shape for o in xs) else None
    )


def _norm(F: Any, x: Any, dim: int) -> Any:
    return F.sqrt(F.sum(F.square(x), dim=dim, keepdim=True))


def _long(*xs: Array, dim: int) -> bool:
    return all(bool(np.square(x).sum(axis=dim).min() >= 0.1) for x in xs)


def _cosine(F: Any, a: Any, b: Any, dim: int) -> Any:
    unit_a, unit_b = a / _norm(F, a, dim), b / _norm(F, b, dim)
    return F.sum(unit_a * unit_b, dim=dim, keepdim=False)


TABLE.add(
    Op(
        "layer_norm",
        "torch.nn.functional.layer_norm({0}, ({size},), {1}, {2}, eps=0.125)",
        Composite(_layer_norm),
        arity=3,
        params=_per_feature,
        shapes=_shapes(True, (2, 3), (3,), (2, 2), (2, 1, 3)),
        ulps=4,
    ),
    Op(
        "batch_norm",
        "torch.nn.functional.batch_norm({0}, None, None, {1}, {2}, training=True, eps=0.125)",
        Composite(_batch_norm),
        arity=3,
        params=lambda e, x, w, b: {} if _per_channel(x, w, b) and x.size > x.shape[1] else None,
        shapes=_shapes(False, (3, 2), (2, 2, 2), (2, 1, 3), (4, 1)),
        ulps=4,
    ),
    Op(
        "group_norm",
        "torch.nn.functional.group_norm({0}, {groups}, {1}, {2}, eps=0.125)",
        Composite(_group_norm),
        arity=3,
        params=_groups,
        shapes=_shapes(False, (1, 2, 2), (2, 2, 3), (1, 4, 2)),
        ulps=4,
    ),
    Op(
        "instance_norm",
        "torch.nn.functional.instance_norm({0}, eps=0.125)",
        Composite(lambda F, x: _standard(F, x, (2,))),
        params=lambda e, x: {} if x.ndim == 3 and x.size and x.shape[2] > 1 else None,
        shapes=_shapes(False, (1, 2, 3), (2, 1, 2), (2, 2, 2), vectors=0),
        ulps=4,
        tags=frozenset({"view inside"}),
    ),
    Op(
        "rms_norm",
        "torch.nn.functional.rms_norm({0}, ({size},), {1}, eps=0.125)",
        Composite(_rms_norm),
        arity=2,
        params=_per_feature,
        shapes=_shapes(True, (2, 3), (3,), (2, 2), vectors=1),
        ulps=4,
    ),
    Op(
        "normalize",
        "torch.nn.functional.normalize({0}, dim={dim})",
        Composite(lambda F, x, dim: x / _norm(F, x, dim)),
        params=_dim_of_length,
        domain=_long,
        ulps=4,
    ),
    Op(
        "cosine_similarity",
        "torch.nn.functional.cosine_similarity({0}, {1}, dim={dim})",
        Composite(_cosine),
        arity=2,
        params=_dim_of_length,
        domain=_long,
        ulps=4,
    ),
)
