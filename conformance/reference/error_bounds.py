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
from typing import Any

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
from gradlaws.conformance.reference.node import Node

#: An op may be off by this many times its row's allowance: the reference's own error, and another formula.
GENEROSITY = 4.0


class Bounds:
    """Error bounds of recorded nodes, computed on demand and remembered."""

    def __init__(self) -> None:
        self._error: dict[int, Array] = {}
        self._grid: dict[int, int | None] = {}
        self._alive: list[Node] = []
        self.ambiguous = False

    def of(self, node: Node) -> Array:
        """A bound of |engine - reference| for the value of `node`, shaped like it; inf where a kink decides."""
        self._settle(node)
        error = self._error[id(node)]
        return np.full_like(error, np.inf) if self.ambiguous else error

    @np.errstate(all="ignore")
    def _settle(self, node: Node) -> None:
        pending = [node]
        while pending:
            at = pending[-1]
            if id(at) in self._error:
                pending.pop()
                continue
            missing = [x for x in _sources(at) if id(x) not in self._error]
            if missing:
                pending.extend(missing)
                continue
            self._error[id(at)], self._grid[id(at)] = self._analyse(at)
            self._alive.append(at)
            pending.pop()

    def _analyse(self, node: Node) -> tuple[Array, int | None]:
        if node.row is None or not node.inputs:
            noise = np.zeros(node.shape) if node.noise is None else node.noise()
            return noise, None if noise.any() else grid(node.array)
        if isinstance(node.row.rule, Formula):
            value = node.row.rule.value
            return self._error[id(value)], self._grid[id(value)]
        if node.array.dtype.kind not in "fc":
            return np.zeros(node.shape), grid(node.array)
        errors = [self._error[id(x)] for x in node.inputs]
        grids = [self._grid[id(x)] for x in node.inputs]
        carried, size, products = self._carried(node, errors)
        if isinstance(node.row.rule, Slopes | Jacobians):
            rule, xs = node.row.rule, arrays(node)
            carried = carried + rule.doubt(*xs, **node.params)
            size = rule.size(node.array, *xs, **node.params)
        if not np.isfinite(carried).all():
            carried = np.nan_to_num(carried, nan=np.inf, posinf=np.inf)
        if node.noise is not None:
            carried = carried + node.noise()
        if node.row.name == "slope":
            return carried, None if carried.any() else grid(node.array)
        fine = self._exact_grid(node, grids, size, products)
        if fine is not None and not carried.any():
            return carried, fine
        unit = np.finfo(node.array.dtype).eps / 2
        per_op = GENEROSITY * (1 + 2 * node.row.ulps)
        return carried + _rounded(per_op * unit * size), None

    def _carried(self, node: Node, errors: list[Array]) -> tuple[Array, Array, bool]:
        """(errors of the operands as seen in the result, size of what is summed, whether it multiplies)."""
        value = np.abs(node.array).astype(np.float64)
        xs = [x.array for x in node.inputs]
        match rule_of(node):
            case Elementwise():
                name = node.row.name if node.row else ""
                carried = self._perturbed(node, errors)
                size = np.abs(xs[0]) + np.abs(xs[1]) if name in ("add", "sub") else value
                return carried, size, name in ("mul", "gated", "square", "mul_scalar")
            case Movement() | Pick():
                flat = np.concatenate(
                    [
                        np.zeros(1),
                        *(np.broadcast_to(e, x.shape).ravel() for e, x in zip(errors, xs, strict=True)),
                    ]
                )
                return flat[origins(node)], value, False
            case Total():
                keep = node.params
                return _total(errors[0], keep), _total(np.abs(xs[0]), keep) * max(xs[0].size, 1) ** 0.5, False
            case Put():
                assert node.row is not None
                return (
                    np.abs(node.row(errors[0], **node.params)),
                    np.abs(node.row(np.abs(xs[0]).astype(np.float64), **node.params)),
                    False,
                )
            case Contraction():
                a, b, out = spec(node)
                left, right = np.abs(xs[0]), np.abs(xs[1])
                text = f"{a},{b}->{out}"
                carried = np.zeros(node.shape)
                if errors[0].any() or errors[1].any():
                    carried = np.einsum(text, errors[0], right + errors[1]) + np.einsum(text, left, errors[1])
                terms = max(1.0, left.size * right.size / max(node.array.size, 1)) ** 0.5
                return carried, np.einsum(text, left, right) * terms, True
            case Weighted():
                return np.broadcast_to(errors[0].max(initial=0.0), node.shape), value * 0, False
            case Jacobians():
                by = [
                    np.tensordot(np.abs(jacobian(node, k)), error, error.ndim)
                    for k, error in enumerate(errors)
                    if error.any()
                ]
                return np.asarray(sum(by, np.zeros(node.shape))), value, False
            case Conjugate():
                return errors[0], value, False
            case RealLinear():
                return np.asarray(sum(errors)), value, False
            case Cast():
                same = bool((node.array == xs[0]).all()) if node.array.dtype.kind == "c" else _survives(node)
                return np.broadcast_to(errors[0], node.shape), value * (0 if same else 1), False
            case _:
                return np.zeros(node.shape), value * 0, False

    def _perturbed(self, node: Node, errors: list[Array]) -> Array:
        """What the op makes of the operands' errors: its variation over them, one operand at a time."""
        assert node.row is not None
        total = np.zeros(node.shape)
        xs = [x.array for x in node.inputs]
        for k, error in enumerate(errors):
            if not error.any():
                continue
            high, low = list(xs), list(xs)
            high[k], low[k] = xs[k] + error, xs[k] - error
            up, down = node.row(*high, **node.params), node.row(*low, **node.params)
            total = total + np.maximum(_distance(up, node.array), _distance(node.array, down))
            if self._kink_within(node, high, low, up, down):
                self.ambiguous = True
        if node.row.name in ("mul", "gated"):
            total = total + errors[0] * errors[1]
        return total

    @staticmethod
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

    @staticmethod
    def _exact_grid(node: Node, grids: list[int | None], size: Array, products: bool) -> int | None:
        """The grid of the result if nothing can have rounded, else None."""
        if node.row is None or (not node.row.exact and not isinstance(rule_of(node), Cast)):
            return None
        if any(g is None for g in grids):
            return None
        known = [g for g in grids if g is not None]
        scalars = [
            grid(np.asarray(v))
            for k, v in node.params.items()
            if k in ("value", "min", "max") and v is not None
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
        own = Bounds().of(node)
        return own if onto is None else own + _one_by_one(node, onto)

    return bound


def cut(node: Node) -> None:
    """Forget how a value was made; what is known of its rounding error stays."""
    if node.row is not None:
        was = Node(node.array, node.row, node.inputs, node.params, node.tracked)
        was.noise = node.noise
        node.noise = lambda: Bounds().of(was)
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
