"""Strategies for what `backward(gradient)` is given, in the layouts that engines trip over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from gradlaws.conformance.drawn_values import VALUES
from gradlaws.conformance.ops import TABLE
from gradlaws.strategies.arguments import either, invalid, member
from gradlaws.strategies.layouts import LAYOUTS
from gradlaws.strategies.shapes import Shape, checked_shape
from gradlaws.strategies.tensors import checked_backend, checked_dtype, checked_table, contents

if TYPE_CHECKING:
    from gradlaws.conformance.engines.backend import Backend

#: The layouts of a gradient, simplest first; and what is no gradient for the shape at all.
KINDS = ("random", *LAYOUTS, "wrong_shape")


def gradients(
    shape: Shape | int | st.SearchStrategy[Shape],
    dtype: str | st.SearchStrategy[str] = "float64",
    *,
    kind: str | st.SearchStrategy[str] | None = None,
    table: Any = VALUES,
    backend: Backend | None = None,
) -> st.SearchStrategy[Any]:
    """Gradient arguments for a root of this shape and dtype: NumPy arrays, or with `backend` engine tensors.

    kind: one of `KINDS`, a strategy for one, or None for any layout that the shape has room for:
        `random`:      memory of its own, row by row.
        `expanded`:    a read-only view with stride 0 in the first dimension (rank 1 or more, not empty), as
                       the backward of a sum hands on.
        `transposed`:  a view of an array with the last two dimensions exchanged (of rank 2 or more).
        `stepped`:     every other slice along the first dimension of something larger (rank 1 or more, not empty).
        `flipped`:     the first dimension backwards (rank 1 or more); engines without negative strides copy it.
        `wrong_shape`: a gradient of another shape, which must be refused.
    table, backend: as in `tensors`. Engine tensors are made by the ops of the op table that
        `gradlaws.strategies.layouts` names, and none of them requires grad.

    A strategy for `kind` that gives a layout the drawn shape has no room for falls back on `random`. Shrinks
    towards `random`, and as `tensors` does. Raises `InvalidArgument` where a given layout never fits a given
    shape, and for arguments that make no sense.
    """
    shape_strategy = either("shape", shape, checked_shape)
    dtype_strategy = either("dtype", dtype, checked_dtype)
    kind_strategy = (
        None if kind is None else either("kind", kind, lambda name, value: member(name, value, KINDS))
    )
    numbers = checked_table(table)
    if backend is not None:
        checked_backend(backend)
    if isinstance(kind, str) and not isinstance(shape, st.SearchStrategy):
        fixed = checked_shape("shape", shape)
        if kind in LAYOUTS and kind not in room(fixed):
            raise invalid(
                "kind",
                kind,
                f"does not fit shape={fixed}",
                f"it takes at least {LAYOUTS[kind].needs}; pass kind=None for whatever fits",
            )

    @st.composite
    def made(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
        form, real = draw(shape_strategy), draw(dtype_strategy)
        layout = draw(st.sampled_from(room(form)) if kind_strategy is None else kind_strategy)
        if layout == "wrong_shape":
            form, layout = draw(st.sampled_from(wrong_shapes(form))), "random"
        elif layout not in room(form):
            layout = "random"
        how = LAYOUTS.get(layout)
        small = draw(contents(form if how is None else how.stored(np.empty(form)).shape, real, numbers))
        given = small if backend is None else backend.tensor(small, False)
        if how is None:
            return given
        return (TABLE[how.op] if backend is None else partial(backend.apply, how.op))(
            given, **how.params(form)
        )

    return made()


def room(shape: Shape) -> tuple[str, ...]:
    """The layouts that a gradient of this shape can have."""
    return ("random", *(name for name, how in LAYOUTS.items() if how.fits(shape)))


def wrong_shapes(shape: Shape) -> list[Shape]:
    """Shapes near `shape` that differ from it: longer, of higher and lower rank, flattened, turned round."""
    longer = [(*shape[:k], side + 1, *shape[k + 1 :]) for k, side in enumerate(shape)]
    flat = (int(np.prod(shape)),)
    near: list[Shape] = [(1, *shape), *longer, shape[1:], flat, shape[::-1], (*shape, 2)]
    return [other for other in dict.fromkeys(near) if other != shape]
