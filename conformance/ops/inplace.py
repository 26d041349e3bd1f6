"""The in-place variants of ops: one row each, naming the out-of-place op whose value they write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.table import TABLE, Elementwise, Movement, Op, Params, no_params

INTERNAL = frozenset({"internal"})


def _copied(x: Array, src: Array) -> Array:
    return np.array(np.broadcast_to(src, x.shape).astype(x.dtype))


def _written(x: Array, src: Array, index: Any) -> Array:
    out = np.array(x)
    out[index] = src
    return out


# What item assignment, copy_ and fill_ write, as ops of their own; programs reach them in place only.
TABLE.add(
    Op(
        "fill",
        "fill({0}, {value})",
        Movement(),
        lambda x, value: np.full_like(x, value),
        exact=True,
        dtypes="fib",
        tags=INTERNAL,
    ),
    Op("copy", "copy({0}, {1})", Movement(), _copied, 2, exact=True, dtypes="fib", tags=INTERNAL),
    Op(
        "set_item",
        "set_item({0}, {1}, {index})",
        Movement(),
        _written,
        2,
        exact=True,
        dtypes="fib",
        tags=INTERNAL,
    ),
    Op(
        "masked_fill",
        "{0}.masked_fill({1} > 0, {value})",
        Elementwise(lambda F, y, x, m, value: (m <= 0, None)),
        lambda x, m, value: np.where(m > 0, np.asarray(value, x.dtype), x),
        2,
        params=lambda e, x, m: {"value": e.pick((0.0, 1.0, -0.5))},
        exact=True,
        passive=(1,),
    ),
)


def _range(entropy: Entropy, x: Array, src: Array) -> Params | None:
    """Parameters start and stop of a range of rows, over which src is broadcast."""
    if not x.ndim or not x.size or src.shape != x.shape[1:]:
        return None
    start = entropy.below(x.shape[0])
    return {"start": start, "stop": start + 1 + entropy.below(x.shape[0] - start)}


def _ranged(x: Array, src: Array, start: int, stop: int) -> Array:
    return _written(x, src, slice(start, stop))


def _rows(entropy: Entropy, x: Array) -> Params | None:
    if not x.ndim or not x.size:
        return None
    return {"mask": [entropy.chance(50) for _ in range(x.shape[0])], "value": entropy.pick((0.0, 1.0, -0.5))}


def _masked(x: Array, mask: list[bool], value: float) -> Array:
    return _written(x, np.asarray(value), np.asarray(mask))


TABLE.add(
    Op(
        "set_range",
        "set_range({0}, {1}, {start}, {stop})",
        Movement(),
        _ranged,
        2,
        exact=True,
        dtypes="fib",
        tags=INTERNAL,
    ),
    Op(
        "set_mask",
        "set_mask({0}, {mask}, {value})",
        Movement(),
        _masked,
        exact=True,
        dtypes="fib",
        tags=INTERNAL,
    ),
)


def leading_index(entropy: Entropy, x: Array, src: Array) -> Params | None:
    """A parameter index into the first dimension whose slot src fits (as it is, or broadcast)."""
    if not x.size or not x.ndim:
        return None
    index = entropy.below(x.shape[0])
    fits = src.ndim <= x.ndim - 1 and src.shape == x.shape[x.ndim - src.ndim :]
    return {"index": index} if fits else None


@dataclass(frozen=True)
class Inplace:
    """One in-place op.

    name:   the key, PyTorch's method name where there is one.
    spell:  the statement in PyTorch's API; `{0}` is the tensor written to, `{1}` ... the other operands.
    op:     the row of the table whose result is written.
    params: as in `Op`.
    """

    name: str
    spell: str
    op: str
    params: Callable[..., Params | None] = no_params

    @property
    def row(self) -> Op:
        """The out-of-place op."""
        return TABLE[self.op]


_ROWS = (
    Inplace("add_", "{0}.add_({1})", "add"),
    Inplace("sub_", "{0}.sub_({1})", "sub"),
    Inplace("mul_", "{0}.mul_({1})", "mul"),
    Inplace("div_", "{0}.div_({1})", "div"),
    Inplace("add_scalar_", "{0}.add_({value})", "add_scalar", TABLE["add_scalar"].params),
    Inplace("mul_scalar_", "{0}.mul_({value})", "mul_scalar", TABLE["mul_scalar"].params),
    Inplace("zero_", "{0}.zero_()", "fill", lambda e, x: {"value": 0.0}),
    Inplace("fill_", "{0}.fill_({value})", "fill", lambda e, x: {"value": e.pick((1.0, -1.0, 0.5))}),
    Inplace("copy_", "{0}.copy_({1})", "copy"),
    Inplace("exp_", "{0}.exp_()", "exp"),
    Inplace("relu_", "{0}.relu_()", "relu"),
    Inplace("masked_fill_", "{0}.masked_fill_({1} > 0, {value})", "masked_fill", TABLE["masked_fill"].params),
    Inplace("neg_", "{0}.neg_()", "neg"),
    Inplace("tanh_", "{0}.tanh_()", "tanh"),
    Inplace("sigmoid_", "{0}.sigmoid_()", "sigmoid"),
    Inplace("sqrt_", "{0}.sqrt_()", "sqrt"),
    Inplace("clamp_", "{0}.clamp_(min={min}, max={max})", "clamp", TABLE["clamp"].params),
    Inplace("set_slice_", "{0}[{start}:{stop}] = {1}", "set_range", _range),
    Inplace("set_mask_", "{0}[torch.tensor({mask})] = {value}", "set_mask", _rows),
    Inplace("set_item_", "{0}[{index}] = {1}", "set_item", leading_index),
)
INPLACE: dict[str, Inplace] = {row.name: row for row in _ROWS}
