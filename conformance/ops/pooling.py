"""Rows of pooling and of resizing: averages and maxima over windows, fixed or fitted to a size."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.movement import movement
from gradlaws.conformance.ops.table import TABLE, Composite, Op, Params, Pick
from gradlaws.conformance.ops.windows import Shape, images, lines, numbered, windows

_INSIDE = frozenset({"view inside"})


def _average(F: Any, x: Any, kernel: Shape, stride: int, padding: int) -> Any:
    rank = len(x.shape)
    seen = F.take(x, index=windows(x.shape, kernel, stride, padding))
    return F.mean(seen, dim=tuple(range(rank, rank + len(kernel))), keepdim=False)


def _highest(x: Array, where: Array, rank: int) -> Array:
    """The position (0-based) of the highest element of each window, 0 in `where` being none at all."""
    where = where.reshape(*where.shape[:rank], -1)
    values = np.concatenate((np.full(1, -np.inf, x.dtype), x.ravel()))[where]
    best = np.expand_dims(values.argmax(-1), -1)
    return np.asarray(np.take_along_axis(where, best, -1)[..., 0] - 1)


def _apart(x: Array, where: Array, rank: int) -> bool:
    """Whether the highest element of each window is beyond doubt."""
    where = where.reshape(*where.shape[:rank], -1)
    values = np.sort(np.concatenate((np.full(1, -np.inf), x.ravel()))[where], -1)
    return bool((values[..., -1] > -np.inf).all()) and (
        values.shape[-1] < 2 or bool((values[..., -1] - values[..., -2] >= 0.05).all())
    )


def _maxima(name: str, spatial: int) -> Op:
    def highest(x: Array, kernel: Shape, stride: int, padding: int) -> Array:
        return _highest(x, windows(x.shape, kernel, stride, padding), x.ndim)

    return Op(
        name,
        f"torch.nn.functional.{name}({{0}}, {{kernel}}, {{stride}}, {{padding}})",
        Pick(highest),
        lambda x, **params: x.ravel()[highest(x, **params)],
        params=_windowed(spatial),
        shapes=images if spatial == 2 else lines,
        domain=lambda x, kernel, stride, padding: _apart(
            x, windows(x.shape, kernel, stride, padding), x.ndim
        ),
        exact=True,
        tags=_INSIDE if spatial == 1 else frozenset(),
    )


def _windowed(spatial: int) -> Any:
    """Draws parameters kernel, stride and padding."""

    def params(entropy: Entropy, x: Array) -> Params | None:
        if x.ndim != spatial + 2 or not x.size:
            return None
        kernel = tuple(1 + entropy.below(min(n, 3)) for n in x.shape[2:])
        padding = entropy.below(2) if min(kernel) > 1 else 0
        return {"kernel": kernel, "stride": 1 + entropy.below(2), "padding": padding}

    return params


def _averages(name: str, spatial: int) -> Op:
    return Op(
        name,
        f"torch.nn.functional.{name}({{0}}, {{kernel}}, {{stride}}, {{padding}})",
        Composite(_average),
        params=_windowed(spatial),
        shapes=images if spatial == 2 else lines,
        ulps=2,
        tags=_INSIDE if spatial == 1 else frozenset(),
    )


def _fitted(length: int, size: int) -> list[range]:
    """Which elements of a dimension go into each of `size` results."""
    return [range(k * length // size, -(-(k + 1) * length // size)) for k in range(size)]


def _adaptive(F: Any, x: Any, size: int) -> Any:
    length = x.shape[2]
    shares = np.zeros((size, length))
    for k, part in enumerate(_fitted(length, size)):
        shares[k, list(part)] = 1 / len(part)
    return F.einsum(x, F.const(shares, x), spec="bcx,yx->bcy")


def _adaptive_windows(shape: Shape, size: int) -> Array:
    parts = _fitted(shape[2], size)
    longest = max(map(len, parts))
    index = np.array([[*part, *[-1] * (longest - len(part))] for part in parts])
    padded = np.concatenate((numbered(shape), np.zeros((*shape[:2], 1), int)), -1)
    return padded[..., index]


def _some_size(entropy: Entropy, x: Array) -> Params | None:
    return {"size": 1 + entropy.below(x.shape[2])} if x.ndim == 3 and x.size else None


def _linear(F: Any, x: Any) -> Any:
    length = x.shape[2]
    place = np.clip((np.arange(2 * length) + 0.5) / 2 - 0.5, 0, length - 1)
    low = np.floor(place).astype(int)
    weights = np.zeros((2 * length, length))
    weights[np.arange(2 * length), low] += 1 - (place - low)
    weights[np.arange(2 * length), np.minimum(low + 1, length - 1)] += place - low
    return F.einsum(x, F.const(weights, x), spec="bcx,yx->bcy")


def _if_lines(_: Entropy, x: Array) -> Params | None:
    return {} if x.ndim == 3 and x.size else None


TABLE.add(
    _averages("avg_pool1d", 1),
    _averages("avg_pool2d", 2),
    _maxima("max_pool1d", 1),
    _maxima("max_pool2d", 2),
    Op(
        "adaptive_avg_pool1d",
        "torch.nn.functional.adaptive_avg_pool1d({0}, {size})",
        Composite(_adaptive),
        params=_some_size,
        shapes=lines,
        ulps=2,
        tags=_INSIDE,
    ),
    Op(
        "adaptive_max_pool1d",
        "torch.nn.functional.adaptive_max_pool1d({0}, {size})",
        Pick(lambda x, size: _highest(x, _adaptive_windows(x.shape, size), 3)),
        lambda x, size: x.ravel()[_highest(x, _adaptive_windows(x.shape, size), 3)],
        params=_some_size,
        shapes=lines,
        domain=lambda x, size: _apart(x, _adaptive_windows(x.shape, size), 3),
        exact=True,
        tags=_INSIDE,
    ),
    movement(
        "interpolate_nearest",
        "torch.nn.functional.interpolate({0}, scale_factor=2)",
        lambda x: np.repeat(x, 2, axis=2),
        _if_lines,
        shapes=lines,
        exact=True,
    ),
    Op(
        "interpolate_linear",
        "torch.nn.functional.interpolate({0}, scale_factor=2, mode='linear', align_corners=False)",
        Composite(_linear),
        params=_if_lines,
        shapes=lines,
        exact=True,
    ),
)
