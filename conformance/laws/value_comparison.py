"""When a value of the engine's is the expected one: the ratio of error to bound; and values as they are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.engines.exceptions import reference_broke
from gradlaws.conformance.entropy import Array


def shown(value: Any) -> str:
    """An observation, short enough to read."""
    if isinstance(value, np.ndarray | np.generic):
        text = np.array2string(
            np.asarray(value), precision=17, separator=", ", threshold=30, suppress_small=False
        )
        return " ".join(text.split()) + ("" if value.dtype == np.float64 else f" ({value.dtype})")
    return value if isinstance(value, str) else repr(value)


def called(gradients: Sequence[Array]) -> str:
    """What a hook was shown, call by call, short enough to read."""
    return "calls with " + (", ".join(map(shown, gradients)) or "nothing: none")


def vanishes(gradient: Array) -> bool:
    """Whether a gradient has elements, all of them zero: one of no elements says by its shape that it arrived."""
    return bool(gradient.size) and not gradient.any()


def excess(got: Array, want: Array | np.generic, bound: Callable[[], Array] | None) -> float:
    """The largest ratio of error to bound; 0 where equal to the bit, inf where shape or dtype differ."""
    if got is want:
        return 0.0
    if got.shape != want.shape or got.dtype != want.dtype:
        return np.inf
    if got.tobytes() == want.tobytes() or np.array_equal(got, want, equal_nan=got.dtype.kind in "fc"):
        return 0.0
    if bound is None or got.dtype.kind not in "fc":
        return np.inf
    try:
        limit = np.broadcast_to(bound(), want.shape)
    except Exception as error:
        raise reference_broke(error) from error
    with np.errstate(all="ignore"):
        same = (got == want) | (np.isnan(got) & np.isnan(want)) | np.isinf(limit)
        ratio = np.where(same, 0.0, np.abs(got - want) / limit)
    return float(np.max(np.where(np.isnan(ratio), np.inf, ratio), initial=0.0))
