"""Programs written out by hand, with what must be seen after their steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exceptions import described
from gradlaws.conformance.execution.planned_run import Plan, Wanted, followed
from gradlaws.conformance.language.nested_steps import used_ops
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import name, source
from gradlaws.conformance.language.steps import Apply, Backward, Leaf, Step, Var, literal, recast


@dataclass
class Script:
    """Steps with what must be seen after them."""

    steps: list[Step] = field(default_factory=list)
    grads: list[tuple[int, Var, Any]] = field(default_factory=list)
    values: list[tuple[int, Var, Any]] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)
    _vars: int = 0

    def _new(self) -> Var:
        self._vars += 1
        return self._vars - 1

    def leaf(self, values: Any, requires_grad: bool = True) -> Var:
        """A leaf."""
        var = self._new()
        self.steps.append(Leaf(literal(values), requires_grad, outs=(var,)))
        return var

    def op(self, op: str, *inputs: Var, **params: Any) -> Var:
        """An op."""
        var = self._new()
        self.steps.append(Apply(op, inputs, tuple(params.items()), outs=(var,)))
        return var

    def total(self, x: Var) -> Var:
        """The sum of x."""
        return self.op("sum", x, dim=None, keepdim=False)

    def do(self, step: Step, refused: bool = False) -> None:
        """Any other step; `refused` if it must raise."""
        if refused:
            self.refused.add(len(self.steps))
        self.steps.append(step)

    def backward(self, root: Var, gradient: Var | None = None, refused: bool = False, **options: Any) -> None:
        """`root.backward(gradient)`."""
        self.do(Backward((root,), None if gradient is None else (gradient,), **options), refused)

    def grad_is(self, x: Var, values: Any) -> None:
        """After the last step .grad of x is this (None: None)."""
        self.grads.append((len(self.steps) - 1, x, values))

    def value_is(self, x: Var, values: Any) -> None:
        """After the last step the contents of x are this."""
        self.values.append((len(self.steps) - 1, x, values))


@dataclass(frozen=True)
class Example:
    """One documented example."""

    id: str
    name: str
    sentence: str
    source: str
    needs: frozenset[str]
    laws: tuple[str, ...]
    script: Script

    def breaches(self, backend: Backend) -> Iterator[str]:
        """Run the example; what is not as documented, in the words `after ...: x is ..., expected ...`."""
        script, program = self.script, self.program(backend)
        looks = [
            Wanted(
                tuple(x for at, x, _ in (*script.grads, *script.values) if at == index),
                tuple(x for at, x, _ in script.values if at == index),
            )
            for index in range(len(program))
        ]
        for index, moment in enumerate(followed(program, Plan(looks, looks), backend)):
            line = source([moment.step], backend.spellings)
            if (moment.raised is not None) != (index in script.refused):
                got = "accepted" if moment.raised is None else f"raised {described(moment.raised)}"
                want = "an error" if index in script.refused else "no error"
                yield f"`{line}` {got}, expected {want}"
                return
            for at, x, want_grad in script.grads:
                if at == index:
                    seen = moment.seen[x].grad
                    if not _alike(seen, want_grad):
                        yield f"after `{line}`: {name(x)}.grad is {_shown(seen)}, expected {want_grad}"
            for at, x, want_value in script.values:
                if at == index:
                    value = moment.seen[x].value
                    if not _alike(value, want_value):
                        yield f"after `{line}`: {name(x)} is {_shown(value)}, expected {want_value}"

    def missing(self, backend: Backend) -> list[str]:
        """Capabilities and ops that the example needs and the engine does not have."""
        return sorted((self.needs | used_ops(self.script.steps)) - backend.capabilities - backend.repertoire)

    @property
    def assertions(self) -> int:
        """How much the example says that must be so."""
        return len(self.script.grads) + len(self.script.values) + len(self.script.refused)

    def program(self, backend: Backend) -> Program:
        """The steps as a program, in the usual dtype of the engine."""
        return Program(tuple(recast(step, {"float64": backend.usual}) for step in self.script.steps))


def _alike(got: Any, want: Any) -> bool:
    if got is None or want is None:
        return got is want
    wanted = np.asarray(want, dtype=got.dtype)
    return bool(got.shape == wanted.shape and np.array_equal(got, wanted))


def _shown(value: Any) -> str:
    return "None" if value is None else str(value.tolist())
