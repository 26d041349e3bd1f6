"""Rows of conversions to another dtype."""

from __future__ import annotations

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops.table import TABLE, Cast, Op


def _converted(x: Array, dtype: str) -> Array:
    """X in another dtype; of complex numbers the real part, where it has no place for the other."""
    return (x.real if x.dtype.kind == "c" and not dtype.startswith("complex") else x).astype(dtype)


TABLE.add(
    Op(
        "cast",
        "{0}.to(torch.{dtype})",
        Cast(),
        _converted,
        params=lambda e, x: {"dtype": "float32" if x.dtype == np.float64 else "float64"},
        ulps=0.5,
    ),
    Op(
        "to_integer",
        "{0}.to(torch.{dtype})",
        Cast(),
        lambda x, dtype: x.astype(dtype),
        params=lambda e, x: {"dtype": "int64"},
        tags=frozenset({"integer result"}),
    ),
)
