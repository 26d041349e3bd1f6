"""Rows between real and complex tensors: parts and what is made of them, sizes and angles.

Everything that is not differentiable as a complex function is made of real and imaginary parts, and of real functions
of these. Programs draw these rows only for laws about complex numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.table import TABLE, Composite, Op, Params, RealLinear

COMPLEX: dict[str, Any] = {"dtypes": "c", "tags": frozenset({"complex"})}
#: Of memory that may be that of the operand.
PART: dict[str, Any] = {"dtypes": "c", "exact": True, "tags": frozenset({"complex", "view inside"})}


def _zero(F: Any, g: Any) -> Any:
    return F.const(np.zeros(g.shape), g)


def _same(_: Entropy, a: Array, b: Array) -> Params | None:
    return {} if a.shape == b.shape else None


def _pairs(_: Entropy, x: Array) -> Params | None:
    return {} if x.ndim and x.shape[-1] == 2 else None


def _as_real(F: Any, z: Any) -> Any:
    return F.stack(F.real(z), F.imag(z), dim=len(z.shape))


def _as_complex(F: Any, x: Any) -> Any:
    last = len(x.shape) - 1
    return F.from_parts(F.select(x, dim=last, index=0), F.select(x, dim=last, index=1))


def _size(F: Any, z: Any) -> Any:
    return F.root(F.square(F.real(z)) + F.square(F.imag(z)))


def _off_the_cut(z: Array) -> bool:
    """Whether angles are clear: away from the origin, and from the negative half-axis."""
    return bool(np.all((z.real >= 0.1) | (np.abs(z.imag) >= 0.1)))


TABLE.add(
    Op(
        "from_parts",
        "torch.complex({0}, {1})",
        RealLinear(lambda F, g: (F.real(g), F.imag(g))),
        lambda a, b: a + 1j * b,
        2,
        params=_same,
        exact=True,
        tags=frozenset({"complex"}),
    ),
    Op("real", "torch.real({0})", RealLinear(lambda F, g: (F.from_parts(g, _zero(F, g)),)), np.real, **PART),
    Op("imag", "torch.imag({0})", RealLinear(lambda F, g: (F.from_parts(_zero(F, g), g),)), np.imag, **PART),
    Op(
        "view_as_real",
        "torch.view_as_real({0})",
        Composite(_as_real),
        params=lambda e, z: {} if z.size else None,
        **PART,
    ),
    Op(
        "view_as_complex",
        "torch.view_as_complex({0})",
        Composite(_as_complex),
        params=_pairs,
        exact=True,
        tags=PART["tags"] | {"contiguous", "own memory"},
    ),
    Op("conjugate", "torch.conj_physical({0})", Composite(lambda F, z: F.conj(z)), exact=True, **COMPLEX),
    Op(
        "abs_complex",
        "torch.abs({0})",
        Composite(_size),
        domain=lambda z: bool(np.all(np.abs(z) >= 0.1)),
        ulps=4,
        **COMPLEX,
    ),
    Op(
        "angle",
        "torch.angle({0})",
        Composite(lambda F, z: F.atan2(F.imag(z), F.real(z))),
        domain=_off_the_cut,
        ulps=4,
        **COMPLEX,
    ),
)
