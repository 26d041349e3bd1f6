"""Which dtype an op computes in where its operands have several."""

from __future__ import annotations

import numpy as np

from gradlaws.conformance.entropy import Array


def promoted(xs: tuple[Array, ...], passive: tuple[int, ...] = ()) -> tuple[Array, ...]:
    """Operands of one dtype: the widest of the highest kind present (integers never widen a float).

    Masks (`passive` positions) neither take part nor change.
    """
    active = [x.dtype for k, x in enumerate(xs) if k not in passive]
    highest = max(active, key=lambda d: "biufc".index(d.kind)).kind
    dtype = np.result_type(*(d for d in active if d.kind == highest))
    return tuple(x if k in passive else x.astype(dtype, copy=False) for k, x in enumerate(xs))
