"""Checkpointed parts of programs, as an adapter takes them: functions that run their ops on the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.steps import Var
from gradlaws.conformance.ops import TABLE


def part(step: Checkpoint, backend: Backend) -> Callable[..., Sequence[Any]]:
    """The part as a function of its operands, to be called as often as the engine likes."""
    operands = step.uses()

    def function(*values: Any) -> Sequence[Any]:
        env: dict[Var, Any] = dict(zip(operands, values, strict=True))
        for inner in step.steps:
            given = [env[v] for v in (inner.uses() if isinstance(inner, Checkpoint) else inner.inputs)]
            if isinstance(inner, Checkpoint):
                made = backend.checkpoint(part(inner, backend), given)
            else:
                made = backend.apply(inner.op, *given, **dict(inner.params))
                made = made if TABLE[inner.op].many else (made,)
            env.update(zip(inner.outs, made, strict=True))
        return tuple(env[v] for v in step.outs)

    return function
