"""The reference engine, or a faulty one, as one that differentiates functions: programs come to the same there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from threading import local
from typing import Any, cast

import numpy as np

from gradlaws.conformance.engines.functional import Functional
from gradlaws.conformance.engines.tape import Traced
from gradlaws.conformance.engines.user_function import UserFunction
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.tensor import Tensor


class FunctionalForm(Functional):
    """Functions over an engine's tensors, differentiated by its `grad`; it claims all that such adapters can claim."""

    name = "functional form"
    features = Functional.features | {"complex", "threads"}
    several = True
    recomputing = {"checkpoint": lambda f: f}  # noqa: RUF012 - an instance has its own

    def __init__(self, made: type[Engine] = Engine) -> None:
        self.inner = made()
        self.within = local()
        self.recomputing = {"checkpoint": lambda f: lambda *values: self._again(f, values)}

    def ops(self) -> Iterable[str]:
        return TABLE.names()

    def array(self, array: Array) -> Tensor:
        return self.inner.tensor(array)

    def numpy(self, x: Traced) -> Array:
        return np.array(x.value.array)

    def ones_like(self, value: Tensor) -> Tensor:
        return self.inner.tensor(np.ones_like(value.array))

    def size(self, value: Tensor) -> int:
        return int(value.array.size)

    def computed(self, op: str, *values: Any, **params: Any) -> Any:
        return self.inner.apply(op, *values, **params)

    def vjp(self, function: Callable[..., Any], values: Sequence[Any], seed: Any) -> Sequence[Any]:
        return self._differentiated(function, values, seed if isinstance(seed, tuple) else [seed])

    def gradient(self, function: Callable[..., Any], values: Sequence[Any]) -> Sequence[Any]:
        return self._differentiated(function, values, None)

    def _differentiated(
        self, function: Callable[..., Any], values: Sequence[Any], seeds: Any
    ) -> Sequence[Any]:
        """The gradients, which have a history where they are computed within a function that is differentiated."""
        outermost = not getattr(self.within, "deep", False)
        self.within.deep = True
        try:
            inputs = [self._argument(x) for x in values]
            made = function(*inputs)
            roots = made if isinstance(made, tuple) else (made,)
            if seeds is not None and len(seeds) == len(roots):  # what is constant has zeros
                seeds = [g for root, g in zip(roots, seeds, strict=True) if root.requires_grad]
                roots = tuple(root for root in roots if root.requires_grad)
            if not roots or (seeds is None and made.array.size == 1 and not made.requires_grad):
                return [self.inner.tensor(np.zeros_like(x.array)) for x in inputs]
            found = self.inner.grad(roots, inputs, seeds, create_graph=True, materialize_grads=True)
        finally:
            self.within.deep = not outermost
        return [self.inner.detach(x) if outermost and x is not None else x for x in found]

    def _argument(self, value: Tensor) -> Tensor:
        """A tensor of the same contents to differentiate by, through which gradients of gradients come."""
        if value.requires_grad:
            same: Tensor = self.inner.apply("mul_scalar", value, value=1.0)
            return same
        return self.inner.tensor(value.array, True)

    def detach(self, x: Traced) -> Traced:
        return Traced(self.inner.detach(x.value), False, self.inner.detach, [x], cut=True)

    def device(self, x: Traced) -> Any:
        return x.value.device

    def _again(self, function: Callable[..., Any], values: Sequence[Any]) -> Any:
        """A function that is computed again in backward, of one result or of several."""
        several: list[bool] = []

        def part(*xs: Any) -> Sequence[Any]:
            made = function(*xs)
            several.append(isinstance(made, tuple))
            return made if several[-1] else (made,)

        made = self.inner.checkpoint(part, values)
        return tuple(made) if several[-1] else made[0]

    def called(self, function: UserFunction, values: Sequence[Any]) -> Sequence[Any]:
        told = UserFunction(
            lambda *xs: self.forward(function, xs),
            partial(self.formula, function),
            function.constant,
            function.once,
        )
        return self.inner.user_function(cast(Any, told), values)
