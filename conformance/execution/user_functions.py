"""User-defined functions of programs, as an adapter takes them: their ops run on the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.user_function import UserFunction
from gradlaws.conformance.execution.hook_effects import Interruption
from gradlaws.conformance.language.steps import Apply, Var
from gradlaws.conformance.language.user_functions import Function
from gradlaws.conformance.ops import TABLE


def runnable(function: Function, backend: Backend, within: Callable[[], None]) -> UserFunction:
    """A function whose ops `backend` runs; `within` is called each time its backward begins.

    Its backward raises Interruption where the function says that it raises.
    """
    saved = function.saved

    def forward(*operands: Any) -> tuple[Sequence[Any], Sequence[Any]]:
        env = dict(zip(function.operands, operands, strict=True))
        _run(backend, function.forward, env)
        return [env[v] for v in function.results], [env[v] for v in saved]

    def backward(kept: Sequence[Any], gradients: Sequence[Any]) -> Sequence[Any]:
        within()
        if function.raises:
            raise Interruption("FUN-19")
        env = dict(zip((*saved, *function.arriving), (*kept, *gradients), strict=True))
        _run(backend, function.backward, env)
        return [None if v is None else env[v] for v in function.gradients]

    constant = frozenset(k for k, v in enumerate(function.results) if v in function.constant)
    return UserFunction(forward, backward, constant, function.once)


def _run(backend: Backend, ops: Sequence[Apply], env: dict[Var, Any]) -> None:
    for step in ops:
        made = backend.apply(step.op, *[env[v] for v in step.inputs], **dict(step.params))
        env.update(zip(step.outs, made if TABLE[step.op].many else (made,), strict=True))
