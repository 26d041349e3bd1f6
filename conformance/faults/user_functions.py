"""Faults in user-defined functions, and where a backward runs within another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node, untracked
from gradlaws.conformance.reference.tensor import Tensor, fresh


@fault("FUN-01")
class FormulasResultsSwapped(Engine):
    """Of two operands of a user-defined function each gets the gradient of the other."""

    def _pulled(self, *args: Any) -> list[Node | None]:
        found = super()._pulled(*args)
        shapes = {None if g is None else g.shape for g in found}
        return found[::-1] if len(shapes) == 1 else found


@fault("FUN-01")
class RepeatedOperandCountsOnce(Engine):
    """Of a user-defined function that gets a tensor twice, one of the two gradients counts."""

    def _pulled(self, call: Any, *args: Any) -> list[Node | None]:
        found = super()._pulled(call, *args)
        before: set[int] = set()
        for k, x in enumerate(call.operands):
            found[k] = None if id(x) in before else found[k]
            before.add(id(x))
        return found


@fault("FUN-01", "FUN-19")
class FormulaIgnored(Engine):
    """The ops of the forward are differentiated, and the user's formula is never asked."""

    def user_function(self, function: Any, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        results: Sequence[Tensor] = function.forward(*inputs)[0]
        return results


@fault("FUN-02")
class NoneIsZeros(Engine):
    """Where a user's formula has no gradient, zeros arrive."""

    def _fitting(self, answer: Tensor | None, x: Node) -> Node | None:
        return Node(np.zeros_like(x.array)) if answer is None else super()._fitting(answer, x)


@fault("FUN-04")
class AnyShapeFits(Engine):
    """A user's gradient of a shape that does not fit is accepted, and cut to fit."""

    def _fitting(self, answer: Tensor | None, x: Node) -> Node | None:
        if answer is not None and answer.array.shape != x.shape:
            return Node(np.resize(answer.array, x.shape))
        return super()._fitting(answer, x)


@fault("FUN-08")
class SavedTensorsUnchecked(Engine):
    """Backward of a user-defined function takes what it saved as it is by then, modified or not."""

    def _saved(self, whole: Node, saved: Sequence[Tensor]) -> Sequence[Tensor]:
        return saved


@fault("FUN-09")
class UnusedResultsCountAsOnes(Engine):
    """What arrives at a result that was not used is ones."""

    def _arriving(self, *args: Any) -> list[Tensor]:
        found = super()._arriving(*args)
        return [g if g.array.any() or g.requires_grad else fresh(Node(np.ones_like(g.array))) for g in found]


@fault("FUN-10")
class MarksIgnored(Engine):
    """Results that are marked as not differentiable have a history like others."""

    def user_function(self, function: Any, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        return super().user_function(replace(function, constant=frozenset()), inputs)


@fault("FUN-11")
class OperandsMadeToRequireGrad(Engine):
    """All operands of a user-defined function receive what its formula returns for them."""

    def user_function(self, function: Any, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        for x in inputs:
            if x.is_leaf and self.modes.enabled:
                self.set_requires_grad(x, True)
        return super().user_function(function, inputs)


@fault("FUN-12")
class HandedThroughAsItIs(Engine):
    """An operand that a user-defined function returns comes back as the very tensor, and its formula is not asked."""

    def user_function(self, function: Any, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        made = super().user_function(function, inputs)
        with self.mode(False):
            results = function.forward(*inputs)[0]
        return [
            result if any(result is x for x in inputs) else own
            for own, result in zip(made, results, strict=True)
        ]


@fault("FUN-15")
class FormulaNotRecorded(Engine):
    """What a user's formula computes has no history: its second derivative is lost."""

    def _pulled(self, *args: Any) -> list[Node | None]:
        return [None if g is None else untracked(g) for g in super()._pulled(*args)]


@fault("FUN-15")
class SavedOperandsAreConstants(Engine):
    """A user's formula is recorded, but what it saved is taken for constant."""

    def _saved(self, whole: Node, saved: Sequence[Tensor]) -> Sequence[Tensor]:
        return [fresh(untracked(x.node)) for x in super()._saved(whole, saved)]


@fault("FUN-15")
class FormulaRecordedTwice(Engine):
    """The second derivative through a user's formula counts double."""

    def _pulled(self, *args: Any) -> list[Node | None]:
        return [
            None if g is None else (g + g) - untracked(g) if g.tracked else g for g in super()._pulled(*args)
        ]


@fault("FUN-16")
class OnceOnlyIsConstant(Engine):
    """A formula that is differentiable once is taken for a constant where it is differentiated again."""

    def _once(self, answer: Tensor, *_: Any) -> Tensor:
        return answer


@fault("FUN-19")
class FormulasErrorSwallowed(Engine):
    """Where a user's formula raises, no gradient arrives, and nobody hears of it."""

    def _pulled(self, call: Any, *args: Any) -> list[Node | None]:
        try:
            return super()._pulled(call, *args)
        except Exception:
            return [None] * len(call.operands)


@fault("FUN-19")
class FormulasErrorReplaced(Engine):
    """Where a user's formula raises, an error of the engine's own comes out."""

    def _pulled(self, *args: Any) -> list[Node | None]:
        try:
            return super()._pulled(*args)
        except Exception as error:
            raise RuntimeError("backward failed") from error


class Nesting(Engine):
    """Knows whether a backward runs within another."""

    _depth = 0

    def backward(self, *args: Any, **options: Any) -> Any:
        self._depth += 1
        try:
            return self._inner(*args, **options) if self._depth > 1 else super().backward(*args, **options)
        finally:
            self._depth -= 1

    def _inner(self, *args: Any, **options: Any) -> Any:
        return super().backward(*args, **options)


@fault("FUN-20")
class InnerBackwardIgnored(Nesting):
    """A backward that runs within another does nothing."""

    def _inner(self, *args: Any, **options: Any) -> Any:
        return None


@fault("FUN-20")
class InnerErrorSwallowed(Nesting):
    """An error of a backward that runs within another is lost."""

    def _inner(self, *args: Any, **options: Any) -> Any:
        try:
            return super()._inner(*args, **options)
        except Exception:
            return None


@fault("FUN-20")
class InnerBackwardTurnsModeOff(Nesting):
    """A backward that runs within another leaves grad mode off."""

    _left = False

    def _inner(self, *args: Any, **options: Any) -> Any:
        self._left = True
        return super()._inner(*args, **options)

    def backward(self, *args: Any, **options: Any) -> Any:
        try:
            return super().backward(*args, **options)
        finally:
            if self._left and not self._depth:
                self.modes.enabled = self._left = False
