"""Faults of complex gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.faults.base_engine import TapeEngine
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.jacobian_products import pull
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor

Parts = Sequence[Node | None]


def _complex(x: Tensor) -> bool:
    return x.array.dtype.kind == "c"


@fault("CPLX-01")
class HalfTheAscent(Engine):
    """The gradient of a complex leaf is the derivative with respect to its conjugate, half of the steepest ascent."""

    @staticmethod
    def _accumulate(x: Tensor, value: Node, *rest: Any) -> None:
        Engine._accumulate(x, Node(value.array / 2) if _complex(x) else value, *rest)


@fault("CPLX-01", "CPLX-02", "CPLX-05")
class ConjugateUnsaid(Engine):
    """The gradient of a complex leaf is the conjugate of the steepest ascent, and nothing says so."""

    @staticmethod
    def _accumulate(x: Tensor, value: Node, *rest: Any) -> None:
        Engine._accumulate(x, Node(np.conj(value.array)) if _complex(x) else value, *rest)


class _Handing(TapeEngine):
    """Hands something else on to the operands of one op."""

    op = ""

    def pull(self, node: Node, g: Node) -> Parts:
        parts = super().pull(node, g)
        if node.row is None or node.row.name != self.op:
            return parts
        return [p and Node(np.asarray(self.other(node, k, p.array))) for k, p in enumerate(parts)]

    def other(self, node: Node, k: int, part: Any) -> Any:
        """What is handed on to operand number k instead of `part`."""
        return part


@fault("CPLX-02")
class ImaginaryTakenForReal(_Handing):
    """What comes in through the imaginary part is handed on as through the real one."""

    op = "imag"

    def other(self, node: Node, k: int, part: Any) -> Any:
        return part.imag + 0j


@fault("CPLX-03")
class ForgetsToConjugate(_Handing):
    """The derivative of a product of complex numbers is not conjugated."""

    op = "mul"

    def other(self, node: Node, k: int, part: Any) -> Any:
        factor = node.inputs[1 - k].array
        if part.dtype.kind != "c" or factor.shape != part.shape:
            return part
        return np.where(factor == 0, part, part / np.where(factor == 0, 1, np.conj(factor)) * factor)


@fault("CPLX-04")
class RealTakesTheSize(_Handing):
    """A real tensor that was used among complex ones gets the size of what comes in, not its real part."""

    op = "cast"

    def pull(self, node: Node, g: Node) -> Parts:
        parts = super().pull(node, g)
        widened = g.array.dtype.kind == "c" and node.inputs[0].array.dtype.kind == "f"
        return [Node(np.abs(g.array))] if widened and node.row and node.row.name == self.op else parts


@fault("CPLX-04", "CPLX-05")
class ImaginaryUpsideDown(_Handing):
    """Of a complex number made of two real ones, the second gets its gradient with the other sign."""

    op = "from_parts"

    def other(self, node: Node, k: int, part: Any) -> Any:
        return -part if k else part


@fault("CPLX-05")
class SecondDerivativeInReal(Engine):
    """What the real part hands on is a constant: it is not differentiated again."""

    def _pull(self, node: Node, g: Node) -> Parts:  # type: ignore[override]
        parts = pull(node, g)
        return [p and Node(p.array) for p in parts] if node.row and node.row.name == "real" else parts


@fault("CPLX-06")
class OriginIsNoNumber(_Handing):
    """The size of 0 is differentiated as any other: 0 divided by 0."""

    op = "root"

    def other(self, node: Node, k: int, part: Any) -> Any:
        return np.where(node.array == 0, np.nan, part)
