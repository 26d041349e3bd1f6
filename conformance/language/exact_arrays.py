"""Arrays as JSON, exact to the bit: dtype, shape, and the bytes in hexadecimal digits, little-endian, row by row."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array

#: The dtypes that arrays may have.
DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in (
        "bool", "float64", "float32", "float16", "complex128", "complex64", "int64", "int32", "int16", "int8",
        "uint64", "uint32", "uint16", "uint8",
    )
}  # fmt: skip


def written(array: Any) -> dict[str, Any]:
    """The array as an object of `dtype`, `shape` and `hex`; raises ValueError for a dtype that is not a number's."""
    array = np.asarray(array)
    dtype = DTYPES.get(array.dtype.name)
    if dtype is None:
        raise ValueError(f"an array of dtype {array.dtype} cannot be sent; there are {', '.join(DTYPES)}")
    data = array if array.dtype == dtype else array.astype(dtype)
    return {"dtype": array.dtype.name, "shape": list(array.shape), "hex": data.tobytes().hex()}


def read(data: Any) -> Array:
    """The array, of the machine's own byte order; raises ValueError, saying why, for what is none."""
    if not isinstance(data, dict) or not {"dtype", "shape", "hex"} <= data.keys():
        raise ValueError("is no array: that is an object of dtype, shape and hex")
    name, shape, digits = data["dtype"], data["shape"], data["hex"]
    dtype = DTYPES.get(name) if isinstance(name, str) else None
    if dtype is None:
        raise ValueError(f"has dtype {name!r}; there are {', '.join(DTYPES)}")
    if not isinstance(shape, list) or len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"has shape {shape!r}; that is a list of at most 32 numbers that are not negative")
    expected = 2 * dtype.itemsize * prod(shape)
    if not isinstance(digits, str) or len(digits) != expected:
        had = f"{len(digits)} hexadecimal digits" if isinstance(digits, str) else repr(digits)
        raise ValueError(f"has {had}; its dtype and shape make {expected}")
    try:
        content = bytearray.fromhex(digits)
    except ValueError:
        content = bytearray()
    if 2 * len(content) != expected:  # blanks are passed over
        raise ValueError("has something else than hexadecimal digits")
    array = np.frombuffer(content, dtype).reshape(shape)
    if name == "bool" and (array.view(np.uint8) > 1).any():
        raise ValueError("has dtype bool, but bytes other than 00 and 01")
    return array if array.dtype.isnative else array.astype(dtype.newbyteorder("="))
