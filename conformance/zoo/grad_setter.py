"""M15: assigning to .grad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.tensor import Tensor
from gradlaws.conformance.zoo.registry import bug


@bug("M15", "chainer/chainer/pull/210", "SET-04")
class AnyDtypeMayBeAssigned(Engine):
    """A tensor of another floating-point dtype may be assigned to .grad."""

    def set_grad(self, x: Tensor, value: Any) -> None:
        fits = isinstance(value, Tensor) and value.array.shape == x.array.shape and value.device == x.device
        if fits and value.array.dtype.kind == "f" and value.array.dtype != x.array.dtype:
            x.grad, x.error = value, None
        else:
            super().set_grad(x, value)


@bug("M15", "Oneflow-Inc/oneflow/pull/8575", "ACC-08", "SET-01")
class AssignedBeforeTheFirstOp(ReferenceBackend):
    """What was assigned to the .grad of a leaf that no op had used yet is replaced by the next backward."""

    def __init__(self) -> None:
        super().__init__()
        self.used: WeakSet[Tensor] = WeakSet()
        self.early: WeakSet[Tensor] = WeakSet()

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        self.used.update(inputs)
        return self.engine.apply(op, *inputs, **params)

    def set_grad(self, x: Tensor, value: Any) -> None:
        self.engine.set_grad(x, value)
        if x not in self.used and value is not None:
            self.early.add(x)

    def backward_many(self, roots: Sequence[Tensor], *args: Any, **options: Any) -> Any:
        self._forget(roots)
        return self.engine.backward(roots, *args, **options)

    def backward(self, root: Tensor, gradient: Any = None, **options: Any) -> Any:
        self._forget([root])
        return super().backward(root, gradient, **options)

    def _forget(self, roots: Sequence[Tensor]) -> None:
        reached = {
            id(x)
            for x, _ in self.engine.contributions([r for r in roots if r.requires_grad and r.array.size == 1])
        }
        for x in [x for x in self.early if id(x) in reached]:
            x.grad = None
            self.early.discard(x)
