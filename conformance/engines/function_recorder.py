"""What is computed on an engine that differentiates functions, recorded: ops, users' functions, stopped gradients."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, partial
from threading import local
from typing import Any

import numpy as np

from gradlaws.conformance.engines.capabilities import NotClaimed
from gradlaws.conformance.engines.op_spelling import Spelled
from gradlaws.conformance.engines.tape import Traced, parts
from gradlaws.conformance.engines.user_function import UserFunction
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import TABLE, Op
from gradlaws.conformance.ops.table import Constant, Params

#: What an engine makes of a function: another one of the same values.
Rewriting = Callable[[Callable[..., Any]], Callable[..., Any]]


class FunctionRecorder(Spelled):
    """Runs ops on values of an engine, and keeps on a tape how each is computed."""

    #: How the engine stops gradients, a function of one value; claims `detach` and `no_grad`.
    stop: Callable[[Any], Any] | None = None
    #: What the engine makes of functions to compute them again, by name; claims `checkpoint` and `memory_strategies`.
    recomputing: Mapping[str, Rewriting] = {}
    #: What the engine makes of a function before it is pulled back; see `rewritten`.
    _made_of: Rewriting | None = None

    @abstractmethod
    def array(self, array: Array) -> Any:
        """A value of the engine with these contents."""

    def sample(self) -> Any:
        """A value to look for methods on."""
        return self.array(np.ones(2, self.usual))

    def computed(self, op: str, *values: Any, **params: Any) -> Any:
        """The result of an op on values of the engine."""
        return Spelled.apply(self, op, *values, **params)

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        """An op, on the tape."""
        return self._outside(self._traced(TABLE[op], partial(self.computed, op), inputs, params))

    def run_row(self, op: str, inputs: Sequence[Any], params: Params) -> Any:
        """A row of its own, whose call takes the engine's values."""
        return self._outside(self._traced(TABLE[op], self.own[op].run, inputs, params))

    @staticmethod
    def _traced(row: Op, call: Callable[..., Any], inputs: Sequence[Any], params: Params) -> Any:
        def make(*values: Any) -> Any:
            return call(*values, **params)

        made = make(*(x.value for x in inputs))
        # What an op has no derivative by is no way for a gradient to come.
        inputs = tuple(
            Traced(x.value) if k in row.passive or isinstance(row.rule, Constant) else x
            for k, x in enumerate(inputs)
        )
        if not row.many:
            return Traced(made, False, make, inputs)
        return parts(make, made, inputs)

    # -- what is computed in other ways -------------------------------------------------------------------------

    def called(self, function: UserFunction, values: Sequence[Any]) -> Sequence[Any]:
        """The values of a user-defined function's results, by the engine's own means; claims `user_function`."""
        raise NotClaimed

    def user_function(self, function: UserFunction, inputs: Sequence[Traced]) -> Sequence[Traced]:
        """A user-defined function on the tape, by `called`."""
        made: Sequence[Traced] = self._outside(
            self.recorded(partial(self.called, function), inputs, function.constant)
        )
        return made

    def checkpoint(self, part: Callable[..., Sequence[Traced]], inputs: Sequence[Traced]) -> Sequence[Traced]:
        """The first of the ways in which the engine computes again."""
        wrapped = next(iter(self.recomputing.values()))
        call = wrapped(lambda *values: tuple(x.value for x in part(*map(Traced, values))))
        made: Sequence[Traced] = self._outside(self.recorded(lambda values: call(*values), inputs))
        return made

    def memory_strategies(self) -> Mapping[str, Callable[[], AbstractContextManager[object]]]:
        """Blocks in which all functions are pulled back as something that is computed again."""
        return {name: partial(self.rewritten, made_of) for name, made_of in self.recomputing.items()}

    def detach(self, x: Traced) -> Traced:
        """A value on the tape, beyond which the engine stops gradients; none is to come from there."""
        stop = type(self).stop
        assert stop is not None, "`detach` is withheld where there is no `stop`"
        return Traced(stop(x.value), False, stop, [x], cut=True)

    @staticmethod
    def recorded(
        function: Callable[[Sequence[Any]], Sequence[Any]],
        inputs: Sequence[Traced],
        constant: Container[int] = (),
    ) -> Sequence[Traced]:
        """The results of a function of several values, on the tape; those numbered in `constant` have no history."""
        return parts(lambda *values: function(values), function([x.value for x in inputs]), inputs, constant)

    @staticmethod
    def forward(function: UserFunction, values: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """(results, saved) of a user's forward, as values."""
        results, saved = function.forward(*map(Traced, values))
        return tuple(x.value for x in results), tuple(x.value for x in saved)

    @staticmethod
    def formula(function: UserFunction, saved: Sequence[Any], gradients: Sequence[Any]) -> list[Any]:
        """What a user's backward computes, as values; None for none."""
        found = function.backward(list(map(Traced, saved)), list(map(Traced, gradients)))
        return [None if x is None else x.value for x in found]

    @contextmanager
    def rewritten(self, made_of: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
        """A block in which functions are pulled back as what the engine makes of them, as `jax.checkpoint` does."""
        before, self._made_of = self._made_of, made_of
        try:
            yield
        finally:
            self._made_of = before

    @contextmanager
    def no_grad(self) -> Iterator[None]:
        """A block whose results the engine is told to take for constants, as `detach` tells it."""
        before, self._modes.stopping = getattr(self._modes, "stopping", False), True
        try:
            yield
        finally:
            self._modes.stopping = before

    @cached_property
    def _modes(self) -> local:
        return local()

    def _outside(self, made: Any) -> Any:
        """What an op has made, as the mode has it."""
        if not getattr(self._modes, "stopping", False):
            return made
        if isinstance(made, list):
            return [self._outside(x) for x in made]
        return self.detach(made) if made.tracked else made
