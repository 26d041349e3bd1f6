"""Engines that differentiate functions and do one thing wrong: what the laws must catch as they are told there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from functional_forms import FunctionalForm

from gradlaws.conformance.engines.tape import Traced, order
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.reference.tensor import Tensor

F = TypeVar("F", bound=type[FunctionalForm])
#: By law: engines that break it.
BROKEN: dict[str, list[type[FunctionalForm]]] = {}


def breaks(*laws: str) -> Callable[[F], F]:
    def register(made: F) -> F:
        made.name = made.__name__
        for law in laws:
            BROKEN.setdefault(law, []).append(made)
        return made

    return register


class Altered(FunctionalForm):
    """What is returned is changed by `product`, given what was asked about."""

    def _differentiated(self, function: Any, values: Sequence[Any], seeds: Any) -> Sequence[Any]:
        found = super()._differentiated(function, values, seeds)
        return [self.product(x, value) for x, value in zip(found, values, strict=True)]

    def product(self, found: Tensor, value: Tensor) -> Tensor:
        raise NotImplementedError

    def times(self, x: Tensor, factor: Any) -> Tensor:
        made: Tensor = self.computed("mul_scalar", x, value=factor)
        return made


# -- what is returned ----------------------------------------------------------------------------------------


@breaks("VAL-03")
class ScalarsGrow(Altered):
    """The gradient of a number has a dimension."""

    def product(self, found: Tensor, value: Tensor) -> Tensor:
        return found if value.array.shape else self.computed("reshape", found, shape=(1,))


@breaks("VAL-04")
class WiderPrecision(Altered):
    """Gradients are in double precision whatever they are of."""

    def product(self, found: Tensor, value: Tensor) -> Tensor:
        return found if value.array.dtype != np.float32 else self.computed("cast", found, dtype="float64")


@breaks("VAL-05")
class ReturnsFromElsewhere(Altered):
    """Gradients are on another device than what they are of."""

    def product(self, found: Tensor, value: Tensor) -> Tensor:
        return self.inner.on_other_device(found)


@breaks("CPLX-01")
class Conjugates(Altered):
    """The gradient of a complex tensor is conjugated, and nothing says so."""

    def product(self, found: Tensor, value: Tensor) -> Tensor:
        return self.computed("conj", found) if value.array.dtype.kind == "c" else found


@breaks("META-14")
class UnitLength(Altered):
    """Gradients longer than 1 are returned with length 1."""

    def product(self, found: Tensor, value: Tensor) -> Tensor:
        return self.times(found, 1 / max(1.0, float(np.linalg.norm(found.array))))


@breaks("META-17")
class Drifts(Altered):
    """Each call returns a little more than the one before."""

    calls = 0

    def product(self, found: Tensor, value: Tensor) -> Tensor:
        self.calls += 1
        return self.times(found, 1 + 2.0**-52 * self.calls)


@breaks(
    "LIFE-01", "LIFE-02", "LIFE-03", "LIFE-06", "META-11", "HO-02", "RET-02", "RET-11", "RET-20", "OPT-15"
)
class Gathers(FunctionalForm):
    """What is returned for a function of the same arguments is added to what was returned before."""

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[bytes, list[Array]] = {}

    def _differentiated(self, function: Any, values: Sequence[Any], seeds: Any) -> Sequence[Any]:
        found = super()._differentiated(function, values, seeds)
        key = b"".join(x.array.tobytes() for x in values)
        made = [
            self.computed("add", x, self.array(old)) if old.shape == x.array.shape else x
            for x, old in zip(found, self.before.get(key, [x.array * 0 for x in found]), strict=True)
        ]
        self.before[key] = [np.array(x.array) for x in made]
        return made


@breaks("LIFE-09", "META-02", "META-09", "META-15")
class OneBuffer(FunctionalForm):
    """What was returned is doubled where the next call begins, even if that fails."""

    def __init__(self) -> None:
        super().__init__()
        self.last: list[Tensor] = []

    def _differentiated(self, function: Any, values: Sequence[Any], seeds: Any) -> Sequence[Any]:
        for x in self.last:
            x.array[...] *= 2
        self.last = []
        self.last = list(super()._differentiated(function, values, seeds))
        return self.last


@breaks("HO-01", "HO-03")
class Backwards(FunctionalForm):
    """Where arguments are of one shape, the gradients of the first and the last are exchanged."""

    def _differentiated(self, function: Any, values: Sequence[Any], seeds: Any) -> Sequence[Any]:
        found = list(super()._differentiated(function, values, seeds))
        if values[0].array.shape == values[-1].array.shape:
            found[0], found[-1] = found[-1], found[0]
        return found


@breaks("DET-04")
class EqualIsTheSame(FunctionalForm):
    """Arguments that hold the same are taken for one: each gets the gradients of all."""

    def _differentiated(self, function: Any, values: Sequence[Any], seeds: Any) -> Sequence[Any]:
        found = super()._differentiated(function, values, seeds)
        keys = [(x.array.shape, x.array.tobytes()) for x in values]
        made = []
        for key in keys:
            same = [x for x, other in zip(found, keys, strict=True) if other == key]
            made.append(same[0])
            for x in same[1:]:
                made[-1] = self.computed("add", made[-1], x)
        return made


@breaks("VAL-10", "RET-01", "RET-04", "RET-12")
class IdentitiesAreFlat(FunctionalForm):
    """The identity has the derivative zero."""

    def _differentiated(self, function: Any, values: Sequence[Any], seeds: Any) -> Sequence[Any]:
        def hidden(*xs: Any) -> Any:
            made = function(*xs)
            return self.computed("sub", made, made) if any(made is x for x in xs) else made

        return super()._differentiated(hidden, values, seeds)


@breaks("ROOT-18", "HO-07")
class UnusedGetsOnes(FunctionalForm):
    """An argument that the function does not use has ones for a gradient."""

    def _differentiated(self, function: Any, values: Sequence[Any], seeds: Any) -> Sequence[Any]:
        found = super()._differentiated(function, values, seeds)
        return [x if x.array.any() else self.ones_like(x) for x in found]


@breaks("ROOT-15", "META-07")
class FewCountDouble(FunctionalForm):
    """Gradients are doubled where fewer leaves are asked about than there are."""

    def _pulled(  # type: ignore[override]
        self, roots: Any, inputs: Sequence[Traced], gradients: Any, **options: Any
    ) -> list[Traced]:
        found = super()._pulled(roots, inputs, gradients, **options)
        leaves = [x for x in order(roots) if x.asked and x.make is None]
        few = 0 < len(inputs) < len(leaves) and all(x.make is None for x in inputs)
        return [Traced(self.computed("add", x.value, x.value)) for x in found] if few else found


@breaks("LEAF-12")
class TracesOnce(FunctionalForm):
    """A function of as many arguments of the same shapes as another one is taken for that."""

    def __init__(self) -> None:
        super().__init__()
        self.traced: dict[Any, Any] = {}

    def _differentiated(self, function: Any, values: Sequence[Any], seeds: Any) -> Sequence[Any]:
        key = tuple(x.array.shape for x in values)
        made = function(*values)
        old = self.traced.setdefault((key, getattr(getattr(made, "array", None), "shape", None)), function)
        return super()._differentiated(old, values, seeds)


@breaks("META-16")
class ScratchesInTheArgument(FunctionalForm):
    """The first argument is negated on the way."""

    def _differentiated(self, function: Any, values: Sequence[Any], seeds: Any) -> Sequence[Any]:
        found = super()._differentiated(function, values, seeds)
        if not values[0].requires_grad:
            values[0].array[...] *= -1
        return found


@breaks("VAL-12")
class ScratchesInTheSeed(FunctionalForm):
    """The seed is doubled on the way."""

    def vjp(self, function: Any, values: Sequence[Any], seed: Any) -> Sequence[Any]:
        found = super().vjp(function, values, seed)
        if isinstance(seed, Tensor) and not seed.requires_grad:
            seed.array[...] *= 2
        return found


@breaks("VAL-17")
class Recurses(FunctionalForm):
    """Functions of more than a thousand steps are too much."""

    steps = 0

    def computed(self, op: str, *values: Any, **params: Any) -> Any:
        self.steps += 1
        if self.steps > 1000 and getattr(self.within, "deep", False):
            raise RecursionError("maximum recursion depth exceeded")
        return super().computed(op, *values, **params)

    def _differentiated(self, function: Any, values: Sequence[Any], seeds: Any) -> Sequence[Any]:
        self.steps = 0
        return super()._differentiated(function, values, seeds)


@breaks("MT-03")
class OneThreadOnly(Altered):
    """Gradients are zeros in every thread but the main one."""

    def product(self, found: Tensor, value: Tensor) -> Tensor:
        return self.times(found, float(threading.current_thread() is threading.main_thread()))


@breaks("REQ-07")
class IntegersCut(FunctionalForm):
    """What an op makes of an integer and a float is a constant."""

    def computed(self, op: str, *values: Any, **params: Any) -> Any:
        made = super().computed(op, *values, **params)
        kinds = {x.array.dtype.kind for x in values if isinstance(x, Tensor)}
        return self.inner.detach(made) if kinds >= {"f", "i"} else made


@breaks("REQ-02", "REQ-03")
class DifferentiatesIntegers(FunctionalForm):
    """Integers have gradients of zeros."""

    def gradient(self, function: Any, values: Sequence[Any]) -> Sequence[Any]:
        if any(x.array.dtype.kind not in "fc" for x in values):
            return [self.inner.tensor(np.zeros(x.array.shape)) for x in values]
        return super().gradient(function, values)
