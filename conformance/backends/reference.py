"""The reference engine on trial like any other: the perfect subject, and the default where torch is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from gradlaws.conformance.backend import FEATURES, Backend
from gradlaws.conformance.dialect import PYTORCH, Dialect
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.reference.engine import Engine, MustRaise
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor, fresh


class Handle:
    """Removes a hook; removing twice is harmless."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks = hooks
        self._hook = hook

    def remove(self) -> None:
        """Unregister the hook."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)


class ReferenceBackend(Backend):
    """The executable specification."""

    name = "reference"
    features = frozenset(FEATURES)

    def __init__(self, dialect: Dialect = PYTORCH) -> None:
        self.dialect = dialect
        self.engine = self.make_engine()
        self.engine.dialect = dialect
        #: What was shown for gradients that never came, where they are zeros: the same when read again.
        self._absent: WeakKeyDictionary[Tensor, Tensor] = WeakKeyDictionary()

    def make_engine(self) -> Engine:
        """The engine to speak to; faulty variants override it."""
        return Engine()

    def version(self) -> str:
        try:
            return version("gradlaws")
        except PackageNotFoundError:
            return "checkout"

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        return self.engine.tensor(array, requires_grad)

    def numpy(self, x: Tensor) -> Array:
        return np.array(x.array)

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        return self.engine.apply(op, *inputs, **params)

    def backward(self, root: Tensor, gradient: Any = None, **options: Any) -> Any:
        self.engine.backward([root], None if gradient is None else [gradient], **options)
        return root if self.dialect.returns == "something" else None

    def grad(self, x: Tensor) -> Tensor | None:
        if x.grad is None and self.dialect.absent == "zeros" and x.array.dtype.kind in "fc":
            shown = self._absent.get(x)
            if shown is None or shown.array.shape != x.array.shape or shown.array.any():
                shown = self._absent[x] = fresh(Node(np.zeros_like(x.array)))
            return shown
        return x.grad

    def requires_grad(self, x: Tensor) -> bool:
        return x.requires_grad

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        return self.engine.set_requires_grad(x, flag)

    def is_leaf(self, x: Tensor) -> bool:
        return x.is_leaf

    def set_grad(self, x: Tensor, value: Any) -> None:
        self.engine.set_grad(x, value)

    def zero_grad(self, x: Tensor) -> None:
        if x.grad is None and self.dialect.absent == "zeros":
            return
        self.engine.zero_grad(x)

    def retain_grad(self, x: Tensor) -> None:
        self.engine.retain_grad(x)

    def retains_grad(self, x: Tensor) -> bool:
        return x.retains and not x.is_leaf

    def detach(self, x: Tensor) -> Tensor:
        return self.engine.detach(x)

    def detach_inplace(self, x: Tensor) -> Tensor:
        return self.engine.detach_in_place(x)

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        self.engine.inplace(op, target, *inputs, **params)

    def no_grad(self) -> AbstractContextManager[Any]:
        return self.engine.mode(False)

    def enable_grad(self) -> AbstractContextManager[Any]:
        return self.engine.mode(True)

    def is_grad_enabled(self) -> bool:
        return self.engine.modes.enabled

    def backward_many(
        self, roots: Sequence[Any], gradients: Sequence[Any] | None = None, **options: Any
    ) -> Any:
        self.engine.backward(roots, gradients, **options)
        return roots if self.dialect.returns == "something" else None

    def autograd_grad(
        self,
        roots: Sequence[Any],
        inputs: Sequence[Any],
        gradients: Sequence[Any] | None = None,
        **options: Any,
    ) -> Sequence[Any]:
        return self.engine.grad(roots, inputs, gradients, **options)

    def register_hook(self, x: Tensor, hook: Callable[[Any], Any]) -> Handle:
        return Handle(self.engine.register_hook(x, hook), hook)

    def register_post_accumulate_hook(self, x: Tensor, hook: Callable[[Any], None]) -> Handle:
        return Handle(self.engine.register_post_accumulate_hook(x, hook), hook)

    def place(self, x: Tensor) -> int:
        return id(x.family.storage)

    def shares_memory(self, a: Tensor, b: Tensor) -> bool:
        return self.engine.shares_memory(a, b)

    def parameter(self, array: Array) -> Tensor:
        return self.engine.tensor(array, requires_grad=True)

    def device(self, x: Tensor) -> str:
        return x.device

    def on_other_device(self, x: Tensor) -> Tensor:
        other = fresh(Node(x.array))
        other.device = "elsewhere"
        return other

    def custom_double(self, x: Tensor) -> Any:
        return self.engine.apply("mul_scalar", x, value=2.0)

    def evaluated(self, array: Array, x: Tensor) -> tuple[Any, Any]:
        weight = self.engine.tensor(array, requires_grad=True)
        return weight, self.engine.apply("mul", weight, x)


__all__ = ["MustRaise", "ReferenceBackend"]
