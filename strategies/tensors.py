"""Strategies for tensors: NumPy arrays, or leaves of an engine.

The contents are one draw of bytes, looked up in a table of short dyadic numbers: sums and products of them
are exact in floating point, and 0, 1, -1 and 2 are common, so that ties and kinks occur on purpose. A draw
per element (`hypothesis.extra.numpy.arrays`) costs three times as much and gives numbers that round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from gradlaws.conformance.drawn_values import VALUES
from gradlaws.conformance.entropy import Array
from gradlaws.strategies.arguments import either, invalid, member
from gradlaws.strategies.shapes import Shape, checked_shape, shapes

if TYPE_CHECKING:
    from gradlaws.conformance.engines.backend import Backend

#: Names of the dtypes that the suite speaks of, simplest first.
DTYPES = ("float64", "float32", "complex128", "int64", "bool")
_KIND = {name: np.dtype(name).kind for name in DTYPES}


def dtypes(*, kinds: str = "fcib", allowed: Iterable[str] = DTYPES) -> st.SearchStrategy[str]:
    """Names of dtypes, such as "float64".

    kinds:   letters as in `numpy.dtype.kind`: f(loat), c(omplex), i(nteger), b(ool).
    allowed: the names to choose from; an engine without float64 passes `allowed=["float32"]`.

    Shrinks towards float64, or what comes first in `DTYPES`. Raises `InvalidArgument` where a kind or name is
    not known, or none is left.
    """
    if not isinstance(kinds, str) or not kinds or set(kinds) - set(_KIND.values()):
        raise invalid("kinds", kinds, "is not a string of kinds", "use the letters f, c, i, b, such as 'fc'")
    names = {member("allowed", name, DTYPES) for name in ([allowed] if isinstance(allowed, str) else allowed)}
    left = [name for name in DTYPES if name in names and _KIND[name] in kinds]
    if not left:
        raise invalid("allowed", sorted(names), f"has no dtype of kinds={kinds!r}", "widen one of the two")
    return st.sampled_from(left)


def tensors(
    shape: Shape | int | st.SearchStrategy[Shape] | None = None,
    dtype: str | st.SearchStrategy[str] = "float64",
    *,
    table: Sequence[float] | Array = VALUES,
    backend: Backend | None = None,
    requires_grad: bool | st.SearchStrategy[bool] | None = None,
) -> st.SearchStrategy[Any]:
    """Tensors: NumPy arrays, or with `backend` leaves of that engine, made by `backend.tensor`.

    shape:   a shape, a strategy for one, or None for `shapes()`.
    dtype:   a name from `DTYPES`, or a strategy for one.
    table:   1 to 256 numbers that the elements are taken from, simplest first. By default short dyadic
             numbers from -2 to 2. Integers are cut towards zero, a bool is whether the number differs from
             0, a complex number takes two.
    backend: an adapter (`gradlaws.conformance.engines.backend.Backend`).
    requires_grad: with `backend` only; None stands for True where the dtype is floating-point or complex.

    Shrinks towards what `shape` and `dtype` shrink to, and towards the first number of the table (0.0).
    Raises `InvalidArgument` where an argument makes no sense: at once for values, for strategies when drawn.
    """
    shape_strategy = either("shape", shapes() if shape is None else shape, checked_shape)
    dtype_strategy = either("dtype", dtype, checked_dtype)
    numbers = checked_table(table)
    if backend is None:
        if requires_grad is not None:
            raise invalid(
                "requires_grad", requires_grad, "has no meaning for a NumPy array", "pass backend= as well"
            )
        flag: st.SearchStrategy[bool | None] = st.none()
    else:
        checked_backend(backend)
        flag = st.none() if requires_grad is None else either("requires_grad", requires_grad, _checked_flag)
        if requires_grad is True and isinstance(dtype, str) and _KIND[dtype] not in "fc":
            raise invalid(
                "requires_grad",
                True,
                f"does not go with dtype={dtype!r}",
                "only floating-point and complex tensors can require grad",
            )

    @st.composite
    def made(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
        form, kind = draw(shape_strategy), draw(dtype_strategy)
        array = draw(contents(form, kind, numbers))
        if backend is None:
            return array
        tracked = draw(flag)
        differentiable = array.dtype.kind in "fc"
        return backend.tensor(array, differentiable if tracked is None else bool(tracked) and differentiable)

    return made()


def contents(shape: Shape, dtype: str, table: Array = VALUES) -> st.SearchStrategy[Array]:
    """Arrays of one shape and dtype, in one draw of a byte per number; shrinks to `table[0]`."""
    count = prod(shape) * (2 if _KIND[dtype] == "c" else 1)
    if not count:
        return st.builds(np.zeros, st.just(shape), st.just(dtype))

    def decoded(data: bytes) -> Array:
        numbers = table[np.frombuffer(data, dtype=np.uint8).astype(np.intp) * len(table) >> 8]
        if _KIND[dtype] == "c":
            numbers = numbers[::2] + 1j * numbers[1::2]
        array: Array = (numbers != 0 if dtype == "bool" else numbers.astype(dtype)).reshape(shape)
        return array

    return st.binary(min_size=count, max_size=count).map(decoded)


def checked_dtype(name: str, value: Any) -> str:
    """`value` as a name from `DTYPES`; NumPy dtypes and types are accepted as well."""
    if not isinstance(value, str):
        try:
            value = np.dtype(value).name
        except TypeError:
            raise invalid(
                name, value, "is not a dtype", "pass a name such as 'float64', or dtypes()"
            ) from None
    return member(name, value, DTYPES)


def checked_table(value: Any) -> Array:
    """`value` as a table of 1 to 256 finite real numbers."""
    if isinstance(value, st.SearchStrategy):
        raise invalid(
            "table",
            value,
            "is a strategy",
            "pass the numbers themselves, or use hypothesis.extra.numpy.arrays",
        )
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise invalid(
            "table", value, "is not a sequence of numbers", "pass up to 256 numbers, simplest first"
        ) from None
    if numbers.ndim != 1 or not 1 <= numbers.size <= 256:
        raise invalid("table", value, f"has shape {numbers.shape}", "pass 1 to 256 numbers in one dimension")
    return numbers


def checked_backend(value: Any) -> None:
    """Raise unless `value` looks like an adapter: an instance with methods `tensor` and `apply`."""
    if isinstance(value, type) or not (hasattr(value, "tensor") and hasattr(value, "apply")):
        raise invalid(
            "backend",
            value,
            "is not an adapter",
            "pass an instance of a gradlaws.conformance.engines.backend.Backend",
        )


def _checked_flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise invalid(name, value, f"is of type {type(value).__name__}", "pass True, False or st.booleans()")
    return value
