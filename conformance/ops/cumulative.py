"""Rows of running sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.parameters import filled_dim
from gradlaws.conformance.ops.table import TABLE, Composite, Op, Params


def _short_dim(entropy: Entropy, x: Array) -> Params | None:
    return filled_dim(entropy, x) if x.size and max(x.shape, default=1) <= 4 else None


def slices(F: Any, x: Any, dim: int) -> list[Any]:
    """The factors along a dimension."""
    # An engine divides the whole product by each factor, which rounds where multiplying the others would not.
    blurred = F.blur(x)
    return [F.select(blurred, dim=dim, index=k) for k in range(x.shape[dim])]


def _cumprod(F: Any, x: Any, dim: int) -> Any:
    first, *rest = slices(F, x, dim)
    out = F.unsqueeze(first, dim=dim)
    for part in rest:
        first = F.mul(first, part)
        out = F.cat(out, F.unsqueeze(first, dim=dim), dim=dim)
    return out


def _cumsum(F: Any, x: Any, dim: int) -> Any:
    # Left out, not multiplied by zero: an infinity further on must not count.
    position = np.arange(1, int(np.prod(x.shape)) + 1).reshape(x.shape)
    index = np.expand_dims(np.moveaxis(position, dim, -1), -2) * np.tril(np.ones((x.shape[dim],) * 2, int))
    summed = F.sum(F.take(x, index=index), dim=len(x.shape), keepdim=False)
    return F.movedim(summed, source=len(x.shape) - 1, target=dim)


TABLE.add(
    Op("cumprod", "torch.cumprod({0}, dim={dim})", Composite(_cumprod), params=_short_dim, ulps=4),
    Op("cumsum", "torch.cumsum({0}, dim={dim})", Composite(_cumsum), params=filled_dim, exact=True),
)
