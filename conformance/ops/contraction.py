"""Rows of the matrix products besides `@`, and of running sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.table import TABLE, Composite, Contraction, Elementwise, Op, Params

INTERNAL = frozenset({"internal"})


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
    )


def _prod_dim(entropy: Entropy, x: Array) -> Params | None:
    if not x.ndim or not x.size or max(x.shape) > 4:
        return None
    return {"dim": entropy.below(x.ndim), "keepdim": entropy.chance(40)}


def _a_dim(entropy: Entropy, x: Array) -> Params | None:
    return {"dim": entropy.below(x.ndim)} if x.ndim and x.size else None


def _short_dim(entropy: Entropy, x: Array) -> Params | None:
    return _a_dim(entropy, x) if x.size and max(x.shape, default=1) <= 4 else None


def _slices(F: Any, x: Any, dim: int) -> list[Any]:
    # An engine divides the whole product by each factor, which rounds where multiplying the others would not.
    blurred = F.blur(x)
    return [F.select(blurred, dim=dim, index=k) for k in range(x.shape[dim])]


def _prod(F: Any, x: Any, dim: int, keepdim: bool) -> Any:
    first, *rest = _slices(F, x, dim)
    for part in rest:
        first = F.mul(first, part)
    return F.unsqueeze(first, dim=dim) if keepdim else first


def _prod_all(F: Any, x: Any) -> Any:
    size = int(np.prod(x.shape))
    return _prod(F, F.reshape(x, shape=(size,)), 0, False)


def _cumprod(F: Any, x: Any, dim: int) -> Any:
    first, *rest = _slices(F, x, dim)
    out = F.unsqueeze(first, dim=dim)
    for part in rest:
        first = F.mul(first, part)
        out = F.cat(out, F.unsqueeze(first, dim=dim), dim=dim)
    return out


def _cumsum(F: Any, x: Any, dim: int) -> Any:
    # Left out, not multiplied by zero: an infinity further on must not count.
    position = np.arange(1, int(np.prod(x.shape)) + 1).reshape(x.shape)
    index = np.expand_dims(np.moveaxis(position, dim, -1), -2) * np.tril(np.ones((x.shape[dim],) * 2, int))
    summed = F.sum(F.take(x, index=index), dim=len(x.shape), keepdim=False)
    return F.movedim(summed, source=len(x.shape) - 1, target=dim)


TABLE.add(
    # x as it is, known only to a few units in the last place
    Op(
        "blur",
        "blur({0})",
        Elementwise(lambda F, y, x: (F.blur(F.const(np.ones(()), x)),)),
        np.copy,
        ulps=1,
        tags=INTERNAL,
    ),
    _product("mm", "torch.mm({0}, {1})", "ab,bc->ac", (2, 2), lambda a, b: a[1] == b[0]),
    _product("mv", "torch.mv({0}, {1})", "ab,b->a", (2, 1), lambda a, b: a[1] == b[0]),
    _product("dot", "torch.dot({0}, {1})", "a,a->", (1, 1), lambda a, b: a == b),
    _product(
        "bmm", "torch.bmm({0}, {1})", "dab,dbc->dac", (3, 3), lambda a, b: a[0] == b[0] and a[2] == b[1]
    ),
    _product("outer", "torch.outer({0}, {1})", "a,b->ab", (1, 1), lambda a, b: True),
    Op("prod", "torch.prod({0}, dim={dim}, keepdim={keepdim})", Composite(_prod), params=_prod_dim, ulps=2),
    Op("prod_all", "torch.prod({0})", Composite(_prod_all), domain=lambda x: 0 < x.size <= 6, ulps=2),
    Op("cumprod", "torch.cumprod({0}, dim={dim})", Composite(_cumprod), params=_short_dim, ulps=4),
    Op("cumsum", "torch.cumsum({0}, dim={dim})", Composite(_cumsum), params=_a_dim, exact=True),
)
