"""Faults of grad modes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node, untracked
from gradlaws.conformance.reference.tensor import Tensor, fresh


@fault("MODE-01")
class RecordsViewsUnderNoGrad(Engine):
    """Under no_grad a view of a tracked tensor is tracked: it costs nothing, so nobody switched it off."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        recorded = self.modes.enabled or op in (
            "view",
            "transpose",
            "permute",
            "expand",
            "unsqueeze",
            "narrow",
        )
        with self.mode(recorded):
            return Engine.apply(self, op, *inputs, **params)


@fault("MODE-01", "MODE-04", "MODE-11")
class NoGradDoesNothing(Engine):
    """The mode is noted, but ops are recorded all the same."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        with self.mode(True):
            return Engine.apply(self, op, *inputs, **params)


@fault("MODE-02")
class NoGradUntracksOperands(Engine):
    """An op under no_grad cuts its operands off from their history, instead of working on copies."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = Engine.apply(self, op, *inputs, **params)
        for x in () if self.modes.enabled else inputs:
            if not x.is_leaf:
                x.alone(untracked(x.node))
        return made


@fault("MODE-02")
class NoGradUntracksLeaves(Engine):
    """A leaf that is used under no_grad loses its flag."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = Engine.apply(self, op, *inputs, **params)
        for x in () if self.modes.enabled else inputs:
            if x.is_leaf and x.requires_grad:
                self.set_requires_grad(x, False)
        return made


@fault("MODE-03")
class NoTrackedLeavesUnderNoGrad(ReferenceBackend):
    """Under no_grad even a leaf that is asked to require grad does not."""

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        return self.engine.tensor(array, requires_grad and self.engine.modes.enabled)


@fault("MODE-03")
class FlagsIgnoredUnderNoGrad(ReferenceBackend):
    """requires_grad_() has no effect under no_grad."""

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        return super().set_requires_grad(x, flag) if self.engine.modes.enabled else x


@fault("MODE-04")
class UnrecordedResultsStayOutside(Engine):
    """A result of no_grad that is made to require grad never gets a gradient."""

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        outside = x.node.row is not None and not x.requires_grad
        made = Engine.set_requires_grad(self, x, flag)
        if outside and flag:
            x.family.anchor.owner = fresh(Node(x.array, tracked=True))
        return made


@fault("MODE-05")
class EnableGradDoesNothing(ReferenceBackend):
    """enable_grad() leaves the mode as it is."""

    def enable_grad(self) -> AbstractContextManager[Any]:
        return self.engine.mode(self.engine.modes.enabled)


@fault("MODE-06")
class LeavingTurnsOn(Engine):
    """Leaving a mode turns recording on, whatever was on before it."""

    @contextmanager
    def mode(self, enabled: bool) -> Iterator[None]:
        self.modes.enabled = enabled
        try:
            yield
        finally:
            self.modes.enabled = True


@fault("MODE-06")
class ExceptionsLeaveTheModeOn(Engine):
    """A mode that is left by an exception is not restored."""

    @contextmanager
    def mode(self, enabled: bool) -> Iterator[None]:
        before, self.modes.enabled = self.modes.enabled, enabled
        yield
        self.modes.enabled = before


@fault("MODE-09")
class OneModeForAllThreads(ReferenceBackend):
    """The mode is a global variable."""

    def make_engine(self) -> Engine:
        engine = Engine()
        engine.modes = SimpleNamespace(enabled=True)  # type: ignore[assignment]
        return engine


@fault("MODE-11")
class NoGradIsLessExact(Engine):
    """Where nothing is recorded another kernel runs, which computes in single precision."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = Engine.apply(self, op, *inputs, **params)
        if self.modes.enabled or isinstance(made, tuple) or made.array.dtype != "float64":
            return made
        return fresh(Node(made.array.astype("float32").astype("float64") + 0.0 * made.array))


@fault("MODE-20")
class EvaluationDetaches(ReferenceBackend):
    """A module in evaluation mode runs under no_grad."""

    def evaluated(self, array: Array, x: Tensor) -> tuple[Any, Any]:
        weight = self.parameter(array)
        with self.no_grad():
            out = self.engine.apply("mul", weight, x)
        return weight, self.set_requires_grad(out, True)


@fault("MODE-21")
class CustomFunctionsAlwaysRecord(ReferenceBackend):
    """User-defined functions are recorded in any mode."""

    def user_function(self, function: Any, inputs: Any) -> Any:
        with self.enable_grad():
            return self.engine.user_function(function, inputs)
