"""The derivative of one node, read in both directions.

`push` sends tangents forward: many directions at once, one per entry of a leading axis. `pull` sends a
cotangent back, as recorded nodes, so that the result can be differentiated again. Both follow from the rule
in the op's row; neither is derived from the other, and `tests/` lets them check each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from string import ascii_letters
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import RAW, TABLE, Op
from gradlaws.conformance.ops.differences import Jacobians
from gradlaws.conformance.ops.movement import positions
from gradlaws.conformance.ops.table import (
    Cast,
    Conjugate,
    Contraction,
    Elementwise,
    Movement,
    Pick,
    Put,
    RealLinear,
    Rule,
    Total,
    Weighted,
    axes,
)
from gradlaws.conformance.reference.broadcasting import summed_to
from gradlaws.conformance.reference.node import RECORDED, Node, constant, one, record


@dataclass(frozen=True, eq=False)
class Formula(Rule):
    """A derivative that the user has given: `pull` says what arrives at each operand, given what arrives at the node.

    value: how what the node holds was computed.
    """

    pull: Callable[[Node], Sequence[Node | None]]
    value: Node


def rule_of(node: Node) -> Rule:
    """The derivative rule of the op that made `node`."""
    assert node.row is not None
    return node.row.rule


def arrays(node: Node) -> tuple[Array, ...]:
    """The operand values of `node`."""
    return tuple(operand.array for operand in node.inputs)


def partials(node: Node) -> tuple[Any, ...]:
    """The partial derivatives of an elementwise node, as plain arrays or numbers."""
    rule = rule_of(node)
    assert isinstance(rule, Elementwise)
    return rule.partials(RAW, node.array, *arrays(node), **node.params)


def origins(node: Node) -> Array:
    """For a movement: 1-based flat positions into the operands laid end to end, 0 for a constant."""
    rule = rule_of(node)
    if isinstance(rule, Pick):
        return rule.positions(*arrays(node), **node.params) + 1
    assert node.row is not None
    params = dict(node.params)
    part = params.pop("part", None)
    index = positions(node.row, arrays(node), params)
    return np.asarray(index if part is None else index[part])


def weights(node: Node) -> Array:
    """The share of each operand element in an extremum."""
    rule = rule_of(node)
    assert isinstance(rule, Weighted)
    return rule.weights(node.array, *arrays(node), **node.params)


def spec(node: Node) -> tuple[str, str, str]:
    """The three parts of a contraction's einsum specification."""
    rule = rule_of(node)
    assert isinstance(rule, Contraction)
    operands, out = rule.spec(node.inputs[0].shape, node.inputs[1].shape, **node.params).split("->")
    a, b = operands.split(",")
    return a, b, out


def _lifted(t: Array, ndim: int) -> Array:
    """Tangents of a lower-rank operand, lined up to broadcast against rank `ndim`."""
    missing = ndim - (t.ndim - 1)
    return t.reshape(t.shape[:1] + (1,) * missing + t.shape[1:]) if missing else t


def push(node: Node, tangents: tuple[Array | None, ...]) -> Array | None:
    """The tangents of `node`, shape (directions, *shape), from those of its operands; None for none."""
    live = [t for t in tangents if t is not None]
    if not live:
        return None
    directions = live[0].shape[0]
    match rule_of(node):
        case Elementwise():
            return _push_elementwise(node, tangents, directions)
        case Movement() | Pick():
            flat = [np.zeros((directions, 1))]
            for operand, t in zip(node.inputs, tangents, strict=True):
                size = operand.array.size
                flat.append(np.zeros((directions, size)) if t is None else t.reshape(directions, size))
            return np.concatenate(flat, axis=1)[:, origins(node)]
        case Total():
            dims = tuple(d + 1 for d in axes(node.params.get("dim"), node.inputs[0].array.ndim))
            return np.asarray(live[0].sum(axis=dims, keepdims=node.params.get("keepdim", False)))
        case Put():
            index = node.params["index"].ravel()
            out = np.zeros((directions, node.array.size + 1), dtype=live[0].dtype)
            np.add.at(out.T, index, live[0].reshape(directions, -1).T)
            return out[:, 1:].reshape(directions, *node.shape)
        case Contraction():
            a, b, out_spec = spec(node)
            left, right = arrays(node)
            t_a, t_b = tangents
            total: Any = 0
            if t_a is not None:
                total = np.einsum(f"z{a},{b}->z{out_spec}", t_a, right)
            if t_b is not None:
                total = total + np.einsum(f"{a},z{b}->z{out_spec}", left, t_b)
            return np.asarray(total)
        case Weighted():
            dims = tuple(d + 1 for d in axes(node.params.get("dim"), node.inputs[0].array.ndim))
            return np.asarray(
                (live[0] * weights(node)).sum(axis=dims, keepdims=node.params.get("keepdim", False))
            )
        case Conjugate():
            return np.conj(live[0])
        case RealLinear():
            assert node.row is not None
            zero = np.zeros((directions, *node.inputs[0].shape))
            return np.asarray(node.row(*(zero if t is None else t for t in tangents)))
        case Jacobians():
            made = [
                np.tensordot(
                    t,
                    jacobian(node, k),
                    (range(1, t.ndim), range(node.array.ndim, node.array.ndim + t.ndim - 1)),
                )
                for k, t in enumerate(tangents)
                if t is not None
            ]
            return np.asarray(sum(made))
        case Cast():
            return live[0] if node.array.dtype.kind == "c" else live[0].real
        case rule:
            raise TypeError(
                f"{node.row and node.row.name}: no tangent is known for the rule {type(rule).__name__}"
            )


def _push_elementwise(node: Node, tangents: tuple[Array | None, ...], directions: int) -> Array:
    total: Any = None
    for partial, t in zip(partials(node), tangents, strict=True):
        if t is None or partial is None:
            continue
        term = _lifted(t, node.array.ndim)
        if type(partial) is not int or partial != 1:
            term = term * partial
        total = term if total is None else total + term
    shape = (directions, *node.shape)
    if total is None:
        return np.zeros(shape)
    if total.shape == shape:
        return total  # type: ignore[no-any-return]
    spread = np.empty(shape, total.dtype)
    spread[...] = total
    return spread


def pull(node: Node, g: Node) -> tuple[Node | None, ...]:
    """The cotangent of each operand of `node` (None for none), from the cotangent g of its result."""
    match rule_of(node):
        case Elementwise(partials=rule):
            parts = rule(RECORDED, node, *node.inputs, **node.params)
            return tuple(
                None if p is None or not x.tracked else summed_to(_share(node, k, p, g), x.shape)
                for k, (p, x) in enumerate(zip(parts, node.inputs, strict=True))
            )
        case Movement() | Pick():
            index = origins(node)
            found: list[Node | None] = []
            start = 0
            for operand in node.inputs:
                size = operand.array.size
                here = (index > start) & (index <= start + size)
                own = np.where(here, index - start, 0)
                found.append(
                    record(TABLE["put"], (g,), {"index": own, "shape": operand.shape})
                    if operand.tracked
                    else None
                )
                start += size
            return tuple(found)
        case Total() | Weighted() as rule:
            x = node.inputs[0]
            dims = axes(node.params.get("dim"), x.array.ndim)
            kept = tuple(1 if d in dims else n for d, n in enumerate(x.shape))
            index = np.broadcast_to(np.arange(1, g.array.size + 1).reshape(kept), x.shape)
            spread = record(TABLE["take"], (g,), {"index": index})
            if isinstance(rule, Total):
                return (spread,)
            share = one(TABLE["gated"], (spread, constant(weights(node), spread)))
            share.noise = lambda: np.where(np.isnan(share.inputs[1].array), np.inf, 0.0)
            return (share,)
        case Put():
            return (record(TABLE["take"], (g,), {"index": _reachable(node)}),)
        case Contraction():
            return _pull_contraction(node, g)
        case Jacobians() as rule:
            return tuple(
                _pulled_by(one(rule.derivative(k), node.inputs, node.params), g) if x.tracked else None
                for k, x in enumerate(node.inputs)
            )
        case Conjugate():
            return (one(TABLE["conj"], (g,)),)
        case RealLinear(adjoint=adjoint):
            return adjoint(RECORDED, g)
        case Formula(pull=pulled):
            return tuple(pulled(g))
        case Cast():
            return (record(TABLE["cast"], (g,), {"dtype": str(node.inputs[0].array.dtype)}),)
        case rule:
            raise TypeError(f"{node.row and node.row.name}: no cotangent is known for {type(rule).__name__}")


def jacobian(node: Node, k: int) -> Array:
    """The derivative of a node by its k-th operand, shaped like the result and then like the operand."""
    rule = rule_of(node)
    assert isinstance(rule, Jacobians)
    return np.asarray(rule.derivative(k)(*arrays(node), **node.params))


def _pulled_by(derivative: Node, g: Node) -> Node:
    """The product of a cotangent with a Jacobian."""
    out, own = ascii_letters[: g.array.ndim], ascii_letters[g.array.ndim : derivative.array.ndim]
    return one(TABLE["einsum"], (g, derivative), {"spec": f"{out},{out}{own}->{own}"})


def _reachable(node: Node) -> Array:
    return np.asarray(node.params["index"]).reshape(node.inputs[0].shape)


def _share(node: Node, k: int, partial: Any, g: Node) -> Node:
    """What an elementwise op hands on to its k-th operand: the cotangent times a partial derivative."""
    if isinstance(partial, np.generic) or (isinstance(partial, int) and not partial):
        partial = np.asarray(partial, np.float64)  # what is constant by pieces, of no dimensions
    if isinstance(partial, int | float):
        return _times(g, partial)
    made = _times(g, _slope(node, k, partial, g))
    if node.row is not None and "arithmetic" not in node.row.tags:
        made.noise = lambda: undefined(node, partial, g)
    return made


@np.errstate(all="ignore")
def undefined(node: Node, partial: Any, g: Node) -> Array:
    """Infinity where no documentation says what an elementwise op hands on, 0 elsewhere.

    That is where an operand is not finite, or outside the domain (the result is NaN); and where a cotangent that is
    not finite meets a derivative that is zero at this very point, which engines may or may not multiply.
    Source: PyTorch, autograd mechanics, gradients for non-differentiable functions.
    """
    strange = np.isnan(node.array)
    for x in node.inputs:
        strange = strange | ~np.isfinite(x.array)
    if isinstance(partial, Node):
        strange = strange | ((partial.array == 0) & ~np.isfinite(g.array))
    return np.where(strange, np.inf, 0.0)


def _slope(node: Node, k: int, partial: Any, g: Node) -> Any:
    """A partial derivative that is constant by pieces, with what it depends on: which piece may be in doubt."""
    if not isinstance(partial, np.ndarray) or node.row is None:
        return partial
    return Node(partial.astype(g.array.dtype), _pieces(node.row, k), node.inputs, node.params)


@cache
def _pieces(row: Op, k: int) -> Op:
    """The k-th partial derivative of an elementwise op, as an op whose own derivative is zero."""
    rule = row.rule
    assert isinstance(rule, Elementwise)

    def forward(*xs: Array, **params: Any) -> Array:
        return np.asarray(rule.partials(RAW, row(*xs, **params), *xs, **params)[k], np.float64)

    flat = Elementwise(lambda F, y, *xs, **params: (0,) * row.arity)
    return Op("slope", "", flat, forward, row.arity, exact=True)


def _times(g: Node, partial: Any) -> Node:
    if isinstance(partial, int | float):
        return g if partial == 1 else -g if partial == -1 else g * float(partial)
    if isinstance(partial, Node):
        if np.iscomplexobj(partial.array):
            return g * one(TABLE["conj"], (partial,))
        if partial.row is not None and partial.row.name == "slope":
            return one(TABLE["gated"], (g, partial))
    return g * constant(partial, g)


def _pull_contraction(node: Node, g: Node) -> tuple[Node | None, ...]:
    a, b, out = spec(node)
    left, right = node.inputs
    if node.array.dtype.kind == "c":
        left, right = one(TABLE["conj"], (left,)), one(TABLE["conj"], (right,))
    found: list[Node | None] = []
    for operand, other, own, others in ((node.inputs[0], right, a, b), (node.inputs[1], left, b, a)):
        if not operand.tracked:
            found.append(None)
            continue
        missing = [letter for letter in own if letter not in out and letter not in others]
        assert not missing, "every letter of an operand stands in the result or in the other operand"
        found.append(record(TABLE["einsum"], (g, other), {"spec": f"{out},{others}->{own}"}))
    return tuple(found)
