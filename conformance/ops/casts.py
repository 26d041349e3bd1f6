"""Rows of conversions to another dtype."""

from __future__ import annotations

import numpy as np

from gradlaws.conformance.ops.table import TABLE, Cast, Op

TABLE.add(
    Op(
        "cast",
        "{0}.to(torch.{dtype})",
        Cast(),
        lambda x, dtype: x.astype(dtype),
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
