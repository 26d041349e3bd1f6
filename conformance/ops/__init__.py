"""The op table: `TABLE`, one row per op, and the in-place variants of ops, `INPLACE`.

Adding an op is adding a row to one of the modules. Imports `entropy` alone.
"""

from gradlaws.conformance.ops import (
    activations,
    casts,
    complex_numbers,
    concatenation,
    convolutions,
    cumulative,
    elementary,
    elementwise,
    extrema,
    indexing,
    layers,
    linear_algebra,
    losses,
    matrix_products,
    movement,
    normalization,
    pooling,
    reduction,
    scattering,
    sorting,
    statistics,
    windows,
)
from gradlaws.conformance.ops.inplace import INPLACE, Inplace
from gradlaws.conformance.ops.table import RAW, TABLE, Op

__all__ = [
    "INPLACE",
    "RAW",
    "TABLE",
    "Inplace",
    "Op",
    "activations",
    "casts",
    "complex_numbers",
    "concatenation",
    "convolutions",
    "cumulative",
    "elementary",
    "elementwise",
    "extrema",
    "indexing",
    "layers",
    "linear_algebra",
    "losses",
    "matrix_products",
    "movement",
    "normalization",
    "pooling",
    "reduction",
    "scattering",
    "sorting",
    "statistics",
    "windows",
]
