"""Rows of linear algebra: inverses and solutions by elimination, determinants, sums of products.

Matrices to be inverted get a multiple of the identity added, and must be diagonally dominant then, so that
elimination needs no pivots and the problem is well-conditioned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.table import TABLE, Composite, Op, Params

Shape = tuple[int, ...]
_EYE = "{shift} * torch.eye({0}.shape[-1], dtype={0}.dtype)"


#: Elimination, and whatever else an engine does, gives the exact result for a matrix that is so many units in the last
#: place of its largest number from the one it was given: backward stability (Higham, Accuracy and Stability, ch. 9).
_STABLE = 4.0


def _shifted(F: Any, x: Any, shift: float) -> Any:
    return x + F.const(shift * np.eye(x.shape[0]), x, _STABLE)


def _reduced(F: Any, augmented: Any, n: int) -> tuple[list[Any], list[Any]]:
    """The rows of a matrix after elimination of its first n columns, and the pivots."""
    rows = [F.select(augmented, dim=0, index=k) for k in range(n)]
    pivots = []
    for k in range(n):
        pivots.append(F.select(rows[k], dim=0, index=k))
        rows[k] = rows[k] / pivots[k]
        for other in range(n):
            if other != k:
                rows[other] = rows[other] - F.select(rows[other], dim=0, index=k) * rows[k]
    return rows, pivots


def _stacked(F: Any, rows: list[Any]) -> Any:
    made = F.unsqueeze(rows[0], dim=0)
    for row in rows[1:]:
        made = F.cat(made, F.unsqueeze(row, dim=0), dim=0)
    return made


def _solution(F: Any, a: Any, b: Any) -> Any:
    n, m = b.shape
    rows, _ = _reduced(F, F.cat(a, b, dim=1), n)
    return F.narrow(_stacked(F, rows), dim=1, start=n, length=m)


def _inv(F: Any, x: Any, shift: float) -> Any:
    return _solution(F, _shifted(F, x, shift), F.const(np.eye(x.shape[0]), x))


def _solve(F: Any, a: Any, b: Any, shift: float) -> Any:
    return _solution(F, _shifted(F, a, shift), b)


def _det(F: Any, x: Any, shift: float) -> Any:
    product, *rest = _reduced(F, _shifted(F, x, shift), x.shape[0])[1]
    for pivot in rest:
        product = product * pivot
    return product


def _cholesky(F: Any, x: Any, shift: float) -> Any:
    n = x.shape[0]
    a = _shifted(F, F.einsum(x, x, spec="ab,cb->ac"), shift)
    columns: list[Any] = []
    for k in range(n):  # a column is what is left of a's, divided by the root of its pivot
        left = F.select(a, dim=1, index=k)
        for column in columns:
            left = left - column * F.select(column, dim=0, index=k)
        column = left / F.sqrt(F.select(left, dim=0, index=k))
        columns.append(column * F.const((np.arange(n) >= k).astype(float), x))
    return F.transpose(_stacked(F, columns), dim0=0, dim1=1)


def _square(entropy: Entropy, x: Array, *rest: Array) -> Params | None:
    fits = x.ndim == 2 and 0 < x.shape[0] == x.shape[1] <= 3
    if not fits or any(b.ndim != 2 or b.shape[0] != x.shape[0] or not b.size for b in rest):
        return None
    return {"shift": entropy.pick((8.0, 4.0, 16.0))}


def _dominant(x: Array, *_: Array, shift: float) -> bool:
    diagonal = np.abs(np.diagonal(x) + shift)
    return bool((2 * diagonal - np.abs(x + shift * np.eye(len(x))).sum(1) >= 1).all())


def _squares(entropy: Entropy) -> tuple[Shape, ...]:
    n = 2 + entropy.below(2)
    return ((n, n), (n, 1 + entropy.below(2)))


def _kron(F: Any, a: Any, b: Any) -> Any:
    if len(a.shape) == 1:
        return F.reshape(F.einsum(a, b, spec="a,c->ac"), shape=(a.shape[0] * b.shape[0],))
    shape = (a.shape[0] * b.shape[0], a.shape[1] * b.shape[1])
    return F.reshape(F.einsum(a, b, spec="ab,cd->acbd"), shape=shape)


def _cross(F: Any, a: Any, b: Any) -> Any:
    dim = len(a.shape) - 1

    def turned(x: Any, places: int) -> Any:
        return F.roll(x, shift=places, dim=dim)

    return turned(a, -1) * turned(b, -2) - turned(a, -2) * turned(b, -1)


def _when(condition: Callable[..., bool]) -> Any:
    return lambda e, *xs: {} if all(x.size for x in xs) and condition(*xs) else None


def _weights(entropy: Entropy, c: Array, a: Array, b: Array) -> Params | None:
    fits = a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0] and 0 not in (a.size, b.size, c.size)
    if not fits or c.shape not in ((a.shape[0], b.shape[1]), (b.shape[1],)):
        return None
    return {"beta": entropy.pick((1.0, 2.0, 0.5)), "alpha": entropy.pick((1.0, -1.0, 2.0))}


def _row(name: str, spell: str, body: Any, condition: Any, *shapes: tuple[Shape, ...], tag: str = "") -> Op:
    """A sum of products: free of rounding on short numbers."""
    return Op(
        name,
        spell,
        Composite(body),
        arity=len(shapes[0]),
        params=_when(condition),
        shapes=lambda e: e.pick(shapes),
        exact=True,
        tags=frozenset({tag} - {""}),
    )


_DOMINANT: dict[str, Any] = {
    "params": _square,
    "domain": _dominant,
    "ulps": 4,
    "tags": frozenset({"strided", "entangled"}),
}
TABLE.add(
    Op("inv", f"torch.linalg.inv({{0}} + {_EYE})", Composite(_inv), shapes=lambda e: _squares(e)[:1], **_DOMINANT),
    Op("det", f"torch.linalg.det({{0}} + {_EYE})", Composite(_det), shapes=lambda e: _squares(e)[:1], **_DOMINANT),
    Op("solve", f"torch.linalg.solve({{0}} + {_EYE}, {{1}})", Composite(_solve), arity=2, shapes=_squares, **_DOMINANT),
    Op(
        "cholesky",
        f"torch.linalg.cholesky({{0}} @ {{0}}.transpose(0, 1) + {_EYE})",
        Composite(_cholesky),
        params=_square,
        domain=lambda x, shift: not x.size or bool(np.abs(x).max() <= 4),
        shapes=lambda e: _squares(e)[:1],
        ulps=4,
        tags=frozenset({"strided", "entangled"}),
    ),
    _row("trace", "torch.trace({0})", lambda F, x: F.sum(F.diagonal(x), dim=None, keepdim=False),
         lambda x: x.ndim == 2, ((2, 2),), ((2, 3),), ((3, 1),)),
    _row("kron", "torch.kron({0}, {1})", _kron, lambda a, b: a.ndim == b.ndim in (1, 2),
         ((2, 2), (1, 2)), ((2,), (3,)), ((2, 1), (2, 2)), tag="contiguous"),
    _row("cross", "torch.linalg.cross({0}, {1})", _cross,
         lambda a, b: a.shape == b.shape and a.ndim > 0 and a.shape[-1] == 3,
         ((3,), (3,)), ((2, 3), (2, 3)), ((1, 3), (1, 3))),
    _row("inner", "torch.inner({0}, {1})", lambda F, a, b: F.einsum(a, b, spec="ai,bi->ab"),
         lambda a, b: a.ndim == b.ndim == 2 and a.shape[1] == b.shape[1],
         ((2, 2), (1, 2)), ((2, 3), (2, 3)), tag="view inside"),
    _row("vecdot", "torch.linalg.vecdot({0}, {1})", lambda F, a, b: F.sum(a * b, dim=-1, keepdim=False),
         lambda a, b: a.shape == b.shape and a.ndim > 0, ((2, 2), (2, 2)), ((3,), (3,)), ((2, 1, 2), (2, 1, 2))),
    _row("multi_dot", "torch.linalg.multi_dot(({0}, {1}, {2}))", lambda F, a, b, c: F.mm(F.mm(a, b), c),
         lambda a, b, c: a.ndim == b.ndim == c.ndim == 2 and a.shape[1] == b.shape[0] and b.shape[1] == c.shape[0],
         ((2, 1), (1, 2), (2, 2)), ((1, 2), (2, 3), (3, 1)), tag="view inside"),
    Op(
        "addmm",
        "torch.addmm({0}, {1}, {2}, beta={beta}, alpha={alpha})",
        Composite(lambda F, c, a, b, beta, alpha: beta * c + alpha * F.mm(a, b)),
        arity=3,
        params=_weights,
        shapes=lambda e: e.pick((((2, 2), (2, 1), (1, 2)), ((2,), (2, 2), (2, 2)), ((1, 3), (1, 2), (2, 3)))),
        exact=True,
    ),
)  # fmt: skip
