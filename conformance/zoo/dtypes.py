"""M12: gradients of another dtype than their tensor, complex ones of real tensors, integers that require grad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.faults.base_engine import TapeEngine
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor, fresh, leaf
from gradlaws.conformance.zoo.registry import bug


class _Uncast(TapeEngine):
    """The gradients of some leaves are stored as they arrive, in the dtype noted."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: WeakKeyDictionary[Tensor, str] = WeakKeyDictionary()

    def backward(self, *args: Any, **options: Any) -> Any:
        self.noted.clear()
        return super().backward(*args, **options)

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        Engine._accumulate(x, *rest)
        if x in self.noted and x.grad is not None:
            x.grad = fresh(Node(x.grad.array.astype(self.noted[x])))


@bug("M12", "HIPS/autograd/pull/199", "VAL-04")
class ExtremaGradientsAreDouble(_Uncast):
    """Shares among ties are divided in float64: the gradient of a float32 leaf through amax is float64."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        owner = node.inputs[0].owner if node.row and node.row.name in ("amax", "amin", "max_all") else None
        if owner is not None and node.array.dtype == np.float32:
            self.noted[owner] = "float64"
        return super().pull(node, g)


@bug("M12", "under-Peter/OMEinsum.jl/issues/16", "CPLX-04")
class RealFactorsGetComplexGradients(_Uncast):
    """The gradient of a real leaf that was multiplied with a complex one is complex."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        if node.row and node.row.name == "cast" and node.array.dtype.kind == "c":
            owner = node.inputs[0].owner
            if owner is not None and node.inputs[0].array.dtype.kind == "f":
                self.noted[owner] = str(node.array.dtype)
        return super().pull(node, g)


@bug("M12", "apache/mxnet/issues/8799", "VAL-08", "VAL-02", "ACC-01")
class DanglingResultsAreSingle(TapeEngine):
    """Zeros for the results of chunk that are not used are made in float32: in any other dtype backward breaks off."""

    def _products(self, seeded: Any, path: list[Node], targets: list[Node], create_graph: bool) -> Any:
        used: dict[int, set[int]] = {}
        for node in path:
            if node.row and node.row.name == "chunk" and node.array.dtype != np.float32:
                used.setdefault(id(node.inputs[0]), set()).add(int(node.params["part"]))
        for node in path:
            if node.row and node.row.name == "chunk" and len(used.get(id(node.inputs[0]), (0, 1))) < 2:
                raise TypeError("type inconsistent, provided = float32")
        return super()._products(seeded, path, targets, create_graph)


@bug("M12", "tinygrad/tinygrad/issues/9723", "REQ-02", "REQ-03")
class IntegersMayRequireGrad(Engine):
    """A new tensor of integers may require grad."""

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        if requires_grad and array.dtype.kind in "iu":
            return leaf(np.array(array), requires_grad)
        return super().tensor(array, requires_grad)
