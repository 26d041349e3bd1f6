"""How far an engine's result may be from the reference's, by running error analysis.

Along with each recorded value goes a bound of its rounding error: what the op itself may add (a few units in
the last place), plus what the op makes of the errors of its operands. The bound of a gradient is the bound of
the recorded computation that pulls the cotangents back, so it follows the condition of the whole program.

Sums, products and movements of short dyadic numbers do not round at all: as long as all intermediate results
are multiples of one power of two and small enough for the significand, the bound is exactly zero.

What is not finite does not round: an infinity of this sign, or NaN, is all that will do where the reference has it.
But where a derivative is nowhere defined (`jacobian_products.undefined`) the bound is infinite, and so is that of
whatever depends on it: any number will do.

Bounds are only computed where results are not already equal to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import RAW
from gradlaws.conformance.ops.differences import Jacobians, Slopes
from gradlaws.conformance.ops.table import (
    Cast,
    Conjugate,
    Contraction,
    Elementwise,
    Movement,
    Pick,
    Put,
    RealLinear,
    Total,
    Weighted,
)
from gradlaws.conformance.reference.jacobian_products import (
    Formula,
    arrays,
    jacobian,
    origins,
    partials,
    rule_of,
    spec,
)
from gradlaws.conformance.reference.node import Node, Rounding

#: An op may be off by this many times its row's allowance: the reference's own error, and another formula.
GENEROSITY = 4.0


def bound_of(node: Node) -> Array:
    """A bound of |engine - reference| for the value of `node`, shaped like it; inf where a kink decides."""
    found = _settled(node)
    return np.full_like(found.error, np.inf) if found.ambiguous else found.error


@np.errstate(all="ignore")
def _settled(node: Node) -> Rounding:
    """What is known of a value's rounding; it stays with each node, since many bounds have ancestors in common."""
    pending = [node]
    while (at := pending[-1]) is not node or at.rounding is None:
        if at.rounding is not None:
            pending.pop()
        elif missing := [x for x in _sources(at) if x.rounding is None]:
            pending.extend(missing)
        else:
            at.rounding = _analysed(at, [x.rounding for x in _sources(at) if x.rounding is not None])
    return at.rounding


def _analysed(node: Node, sources: list[Rounding]) -> Rounding:
    if node.row is None or not node.inputs:
        noise = np.zeros(node.shape) if node.noise is None else node.noise()
        return Rounding(noise, None if noise.any() else grid(node.array), False)
    if isinstance(node.row.rule, Formula):
        return sources[0]
    ambiguous = any(x.ambiguous for x in sources)
    if node.array.dtype.kind not in "fc":
        return Rounding(np.zeros(node.shape), grid(node.array), ambiguous)
    carried, size, products, kink = _carried(node, [x.error for x in sources])
    ambiguous = ambiguous or kink
    if isinstance(node.row.rule, Slopes | Jacobians):
        rule, xs = node.row.rule, arrays(node)
        carried = carried + rule.doubt(*xs, **node.params)
        size = rule.size(node.array, *xs, **node.params)
    if not np.isfinite(carried).all():
        carried = np.nan_to_num(carried, nan=np.inf, posinf=np.inf)
    if node.noise is not None:
        carried = carried + node.noise()
    if node.row.name == "slope":
        return Rounding(carried, None if carried.any() else grid(node.array), ambiguous)
    fine = _exact_grid(node, [x.grid for x in sources], size, products)
    if fine is not None and not carried.any():
        return Rounding(carried, fine, ambiguous)
    unit = np.finfo(node.array.dtype).eps / 2
    per_op = GENEROSITY * (1 + 2 * node.row.ulps)
    return Rounding(carried + _rounded(per_op * unit * size), None, ambiguous)


class _Carried(NamedTuple):
    """What becomes of the operands' errors.

    error:    as they are seen in the result.
    size:     of what is summed.
    products: whether the op multiplies.
    kink:     whether the errors reach over a kink.
    """

    error: Array
    size: Array
    products: bool = False
    kink: bool = False


def _carried(node: Node, errors: list[Array]) -> _Carried:
    value = np.abs(node.array).astype(np.float64)
    xs = [x.array for x in node.inputs]
    match rule_of(node):
        case Elementwise():
            name = node.row.name if node.row else ""
            carried, kink = _perturbed(node, errors)
            size = np.abs(xs[0]) + np.abs(xs[1]) if name in ("add", "sub") else value
            return _Carried(carried, size, name in ("mul", "gated", "square", "mul_scalar"), kink)
        case Movement() | Pick():
            flat = np.concatenate(
                [
                    np.zeros(1),
                    *(np.broadcast_to(e, x.shape).ravel() for e, x in zip(errors, xs, strict=True)),
                ]
            )
            return _Carried(flat[origins(node)], value)
        case Total():
            keep = node.params
            return _Carried(_total(errors[0], keep), _total(np.abs(xs[0]), keep) * max(xs[0].size, 1) ** 0.5)
        case Put():
            assert node.row is not None
            size = np.abs(node.row(np.abs(xs[0]).astype(np.float64), **node.params))
            return _Carried(np.abs(node.row(errors[0], **node.params)), size)
        case Contraction():
            a, b, out = spec(node)
            left, right = np.abs(xs[0]), np.abs(xs[1])
            text = f"{a},{b}->{out}"
            carried = np.zeros(node.shape)
            if errors[0].any() or errors[1].any():
                carried = np.einsum(text, errors[0], right + errors[1]) + np.einsum(text, left, errors[1])
            terms = max(1.0, left.size * right.size / max(node.array.size, 1)) ** 0.5
            return _Carried(carried, np.einsum(text, left, right) * terms, True)
        case Weighted():
            return _Carried(np.broadcast_to(errors[0].max(initial=0.0), node.shape), value * 0)
        case Jacobians():
            by = [
                np.tensordot(np.abs(jacobian(node, k)), error, error.ndim)
                for k, error in enumerate(errors)
                if error.any()
            ]
            return _Carried(np.asarray(sum(by, np.zeros(node.shape))), value)
        case Conjugate():
            return _Carried(errors[0], value)
        case RealLinear():
            return _Carried(np.asarray(sum(errors)), value)
        case Cast():
            same = bool((node.array == xs[0]).all()) if node.array.dtype.kind == "c" else _survives(node)
            return _Carried(np.broadcast_to(errors[0], node.shape), value * (0 if same else 1))
        case _:
            return _Carried(np.zeros(node.shape), value * 0)


def _perturbed(node: Node, errors: list[Array]) -> tuple[Array, bool]:
    """(what the op makes of the operands' errors: its variation over them in turn, whether a kink is in reach)."""
    assert node.row is not None
    total, kink = np.zeros(node.shape), False
    xs = [x.array for x in node.inputs]
    for k, error in enumerate(errors):
        if not error.any():
            continue
        high, low = list(xs), list(xs)
        high[k], low[k] = xs[k] + error, xs[k] - error
        up, down = node.row(*high, **node.params), node.row(*low, **node.params)
        total = total + np.maximum(_distance(up, node.array), _distance(node.array, down))
        kink = kink or _kink_within(node, high, low, up, down)
    if node.row.name in ("mul", "gated"):
        total = total + errors[0] * errors[1]
    return total, kink


def _kink_within(node: Node, high: list[Any], low: list[Any], up: Array, down: Array) -> bool:
    rule = rule_of(node)
    assert isinstance(rule, Elementwise)
    if node.array.dtype.kind == "c":
        return False  # what is differentiable as a complex function has none
    above = rule.partials(RAW, up, *high, **node.params)
    below = rule.partials(RAW, down, *low, **node.params)
    for p, q, here in zip(above, below, partials(node), strict=True):
        if p is None or isinstance(p, int | float):
            continue
        jump = np.abs(np.asarray(p, float) - np.asarray(q, float))
        if bool((jump > 0.1 + 0.1 * np.abs(here)).any()):
            return True
    return False


def _exact_grid(node: Node, grids: list[int | None], size: Array, products: bool) -> int | None:
    """The grid of the result if nothing can have rounded, else None."""
    if node.row is None or (not node.row.exact and not isinstance(rule_of(node), Cast)):
        return None
    if any(g is None for g in grids):
        return None
    known = [g for g in grids if g is not None]
    scalars = [
        grid(np.asarray(v)) for k, v in node.params.items() if k in ("value", "min", "max") and v is not None
    ]
    known += [g for g in scalars if g is not None]
    fine = sum(known) * (2 if node.row.name == "square" else 1) if products else max(known, default=0)
    digits = np.finfo(node.array.dtype).nmant + 1
    biggest = float(np.max(size, initial=0.0))
    return fine if np.isfinite(biggest) and biggest * 2.0**fine <= 2.0**digits else None


def _survives(node: Node) -> bool:
    """Whether a conversion loses nothing."""
    x = node.inputs[0].array
    return bool((node.array.astype(x.dtype) == x).all())


def _rounded(size: Array) -> Array:
    """What rounding may add to numbers of this size: nothing to those that are not finite."""
    return np.where(np.isfinite(size), size, 0.0)


def _distance(a: Array, b: Array) -> Array:
    """How far apart numbers are: nothing where both are the same infinity, or NaN."""
    return np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))


def _sources(node: Node) -> tuple[Node, ...]:
    """What a value was computed from."""
    rule = None if node.row is None else node.row.rule
    return (rule.value,) if isinstance(rule, Formula) else node.inputs


#: Computes a bound of the rounding error in an array; given another, in what comes of adding it to that.
Doubt = Callable[..., Array]


def doubt(node: Node) -> Doubt:
    """How far an engine may be off in a value."""

    def bound(onto: Array | None = None) -> Array:
        own = bound_of(node)
        return own if onto is None else own + _one_by_one(node, onto)

    return bound


def cut(node: Node) -> None:
    """Forget how a value was made; what is known of its rounding error stays."""
    if node.row is not None:
        was = Node(node.array, node.row, node.inputs, node.params, node.tracked)
        was.noise = node.noise
        node.noise = lambda: bound_of(was)
        node.row, node.inputs = None, ()
    node.cleared = Node(node.array).order


def settled(bound: Array, value: Node) -> Doubt:
    """The same where the bound is known, and how the value was made is not."""
    value = Node(value.array)
    return lambda onto=None: bound if onto is None else bound + _one_by_one(value, onto)


def outlasting(found: Sequence[tuple[Node | None, Doubt | None]]) -> list[tuple[Node | None, Doubt | None]]:
    """The same values with their bounds worked out, since the graph that says them is about to go."""
    return [
        (node, None if error is None or node is None else settled(error(), node)) for node, error in found
    ]


def _one_by_one(node: Node, onto: Array) -> Array:
    """What rounds where the contributions that a node is the sum of are added to an array in turn, or their sum is."""
    size = np.abs(onto)
    while node.row is not None and node.row.name == "add":
        node, last = node.inputs
        size = size + np.abs(last.array)
    return _rounded(GENEROSITY / 2 * (size + np.abs(node.array)) * np.finfo(onto.dtype).eps)


def unrounded(*arrays: Array) -> bool:
    """Whether these, and what sums of them lead to, are so short that adding does not round, in whatever order."""
    grids = [grid(array) for array in arrays]
    if any(g is None for g in grids):
        return False
    finest = max(g for g in grids if g is not None)
    biggest = sum(float(np.max(np.abs(array), initial=0.0)) for array in arrays)
    return biggest * 2.0**finest <= 2.0 ** (np.finfo(arrays[0].dtype).nmant + 1)


def grid(array: Array) -> int | None:
    """The least s >= 0 such that every element is a multiple of 2**-s; None beyond 60 or if not finite."""
    if array.dtype.kind in "iub":
        return 0
    parts = (
        np.concatenate((array.real.ravel(), array.imag.ravel())) if array.dtype.kind == "c" else array.ravel()
    )
    if not np.isfinite(parts).all():
        return None
    values = parts.astype(np.float64)
    for s in range(0, 61, 4):
        scaled = values * 2.0**s
        if (scaled == np.floor(scaled)).all():
            return s
    return None


def _total(x: Array, params: dict[str, Any]) -> Array:
    dim = params.get("dim")
    where = tuple(dim) if isinstance(dim, list) else dim
    return np.asarray(np.sum(x, axis=where, keepdims=params.get("keepdim", False), dtype=np.float64))
