"""Runs programs on a backend, step by step; what is observed after each is written down by `observer`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any, cast

import numpy as np

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exceptions import located
from gradlaws.conformance.engines.time_limit import EndlessProgram, time_limit
from gradlaws.conformance.execution.checkpoints import part
from gradlaws.conformance.execution.hook_effects import NOTHING, Interruption, answer
from gradlaws.conformance.execution.observer import last_event
from gradlaws.conformance.execution.threads import run_in_threads
from gradlaws.conformance.execution.trace import Moment, Trace
from gradlaws.conformance.execution.training import TRAINING, Trainer
from gradlaws.conformance.execution.user_functions import runnable
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import (
    NOT_A_TENSOR,
    Apply,
    Backward,
    ClearGrad,
    Detach,
    DetachInPlace,
    Forget,
    Grad,
    Hook,
    InPlace,
    Leaf,
    Look,
    Mode,
    ReadGrad,
    RemoveHook,
    RequireGrad,
    RetainGrad,
    SetGrad,
    Step,
    Var,
    ZeroGrad,
)
from gradlaws.conformance.language.threads import Threads
from gradlaws.conformance.language.training import OF_OPTIMIZERS
from gradlaws.conformance.language.user_functions import ApplyFunction
from gradlaws.conformance.ops import TABLE

ROWS = TABLE.rows
#: Steps that single out none of their variables to be looked at after each event.
UNMARKED = frozenset({Apply, ApplyFunction, Checkpoint, InPlace, Backward})


class Interpreter(Trainer):
    """One run of a program: variables, open modes, hooks."""

    #: How a step may end other than well.
    lawful: tuple[type[Exception], ...] = (Exception,)
    #: Whether threads run at once, or one after the other.
    at_once = True

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.modes: list[AbstractContextManager[Any]] = []
        self.handles: dict[int, Any] = {}
        self._keeping = backend.dialect.intermediates == "kept"
        self._cyclic = False
        #: Whether a step did not end in time: none is taken after it.
        self.hung = False

    def do(self, index: int, step: Step) -> Moment:
        """Run one step and observe."""
        moment = Moment(index, step)
        kind, used, env = type(step), step.uses(), self.env
        for var in used:
            if var not in env:
                moment.skipped = True
                return moment
        if self.hung:
            moment.skipped = True
            return moment
        if (kind is ZeroGrad and self._grad(env[used[0]]) is None) or (
            kind in OF_OPTIMIZERS and step.handle not in self.optimizers  # type: ignore[attr-defined]
        ):
            moment.skipped = True
            return moment
        try:
            VERBS[kind](self, step)
            if kind is Grad:
                moment.nothing = tuple([v for v in step.outs if v not in env])
        except self.lawful as error:
            located(error, self.backend)
            moment.raised = error.with_traceback(None)  # which would keep all frames, in a cycle
            self.hung = isinstance(error, EndlessProgram)
        if kind not in UNMARKED or self._keeping:
            self.watched.update(step.outs or used)
        self._observe(moment)
        return moment

    def close(self) -> None:
        """Leave the modes that are still open, and let go of all tensors."""
        while self.modes:
            self.modes.pop().__exit__(None, None, None)
        # Cycles through an engine's graph, which no collector may see: from hook to tensor, from gradient to leaf.
        for handle in self.handles.values():
            with suppress(Exception):
                handle.remove()
        self.handles.clear()
        if self._cyclic and "set_grad" in self.has:
            for x in self.env.values():
                with suppress(Exception):
                    self.backend.set_grad(x, None)
        # The backward of a user-defined function, which the graph holds, holds this run.
        self.env.clear()
        self.optimizers.clear()

    # -- running ----------------------------------------------------------------------------------------------

    def _bind(self, outs: tuple[Var, ...], values: Any) -> None:
        for var, value in zip(outs, values, strict=True):
            if value is not None:
                self.env[var] = value

    def _leaf(self, step: Leaf) -> None:
        self.env[step.outs[0]] = self.backend.tensor(step.value.array, step.requires_grad)

    def _apply(self, step: Apply) -> None:
        env, op = self.env, step.op
        params = dict(step.params) if step.params else {}
        result = self.backend.apply(op, *[env[v] for v in step.inputs], **params)
        if ROWS[op].many:
            self._bind(step.outs, result)
        elif result is not None:
            env[step.outs[0]] = result
        if op == "cast":
            self._same["returned itself"] = result is env[step.inputs[0]]

    def _function(self, step: ApplyFunction) -> None:
        function = runnable(step.function, self.backend, lambda: self._nested(step.within))
        self._bind(step.outs, self.backend.user_function(function, [self.env[v] for v in step.inputs]))

    def _checkpoint(self, step: Checkpoint) -> None:
        made = self.backend.checkpoint(part(step, self.backend), [self.env[v] for v in step.uses()])
        self._bind(step.outs, made)

    def _threads(self, step: Threads) -> None:
        def run_part(steps: tuple[Step, ...]) -> None:
            for inner in steps:
                VERBS[type(inner)](self, inner)

        run_in_threads([partial(run_part, steps) for steps in step.parts], self.at_once)

    def _nested(self, steps: tuple[Step, ...]) -> None:
        """Take steps within a backward; modes that they leave open, and variables that they make, end with them."""
        depth = len(self.modes)
        try:
            for step in steps:
                VERBS[type(step)](self, step)
        finally:
            for step in steps:
                for var in step.outs:
                    self.env.pop(var, None)
            while len(self.modes) > depth:
                self.modes.pop().__exit__(None, None, None)

    def _inplace(self, step: InPlace) -> None:
        operands = [self.env[v] for v in step.uses()]
        self.backend.inplace(step.op, *operands, **dict(step.params))

    def _read_grad(self, step: ReadGrad) -> None:
        x = self.env[step.x]
        grad = self._grad(x)
        self._same["read twice"] = self._read(x) is self._read(x)
        self._bind(step.outs, (grad,))
        self.readings.setdefault(step.x, []).extend(step.outs)

    def _clear_grad(self, step: ClearGrad) -> None:
        self.lose(step.x)
        self.backend.set_grad(self.env[step.x], None)

    def _zero_grad(self, step: ZeroGrad) -> None:
        x = self.env[step.x]
        grad = self._read(x)
        self.backend.zero_grad(x)
        self._same["kept object"] = self._read(x) is grad

    def _set_grad(self, step: SetGrad) -> None:
        x, stored = self.env[step.x], 1.0 if step.source is None else self.env[step.source]
        self.backend.set_grad(x, stored)
        self._same["stored object"] = self._read(x) is stored

    def _retain_grad(self, step: RetainGrad) -> None:
        self.backend.retain_grad(self.env[step.x])

    def _detach(self, step: Detach) -> None:
        self._bind(step.outs, (self.backend.detach(self.env[step.x]),))

    def _detach_inplace(self, step: DetachInPlace) -> None:
        x = self.env[step.x]
        self._same["returned itself"] = self.backend.detach_inplace(x) is x

    def _require_grad(self, step: RequireGrad) -> None:
        x = self.env[step.x]
        result = self.backend.set_requires_grad(x, step.flag)
        self._same["returned itself"] = result is x
        self._bind(step.outs, (result,) if step.outs else ())

    def _forget(self, step: Forget) -> None:
        del self.env[step.x]

    def _look(self, step: Look) -> None:
        """What is looked at is up to `_observe`."""

    def _remove_hook(self, step: RemoveHook) -> None:
        if step.handle in self.handles:
            self.handles[step.handle].remove()

    def _seed(self, var: Var | None) -> Any:
        if var == NOT_A_TENSOR:
            return np.array([1.0]) if self.backend.dialect.gradient_type == "array" else [1.0]
        return None if var is None else self.env[var]

    def _options(self, step: Backward | Grad) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if step.retain_graph is not None:
            options["retain_graph"] = step.retain_graph
        if step.create_graph:
            options["create_graph"] = self._cyclic = True
        return options

    def _backward(self, step: Backward) -> None:
        env, options = self.env, self._options(step)
        if step.inputs is not None:
            options["inputs"] = [env[v] for v in step.inputs]
        seeds = None if step.gradients is None else [self._seed(v) for v in step.gradients]
        if len(step.roots) == 1 and (seeds is None or len(seeds) == 1):
            result = self.backend.backward(env[step.roots[0]], seeds[0] if seeds else None, **options)
        else:
            result = self.backend.backward_many([env[v] for v in step.roots], seeds, **options)
        self._same["returned None"] = result is None

    def _functional(self, step: Grad) -> None:
        options = self._options(step)
        if step.allow_unused:
            options["allow_unused"] = True
        if step.materialize_grads:
            options["materialize_grads"] = True
        seeds = None if step.gradients is None else [self._seed(v) for v in step.gradients]
        found = self.backend.autograd_grad(
            [self.env[v] for v in step.roots], [self.env[v] for v in step.inputs], seeds, **options
        )
        if len(found) != len(step.inputs):
            raise ValueError(f"autograd_grad returned {len(found)} results for {len(step.inputs)} inputs")
        self._bind(step.outs, found)

    def _mode(self, step: Mode) -> None:
        kind = step.kind
        if kind in ("exit", "raise"):
            if self.modes:
                error = Interruption("MODE-06") if kind == "raise" else None
                self.modes.pop().__exit__(type(error) if error else None, error, None)
            return
        context = self.backend.no_grad() if kind == "no_grad" else self.backend.enable_grad()
        context.__enter__()
        self.modes.append(context)

    def _hook(self, step: Hook) -> None:
        x = self.env[step.x]
        backend, handle, effect = self.backend, step.handle, step.effect
        self.writing |= any(isinstance(inner, InPlace) for inner in step.within)
        if step.kind == "post_accumulate":

            def after(p: Any) -> None:
                leaf = self.env.get(step.x)
                if leaf is not None:  # the program may have let go of it
                    question = "called with the leaf"
                    self._same[question] = self._same.get(question, True) and p is leaf
                grad = backend.grad(p)
                # Another hook may have cleared it, or nothing was accumulated.
                self.calls.append((handle, NOTHING if grad is None else backend.numpy(grad)))
                self._nested(step.within)
                if effect == "clear":
                    backend.set_grad(p, None)
                elif effect == "raise":
                    raise Interruption("HOOK-09")

            self.handles[handle] = backend.register_post_accumulate_hook(x, after)
            return

        def hook(g: Any) -> Any:
            self.calls.append((handle, NOTHING if g is None else backend.numpy(g)))
            self._nested(step.within)
            return answer(backend, effect, g)

        self.handles[handle] = backend.register_hook(x, hook)


#: What runs each step.
VERBS: dict[type[Step], Callable[[Interpreter, Any], None]] = {
    Leaf: Interpreter._leaf,
    Apply: Interpreter._apply,
    ApplyFunction: Interpreter._function,
    Checkpoint: Interpreter._checkpoint,
    Threads: Interpreter._threads,
    InPlace: Interpreter._inplace,
    Backward: Interpreter._backward,
    Grad: Interpreter._functional,
    ReadGrad: Interpreter._read_grad,
    ClearGrad: Interpreter._clear_grad,
    ZeroGrad: Interpreter._zero_grad,
    SetGrad: Interpreter._set_grad,
    **TRAINING,
    RetainGrad: Interpreter._retain_grad,
    Detach: Interpreter._detach,
    DetachInPlace: Interpreter._detach_inplace,
    RequireGrad: Interpreter._require_grad,
    Mode: Interpreter._mode,
    Forget: Interpreter._forget,
    Look: Interpreter._look,
    Hook: Interpreter._hook,
    RemoveHook: Interpreter._remove_hook,
}


@np.errstate(all="ignore")
def run(program: Program, backend: Backend) -> Trace:
    """The trace of `program` on `backend`."""
    if backend.elsewhere is not None:
        return cast(Trace, backend.elsewhere.observed(program))
    interpreter, trace = Interpreter(backend), Trace()
    interpreter.last = last_event(program)
    try:
        with time_limit(backend.patience, EndlessProgram):
            for index, step in enumerate(program):
                trace.moments.append(interpreter.do(index, step))
            interpreter.finish(trace)
    except BaseException as error:
        located(error, backend)
        raise
    finally:
        interpreter.close()
    return trace
