"""Engines that differentiate functions and do one thing wrong with stopped gradients, parts or users' functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from functional_faults import breaks
from functional_forms import FunctionalForm

from gradlaws.conformance.engines.tape import Traced
from gradlaws.conformance.engines.user_function import UserFunction
from gradlaws.conformance.entropy import Array


@breaks("DET-02", "META-06", "OPT-16", "MODE-04")
class StopsNothing(FunctionalForm):
    """Gradients come through what is to stop them."""

    def detach(self, x: Traced) -> Traced:
        return Traced(x.value, False, lambda value: value, [x], cut=True)


@breaks("DET-01")
class StopsBySign(FunctionalForm):
    """What has its gradients stopped loses its sign."""

    def detach(self, x: Traced) -> Traced:
        def stop(value: Any) -> Any:
            return self.inner.detach(self.inner.apply("abs", value))

        return Traced(stop(x.value), False, stop, [x], cut=True)


@breaks("DET-03", "MODE-02")
class StopsTheOriginal(FunctionalForm):
    """What has once had its gradients stopped gets none any more."""

    def detach(self, x: Traced) -> Traced:
        made = super().detach(x)
        if x.make is not None:
            x.make, x.parents = None, ()
        else:
            x.asked = False
        return made


@breaks("META-18")
class ReadingStops(FunctionalForm):
    """What was read is a constant from then on."""

    def numpy(self, x: Traced) -> Array:
        if x.make is not None:
            x.make, x.parents = None, ()
        return super().numpy(x)


@breaks("META-19")
class AgainWithoutSigns(FunctionalForm):
    """What is computed again is computed of arguments without signs."""

    def memory_strategies(self) -> dict[str, Callable[[], AbstractContextManager[object]]]:
        def again(function: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *values: function(*[self.inner.apply("abs", x) for x in values])

        return {"again": partial(self.rewritten, again)}


@breaks("FUN-02")
class NoneIsOnes(FunctionalForm):
    """Ones come where a formula gives nothing."""

    def called(self, function: UserFunction, values: Sequence[Any]) -> Sequence[Any]:
        def formula(saved: Any, gradients: Any) -> Any:
            found = function.backward(saved, gradients)
            ones = [Traced(self.ones_like(x)) for x in values]
            return [one if g is None else g for g, one in zip(found, ones, strict=True)]

        told = UserFunction(function.forward, formula, function.constant, function.once)
        return super().called(told, values)


@breaks("FUN-10")
class MarkedAreZeros(FunctionalForm):
    """Marking results as constants mars the gradients of the others."""

    def called(self, function: UserFunction, values: Sequence[Any]) -> Sequence[Any]:
        def formula(saved: Any, gradients: Any) -> Any:
            found = function.backward(saved, gradients)
            return [None if function.constant else g for g in found]

        told = UserFunction(function.forward, formula, function.constant, function.once)
        return super().called(told, values)


@breaks("FUN-11")
class GivesItToTheNext(FunctionalForm):
    """What a formula returns for a constant goes to another operand."""

    def called(self, function: UserFunction, values: Sequence[Any]) -> Sequence[Any]:
        def formula(saved: Any, gradients: Any) -> Any:
            found = list(function.backward(saved, gradients))
            asked = [k for k, x in enumerate(values) if x.requires_grad]
            for k, g in enumerate(found):
                if k not in asked and g is not None and asked:
                    found[asked[0]] = g
            return found

        told = UserFunction(function.forward, formula, function.constant, function.once)
        return super().called(told, values)
