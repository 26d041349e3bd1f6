"""Rows of matrix products, dot and outer products, and einsum."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.table import TABLE, Contraction, Op, Params

#: Shapes that go together, by specification.
_SHAPES: dict[str, tuple[tuple[tuple[int, ...], ...], ...]] = {
    "ab,bc->ac": (((2, 2), (2, 2)), ((2, 3), (3, 1)), ((1, 2), (2, 3)), ((3, 1), (1, 2))),
    "ab,b->a": (((2, 2), (2,)), ((2, 3), (3,)), ((3, 1), (1,))),
    "a,a->": (((2,), (2,)), ((3,), (3,)), ((1,), (1,)), ((4,), (4,))),
    "dab,dbc->dac": (((2, 1, 2), (2, 2, 1)), ((1, 2, 2), (1, 2, 3)), ((2, 2, 1), (2, 1, 2))),
    "a,b->ab": (((2,), (3,)), ((3,), (1,)), ((2,), (2,))),
}


def _product(name: str, spell: str, spec: str, ranks: tuple[int, int], fits: Any) -> Op:
    """A row with a fixed einsum specification, for operands of these ranks whose shapes fit."""
    return Op(
        name,
        spell,
        Contraction(lambda a, b: spec),
        lambda a, b: np.asarray(np.einsum(spec, a, b)),
        2,
        domain=lambda a, b: (a.ndim, b.ndim) == ranks and bool(a.size and b.size) and fits(a.shape, b.shape),
        exact=True,
        saves="operands",
        shapes=lambda e: e.pick(_SHAPES[spec]),
    )


LETTERS = "abcdefgh"


def _matmul_spec(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    if len(a) == 1 and len(b) == 1:
        return "a,a->"
    if len(a) == 1:
        return "a,ab->b"
    if len(b) == 1:
        return f"{LETTERS[: len(a)]},{LETTERS[len(a) - 1]}->{LETTERS[: len(a) - 1]}"
    if len(a) == 2:
        return "ab,bc->ac"
    return "abc,acd->abd"


def matmul_shapes(a: Array, b: Array) -> bool:
    """Whether a @ b is defined here: ranks (1,1), (1,2), (2,1), (2,2), (3,1), (3,3) with matching sizes."""
    if (a.ndim, b.ndim) not in {(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 3)}:
        return False
    inner = b.shape[0] if b.ndim < 3 else b.shape[1]
    return a.shape[-1] == inner and (b.ndim < 3 or a.shape[0] == b.shape[0])


#: Specifications, and shapes that they take.
_EINSUM: dict[str, tuple[tuple[int, ...], ...]] = {
    "ij,kj->ik": ((2, 2), (3, 2)),
    "ij,ij->j": ((2, 3), (2, 3)),
    "ij,ij->": ((2, 2), (2, 2)),
    "ij,j->ij": ((2, 3), (3,)),
    "i,jk->kij": ((2,), (2, 1)),
    "ijk,kl->jil": ((2, 1, 2), (2, 2)),
}


def _some_spec(entropy: Entropy, a: Array, b: Array) -> Params | None:
    ranks = [spec for spec, (x, y) in _EINSUM.items() if (a.ndim, b.ndim) == (len(x), len(y))]
    fitting = [spec for spec in ranks if _meets(spec, a.shape, b.shape)]
    return {"spec": entropy.pick(fitting)} if fitting and a.size and b.size else None


def _meets(spec: str, *shapes: tuple[int, ...]) -> bool:
    sides: dict[str, int] = {}
    operands = spec.split("->")[0].split(",")
    pairs = [
        pair for text, shape in zip(operands, shapes, strict=True) for pair in zip(text, shape, strict=True)
    ]
    return all(sides.setdefault(letter, n) == n for letter, n in pairs)


TABLE.add(
    _product("mm", "torch.mm({0}, {1})", "ab,bc->ac", (2, 2), lambda a, b: a[1] == b[0]),
    _product("mv", "torch.mv({0}, {1})", "ab,b->a", (2, 1), lambda a, b: a[1] == b[0]),
    _product("dot", "torch.dot({0}, {1})", "a,a->", (1, 1), lambda a, b: a == b),
    _product(
        "bmm", "torch.bmm({0}, {1})", "dab,dbc->dac", (3, 3), lambda a, b: a[0] == b[0] and a[2] == b[1]
    ),
    _product("outer", "torch.outer({0}, {1})", "a,b->ab", (1, 1), lambda a, b: True),
    Op(
        "einsum",
        "torch.einsum({spec}, {0}, {1})",
        Contraction(lambda a, b, spec: spec),
        lambda a, b, spec: np.asarray(np.einsum(spec, a, b)),
        2,
        params=_some_spec,
        shapes=lambda e: _EINSUM[e.pick(tuple(_EINSUM))],
        exact=True,
        dtypes="fc",
        tags=frozenset({"strided", "view inside"}),
    ),
    Op(
        "matmul",
        "{0} @ {1}",
        Contraction(lambda a, b: _matmul_spec(a, b)),
        lambda a, b: np.einsum(_matmul_spec(a.shape, b.shape), a, b),
        2,
        domain=matmul_shapes,
        exact=True,
        saves="operands",
        tags=frozenset({"folds"}),
    ),
)
