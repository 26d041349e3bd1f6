"""The situations in which a row of the op table can be, one bit each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array

#: What is distinguished of a call, by group. Size, rank and dtype are the first operand's.
GROUPS: dict[str, tuple[str, ...]] = {
    "order": ("1", "2"),
    "size": ("0", "1", "2-24", "25-300", "301-1000", ">1000"),
    "rank": ("0", "1", "2", "3", "4", "5", "6"),
    "dtype": ("float64", "float32", "float16", "bfloat16", "complex128", "int64", "int32", "uint8", "bool"),
    "broadcast": ("same", "0-d", "fewer dims", "stretched", "both stretched"),
    "operand": ("strided", "expanded", "view", "alias of another", "given twice"),
    "dim": ("first", "middle", "last"),
    "special": ("infinity", "NaN", "-0.0", "subnormal", "huge"),
}
#: All cells in their order, as (group, value): bit k is cell k.
CELLS: tuple[tuple[str, str], ...] = tuple(
    (group, value) for group, values in GROUPS.items() for value in values
)
_BIT = {cell: 1 << k for k, cell in enumerate(CELLS)}
_SIZES = ((0, "0"), (1, "1"), (24, "2-24"), (300, "25-300"), (1000, "301-1000"))
#: Numbers from here on are huge.
HUGE = 1e30
#: Parameters that name a dimension, or several.
DIMS = ("dim", "dim0", "dims", "start_dim")
#: Forms that are remembered, before all are forgotten.
MOST = 1 << 16
_KNOWN: dict[Any, int] = {}


def bit(group: str, value: str) -> int:
    """The bit of a cell; 0 if there is none."""
    return _BIT.get((group, value), 0)


def called(
    op: str, values: Sequence[Array], homes: Sequence[int], variables: Sequence[int], params: Any
) -> int:
    """The cells of a call without order and special contents, as bits.

    values: the operands; homes: for each the variable whose memory it lives in; variables: which they are.
    """
    dim = next((params[name] for name in DIMS if name in params), None) if params else None
    if len(values) == 1:
        (x,) = values
        key: Any = (x.shape, x.strides, x.dtype.char, homes[0] != variables[0], dim)
    else:
        key = (
            tuple([(x.shape, x.strides, x.dtype.char) for x in values]),
            homes[0] if len(homes) < 2 else tuple([homes.index(h) for h in homes]),
            tuple([variables.index(v) for v in variables]),
            any([h != v for h, v in zip(homes, variables, strict=True)]),
            dim,
        )
    try:
        return _KNOWN[key]
    except KeyError:
        if len(_KNOWN) >= MOST:
            _KNOWN.clear()
        found = _KNOWN[key] = _cells(values, homes, variables, dim)
    except TypeError:  # a parameter that cannot be looked up
        found = _cells(values, homes, variables, None)
    return found


def _cells(values: Sequence[Array], homes: Sequence[int], variables: Sequence[int], dim: Any) -> int:
    first = values[0]
    size = next((name for most, name in _SIZES if first.size <= most), ">1000")
    found = bit("size", size) | bit("rank", str(first.ndim)) | bit("dtype", first.dtype.name)
    for k, x in enumerate(values):
        if x.size > 1 and not x.flags.c_contiguous:
            spread = any(side > 1 and step == 0 for side, step in zip(x.shape, x.strides, strict=True))
            found |= bit("operand", "expanded" if spread else "strided")
        if homes[k] != variables[k]:
            found |= bit("operand", "view")
        for j in range(k):
            if variables[j] == variables[k]:
                found |= bit("operand", "given twice")
            elif homes[j] == homes[k]:
                found |= bit("operand", "alias of another")
    if len(values) > 1:
        found |= _broadcast(values)
    for one in dim if isinstance(dim, tuple) else (dim,):
        if isinstance(one, int) and first.ndim > 1:
            at = one % first.ndim
            found |= bit("dim", "first" if at == 0 else "last" if at == first.ndim - 1 else "middle")
    return found


def _broadcast(values: Sequence[Array]) -> int:
    shapes = [x.shape for x in values]
    try:
        whole = np.broadcast_shapes(*shapes)
    except ValueError:
        return 0  # not that kind of op
    if len(set(shapes)) == 1:
        return bit("broadcast", "same")
    if () in shapes:
        return bit("broadcast", "0-d")
    found = bit("broadcast", "fewer dims") if len({len(s) for s in shapes}) > 1 else 0
    stretched = sum(s != whole[len(whole) - len(s) :] for s in shapes)
    if stretched:
        found |= bit("broadcast", "stretched" if stretched == 1 else "both stretched")
    return found


def special(values: Sequence[Array]) -> int:
    """The cells of what the operands hold, as bits."""
    found = 0
    for x in values:
        if x.dtype.kind in "fc" and x.size:
            parts = (x.real, x.imag) if x.dtype.kind == "c" else (x,)
            for part in parts:
                size = np.abs(part)
                if np.isinf(size).any():
                    found |= bit("special", "infinity")
                if np.isnan(size).any():
                    found |= bit("special", "NaN")
                if (np.signbit(part) & (part == 0)).any():
                    found |= bit("special", "-0.0")
                if ((size > 0) & (size < np.finfo(part.dtype).tiny)).any():
                    found |= bit("special", "subnormal")
                if ((size >= HUGE) & np.isfinite(size)).any():
                    found |= bit("special", "huge")
    return found
