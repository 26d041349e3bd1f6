"""Derivatives of single ops that an engine computes otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from gradlaws.conformance.deviations.registry import deviation, products
from gradlaws.conformance.ops import TABLE, Op
from gradlaws.conformance.ops.table import Elementwise, Weighted
from gradlaws.conformance.reference.engine import Engine, MustRaise
from gradlaws.conformance.reference.graph_traversal import Seeded
from gradlaws.conformance.reference.jacobian_products import origins
from gradlaws.conformance.reference.node import Node, one

_SIXTH = float(np.float32(1) / np.float32(6))


@deviation
class RoughHardsigmoid(Engine):
    """The slope of hardsigmoid is one sixth in single precision, whatever the dtype."""

    _ROUGH = replace(TABLE["hardsigmoid"], rule=Elementwise(lambda F, y, x: (((x > -3) & (x < 3)) * _SIXTH,)))

    @classmethod
    def _record(cls, row: Op, nodes: tuple[Node, ...], params: dict[str, Any]) -> Any:
        return super()._record(cls._ROUGH if row.name == "hardsigmoid" else row, nodes, params)


@deviation
class HardsigmoidOnce(Engine):
    """The derivative of hardsigmoid cannot be differentiated: whatever comes back to it is refused."""

    def __init__(self) -> None:
        super().__init__()
        self._final: set[int] = set()

    def _products(self, seeded: Seeded, path: list[Node], targets: list[Node], create_graph: bool) -> Any:
        if any(node.order in self._final for node in path):
            raise MustRaise("HO-11", "the derivative of hardsigmoid is not differentiable")
        return super()._products(seeded, path, targets, create_graph)

    def _pull(self, node: Node, g: Node) -> tuple[Node | None, ...]:
        parts = super()._pull(node, g)
        if node.row is None or node.row.name != "hardsigmoid" or parts[0] is None:
            return parts
        made = parts[0] + one(
            TABLE["mul_scalar"], node.inputs, {"value": 0.0}
        )  # recorded as if it depended on x
        self._final.add(made.order)
        return (made,)


@deviation
class ExtremaMultiplyMasks(Engine):
    """Extrema multiply what comes in by a mask of the extreme elements: where it is not finite, the others get NaN."""

    @np.errstate(all="ignore")
    def _pull(self, node: Node, g: Node) -> tuple[Node | None, ...]:
        parts = super()._pull(node, g)
        match None if node.row is None else node.row.name:
            case "amax" | "amin":
                return tuple(part and part.inputs[0] * part.inputs[1] for part in parts)
            case "scatter_reduce_amax":
                dim, index = node.params["dim"], node.params["index"]
                ways = (g.array, np.take_along_axis(g.array, np.asarray(index), dim))
                return tuple(
                    part and part + Node(np.where(_selected(part), 0.0, way * 0))
                    for part, way in zip(parts, ways, strict=True)
                )
            case _:
                return parts


@deviation
class ReluMultipliesMask(Engine):
    """Relu multiplies what comes in by 0 where it is flat: where that is not finite, NaN comes of it."""

    @np.errstate(all="ignore")
    def _pull(self, node: Node, g: Node) -> tuple[Node | None, ...]:
        parts = super()._pull(node, g)
        if node.row is None or node.row.name != "relu":
            return parts
        return tuple(part and part.inputs[0] * part.inputs[1] for part in parts)


@np.errstate(all="ignore")
def _slopes_of_angle(_: Any, __: Any, a: Any, b: Any) -> tuple[Any, Any]:
    squared = a * a + b * b
    return b / squared, -a / squared


@deviation
class Atan2DividesAtTheOrigin(Engine):
    """The slopes of atan2 at the origin are NaN: they are divided by the square of the radius, whatever it is."""

    _DIVIDING = replace(TABLE["atan2"], rule=Elementwise(_slopes_of_angle))

    @classmethod
    def _record(cls, row: Op, nodes: tuple[Node, ...], params: dict[str, Any]) -> Any:
        return super()._record(cls._DIVIDING if row.name == "atan2" else row, nodes, params)


@deviation
class TiesOfTwoGetNothing(Engine):
    """Where the operands of maximum and minimum are equal, both get 0."""

    _STRICT: ClassVar = {
        "maximum": Elementwise(lambda F, y, a, b: ((a > b) * 1.0, (b > a) * 1.0)),
        "minimum": Elementwise(lambda F, y, a, b: ((a < b) * 1.0, (b < a) * 1.0)),
    }

    @classmethod
    def _record(cls, row: Op, nodes: tuple[Node, ...], params: dict[str, Any]) -> Any:
        changed = replace(row, rule=cls._STRICT[row.name]) if row.name in cls._STRICT else row
        return super()._record(changed, nodes, params)


@deviation
class LeakyReluIsFlatAtZero(Engine):
    """The slope of leaky_relu at 0 is 0, whatever it is on either side."""

    _FLAT = replace(
        TABLE["leaky_relu"], rule=Elementwise(lambda F, y, x, slope: ((x > 0) + slope * (x < 0),))
    )

    @classmethod
    def _record(cls, row: Op, nodes: tuple[Node, ...], params: dict[str, Any]) -> Any:
        return super()._record(cls._FLAT if row.name == "leaky_relu" else row, nodes, params)


def _every_so_many(_: Any, x: Any) -> Any:
    reached = np.zeros(x.shape)
    reached.ravel()[:: x.shape[1] + 1] = 1
    return reached


@deviation
class TraceGoesOn(Engine):
    """The gradient of trace goes on past the square part of a matrix with more rows than columns, in the same steps."""

    _LONG = replace(TABLE["trace"], rule=Weighted(_every_so_many), forward=np.trace, ulps=2)

    @classmethod
    def _record(cls, row: Op, nodes: tuple[Node, ...], params: dict[str, Any]) -> Any:
        return super()._record(cls._LONG if row.name == "trace" else row, nodes, params)


def _selected(part: Node) -> Any:
    """Which elements of an operand something is handed on to."""
    return np.asarray(np.isin(np.arange(1, part.array.size + 1), part.params["index"]).reshape(part.shape))


#: The derivative of a square root as the quotient that it is: infinite at 0, where what is inside then makes it NaN.
_DIVIDING = Elementwise(lambda F, y, x: (0.5 / y,))


def _dividing(made: Node) -> Node:
    """A square root whose slope at 0 is infinite."""
    assert made.row is not None
    made.row = replace(made.row, rule=_DIVIDING)
    return made


@deviation
class NormsOfZerosAreDivided(Engine):
    """The gradient of the norm of zeros is NaN, 0 divided by 0."""

    @classmethod
    def _record(cls, row: Op, nodes: tuple[Node, ...], params: dict[str, Any]) -> Any:
        made = super()._record(row, nodes, params)
        return _dividing(made) if row.name == "vector_norm" else made


@deviation
class DeviationsOfEqualsAreDivided(Engine):
    """The gradient of the standard deviation of equal numbers is NaN, 0 divided by 0."""

    @classmethod
    def _record(cls, row: Op, nodes: tuple[Node, ...], params: dict[str, Any]) -> Any:
        made = super()._record(row, nodes, params)
        return _dividing(made) if row.name == "std" else made


@deviation
class PicksCountOnce(Engine):
    """An element that is picked twice by an index gets the gradient of the last pick."""

    def _products(self, seeded: Seeded, path: list[Node], targets: list[Node], create_graph: bool) -> Any:
        if all(node.row is None or node.row.name != "index" for node in path):
            return super()._products(seeded, path, targets, create_graph)
        return products(self, seeded, path, targets, create_graph)

    def _pull(self, node: Node, g: Node) -> tuple[Node | None, ...]:
        parts = super()._pull(node, g)
        if node.row is None or node.row.name != "index" or parts[0] is None:
            return parts
        last = np.zeros(node.inputs[0].array.size + 1, dtype=int)
        last[origins(node).ravel()] = np.arange(1, g.array.size + 1)
        return (one(TABLE["take"], (g,), {"index": last[1:].reshape(node.inputs[0].shape)}),)


@np.errstate(all="ignore")
def _slopes_of_power(F: Any, y: Any, base: Any, exponent: Any) -> tuple[Any, Any]:
    return exponent * F.pow(base, exponent - 1), y * F.log(base)


@deviation
class PowersMultiplyInfinities(Engine):
    """The slopes of a power of zero are products of zero and infinities: NaN, whatever the limit is."""

    _PRODUCTS = replace(TABLE["pow"], rule=Elementwise(_slopes_of_power))

    @classmethod
    def _record(cls, row: Op, nodes: tuple[Node, ...], params: dict[str, Any]) -> Any:
        return super()._record(cls._PRODUCTS if row.name == "pow" else row, nodes, params)
