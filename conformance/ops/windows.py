"""Rows of windows over a tensor: strided and overlapping views, patches taken out and added up again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.movement import VIEW, movement
from gradlaws.conformance.ops.table import TABLE, Composite, Op, Params

Shape = tuple[int, ...]


def numbered(shape: Shape) -> Array:
    """1-based flat positions, in this shape."""
    return np.arange(1, int(np.prod(shape)) + 1).reshape(shape)


def windows(shape: Shape, kernel: Shape, stride: int = 1, padding: int = 0, dilation: int = 1) -> Array:
    """Positions of the elements of each window over the last dimensions, 1-based, 0 where there is padding.

    Shape (*leading dimensions, *places of the window, *kernel). Raises ValueError where no window fits.
    """
    leading, spatial = len(shape) - len(kernel), range(len(shape) - len(kernel), len(shape))
    where = np.pad(numbered(shape), [(0, 0)] * leading + [(padding, padding)] * len(kernel))
    whole = tuple(dilation * (k - 1) + 1 for k in kernel)
    seen = sliding_window_view(where, whole, axis=tuple(spatial))
    steps = (slice(None),) * leading + (slice(None, None, stride),) * len(kernel)
    return np.ascontiguousarray(seen[(*steps, *(slice(None, None, dilation) for _ in kernel))])


def _overlapping(entropy: Entropy, x: Array) -> Params | None:
    """A shape and strides that stay within x, overlaps likely."""
    if not x.size:
        return None
    rows = 1 + entropy.below(min(x.size, 3))
    stride = entropy.below(2) if x.size > rows else 0
    columns = 1 + entropy.below(min(x.size - stride * (rows - 1), 4))
    step = max((x.size - 1 - stride * (rows - 1)) // max(columns - 1, 1), 1)
    return {"shape": (rows, columns), "stride": (stride, 1 + entropy.below(min(step, 2)))}


def _as_strided(x: Array, shape: Shape, stride: Shape) -> Array:
    last = sum(s * (n - 1) for s, n in zip(stride, shape, strict=True))
    if x.size <= last:
        raise ValueError(f"{x.size} elements are too few for strides of {stride}")
    rows = np.ascontiguousarray(x)
    return as_strided(rows, shape, [s * x.itemsize for s in stride], writeable=False)


def _slices(entropy: Entropy, x: Array) -> Params | None:
    dims = [d for d, n in enumerate(x.shape) if n]
    if not dims or x.ndim > 4:
        return None
    dim = entropy.pick(dims)
    return {"dim": dim, "size": 1 + entropy.below(min(x.shape[dim], 3)), "step": 1 + entropy.below(2)}


def _unfold(x: Array, dim: int, size: int, step: int) -> Array:
    return sliding_window_view(x, size, axis=dim)[(slice(None),) * dim + (slice(None, None, step),)]


def images(entropy: Entropy) -> tuple[Shape, ...]:
    """One operand of shape (batch, channels, height, width)."""
    return (entropy.pick(((1, 1, 3, 3), (1, 2, 2, 3), (2, 1, 3, 2), (1, 1, 4, 4))),)


def lines(entropy: Entropy) -> tuple[Shape, ...]:
    """One operand of shape (batch, channels, length)."""
    return (entropy.pick(((1, 1, 4), (1, 2, 3), (2, 1, 4), (2, 2, 3), (1, 1, 6))),)


def _patches(shape: Shape, kernel: Shape) -> Array:
    """Positions in (batch, channels, height, width) as (batch, elements of a patch, patches)."""
    where = windows(shape, kernel)
    where = np.moveaxis(where, (4, 5), (2, 3))  # batch, channels, kernel, places
    return where.reshape(shape[0], -1, where.shape[4] * where.shape[5])


def _folded(entropy: Entropy, x: Array) -> Params | None:
    if x.ndim != 3 or x.shape[1:] != (4, 4):
        return None
    return {"size": (3, 3)}


def _fold(F: Any, x: Any, size: Shape) -> Any:
    shape = (x.shape[0], 1, *size)
    return F.put(x, index=_patches(shape, (2, 2)), shape=shape)


TABLE.add(
    movement(
        "as_strided",
        "torch.as_strided({0}, {shape}, {stride})",
        _as_strided,
        _overlapping,
        **VIEW,
        tags=frozenset({"contiguous"}),
    ),
    movement("unfold", "{0}.unfold({dim}, {size}, {step})", _unfold, _slices, **VIEW),
    movement(
        "unfold_patches",
        "torch.nn.functional.unfold({0}, {kernel})",
        lambda x, kernel: np.concatenate((np.zeros(1, x.dtype), x.ravel()))[_patches(x.shape, kernel)],
        lambda e, x: {"kernel": (2, 1 + e.below(2))} if x.ndim == 4 and x.shape[2] > 1 < x.shape[3] else None,
        shapes=images,
        exact=True,
    ),
    Op(
        "fold",
        "torch.nn.functional.fold({0}, {size}, (2, 2))",
        Composite(_fold),
        params=_folded,
        shapes=lambda e: (e.pick(((1, 4, 4), (2, 4, 4))),),
        exact=True,
    ),
    movement(
        "pixel_shuffle",
        "torch.nn.functional.pixel_shuffle({0}, 2)",
        lambda x: (
            x.reshape(x.shape[0], -1, 2, 2, *x.shape[2:])
            .transpose(0, 1, 4, 2, 5, 3)
            .reshape(x.shape[0], x.shape[1] // 4, x.shape[2] * 2, x.shape[3] * 2)
        ),
        lambda e, x: {} if x.ndim == 4 and x.size and x.shape[1] % 4 == 0 else None,
        shapes=lambda e: (e.pick(((1, 4, 1, 2), (2, 4, 1, 1), (1, 4, 2, 2))),),
        exact=True,
    ),
)
