"""Rows of running sums, products and extrema."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.parameters import filled_dim
from gradlaws.conformance.ops.sorting import clear_order
from gradlaws.conformance.ops.table import TABLE, Composite, Op, Params, Pick, small


def _short_dim(entropy: Entropy, x: Array) -> Params | None:
    return filled_dim(entropy, x) if x.size and max(x.shape, default=1) <= 4 else None


def slices(F: Any, x: Any, dim: int) -> list[Any]:
    """The factors along a dimension."""
    # An engine divides the whole product by each factor, which rounds where multiplying the others would not: once in
    # the first derivative, and in later ones what vanishes is a difference of quotients.
    blurred = F.blur(x)
    if np.asarray(getattr(x, "array", x)).all():
        blurred = F.mul(blurred, F.div(x, x))
    return [F.select(blurred, dim=dim, index=k) for k in range(x.shape[dim])]


def _cumprod(F: Any, x: Any, dim: int) -> Any:
    dim %= len(x.shape)
    first, *rest = slices(F, x, dim)
    out = F.unsqueeze(first, dim=dim)
    for part in rest:
        first = F.mul(first, part)
        out = F.cat(out, F.unsqueeze(first, dim=dim), dim=dim)
    return out


def _cumsum(F: Any, x: Any, dim: int) -> Any:
    # Left out, not multiplied by zero: an infinity further on must not count.
    position = np.arange(1, int(np.prod(x.shape)) + 1).reshape(x.shape)
    index = np.expand_dims(np.moveaxis(position, dim, -1), -2) * np.tri(x.shape[dim], dtype=int)
    summed = F.sum(F.take(x, index=index), dim=len(x.shape), keepdim=False)
    return F.movedim(summed, source=len(x.shape) - 1, target=dim)


def _logcumsumexp(F: Any, x: Any, dim: int) -> Any:
    high = F.stop(F.amax(x, dim=(dim,), keepdim=True))
    return high + F.log(_cumsum(F, F.exp(x - high), dim))


def _leaders(reach: Any) -> Any:
    """For each element the position of the highest (lowest) so far, in ascending order of positions."""

    def positions(x: Array, dim: int) -> Array:
        dim %= x.ndim
        best = reach.accumulate(x, axis=dim)
        along = np.arange(x.shape[dim]).reshape([-1 if d == dim else 1 for d in range(x.ndim)])
        index = np.maximum.accumulate(np.where(x == best, along, 0), axis=dim)
        return np.take_along_axis(np.arange(x.size).reshape(x.shape), index, dim)

    return positions


def _running(name: str, reach: Any) -> Op:
    return Op(
        name,
        f"torch.{name}({{0}}, dim={{dim}}).values",
        Pick(_leaders(reach)),
        lambda x, dim: reach.accumulate(x, axis=dim),
        params=filled_dim,
        domain=clear_order,
        exact=True,
    )


TABLE.add(
    Op("cumprod", "torch.cumprod({0}, dim={dim})", Composite(_cumprod), params=_short_dim, ulps=4),
    Op("cumsum", "torch.cumsum({0}, dim={dim})", Composite(_cumsum), params=filled_dim, exact=True),
    Op(
        "logcumsumexp",
        "torch.logcumsumexp({0}, dim={dim})",
        Composite(_logcumsumexp),
        params=filled_dim,
        domain=small(6),
        ulps=8,
    ),
    _running("cummax", np.maximum),
    _running("cummin", np.minimum),
)
