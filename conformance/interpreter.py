"""Runs programs on a backend, writing down what can be observed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from gradlaws.conformance.backend import Backend
from gradlaws.conformance.observe import Env, Moment, Seen, Shared, Trace
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.program import Program
from gradlaws.conformance.steps import (
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

#: Steps after which only their own results are observed.
QUIET = (Leaf, Apply, Detach, Mode)
#: Steps after which all contents are read again.
WRITING = (InPlace, DetachInPlace)


class Interruption(Exception):
    """What a program raises inside a grad mode, and what its raising hooks raise."""


class Interpreter:
    """One run of a program: variables, open modes, hooks."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.has = backend.capabilities
        self.env: Env = {}
        self.modes: list[AbstractContextManager[Any]] = []
        self.handles: dict[int, Any] = {}
        self.calls: list[tuple[int, Any]] = []
        self._same: dict[str, bool] = {}
        #: What is looked at after each event: all but plain results of ops, which are looked at after the last.
        self.watched: set[Var] = set()
        self.last = -1
        #: What gradients that are gone had shared memory with.
        self.lost: Shared = frozenset()
        # Looking is the most frequent thing of all.
        self._grad, self._numpy = backend.grad, backend.numpy
        self._flags = tuple(
            getattr(backend, flag) if flag in self.has else None
            for flag in ("requires_grad", "is_leaf", "retains_grad")
        )
        self._enabled = backend.is_grad_enabled if "is_grad_enabled" in self.has else None

    def do(self, index: int, step: Step) -> Moment:
        """Run one step and observe."""
        moment = Moment(index, step)
        for var in step.uses():
            if var not in self.env:
                moment.skipped = True
                return moment
        if isinstance(step, ZeroGrad) and self.backend.grad(self.env[step.x]) is None:
            moment.skipped = True
            return moment
        try:
            self._run(step)
        except Exception as error:
            moment.raised = error
        if not isinstance(step, Apply | InPlace | Backward):
            self.watched.update(step.outs or step.uses())
        self._observe(moment)
        return moment

    def close(self) -> None:
        """Leave the modes that are still open."""
        while self.modes:
            self.modes.pop().__exit__(None, None, None)

    # -- running ----------------------------------------------------------------------------------------------

    def _bind(self, outs: tuple[Var, ...], values: Any) -> None:
        for var, value in zip(outs, values, strict=True):
            if value is not None:
                self.env[var] = value

    def _run(self, step: Step) -> None:
        env, backend = self.env, self.backend
        match step:
            case Apply(op=op, inputs=inputs, params=params):
                result = backend.apply(op, *[env[v] for v in inputs], **dict(params))
                self._bind(step.outs, result if TABLE[op].many else (result,))
                if op == "cast":
                    self._same["returned itself"] = result is env[inputs[0]]
            case Leaf(value=value, requires_grad=flag):
                self._bind(step.outs, (backend.tensor(value.array, flag),))
            case Backward():
                self._backward(step)
            case InPlace(op=op, target=target, inputs=inputs, params=params):
                backend.inplace(op, env[target], *[env[v] for v in inputs], **dict(params))
            case ReadGrad(x=x):
                grad = backend.grad(env[x])
                self._same["read twice"] = backend.grad(env[x]) is grad
                self._bind(step.outs, (grad,))
            case ClearGrad(x=x):
                self.lost |= self.sharing(x) or frozenset()
                backend.set_grad(env[x], None)
            case ZeroGrad(x=x):
                grad = backend.grad(env[x])
                backend.zero_grad(env[x])
                self._same["kept object"] = backend.grad(env[x]) is grad
            case SetGrad(x=x, source=source):
                stored = 1.0 if source is None else env[source]
                backend.set_grad(env[x], stored)
                self._same["stored object"] = backend.grad(env[x]) is stored
            case RetainGrad(x=x):
                backend.retain_grad(env[x])
            case Detach(x=x):
                self._bind(step.outs, (backend.detach(env[x]),))
            case DetachInPlace(x=x):
                self._same["returned itself"] = backend.detach_inplace(env[x]) is env[x]
            case RequireGrad(x=x, flag=flag):
                result = backend.set_requires_grad(env[x], flag)
                self._same["returned itself"] = result is env[x]
                self._bind(step.outs, (result,) if step.outs else ())
            case Grad():
                self._functional(step)
            case Mode(kind=kind):
                self._mode(kind)
            case Forget(x=x):
                del env[x]
            case Look():
                pass  # what is looked at is up to `_observe`
            case Hook():
                self._hook(step)
            case RemoveHook(handle=handle):
                if handle in self.handles:
                    self.handles[handle].remove()
            case _:
                raise TypeError(f"the interpreter does not know the step {type(step).__name__}")

    def _seed(self, var: Var | None) -> Any:
        return None if var is None else [1.0] if var == NOT_A_TENSOR else self.env[var]

    def _options(self, step: Backward | Grad) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if step.retain_graph is not None:
            options["retain_graph"] = step.retain_graph
        if step.create_graph:
            options["create_graph"] = True
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
        self._bind(step.outs, found)

    def _mode(self, kind: str) -> None:
        if kind in ("exit", "raise"):
            if self.modes:
                error = Interruption() if kind == "raise" else None
                self.modes.pop().__exit__(type(error) if error else None, error, None)
            return
        context = self.backend.no_grad() if kind == "no_grad" else self.backend.enable_grad()
        context.__enter__()
        self.modes.append(context)

    def _hook(self, step: Hook) -> None:
        x = self.env[step.x]
        backend, handle, effect = self.backend, step.handle, step.effect
        if step.kind == "post_accumulate":

            def after(p: Any) -> None:
                grad = backend.grad(p)
                if grad is not None:  # another hook may have cleared it
                    self.calls.append((handle, backend.numpy(grad)))
                if effect == "clear":
                    backend.set_grad(p, None)

            self.handles[handle] = backend.register_post_accumulate_hook(x, after)
            return

        def hook(g: Any) -> Any:
            self.calls.append((handle, backend.numpy(g)))
            if effect == "raise":
                raise Interruption
            if effect == "double":
                return backend.apply("add", g, g)
            if effect == "negate":
                return backend.apply("mul", g, backend.tensor(np.full_like(backend.numpy(g), -1)))
            return None

        self.handles[handle] = backend.register_hook(x, hook)

    # -- observing --------------------------------------------------------------------------------------------

    def _observe(self, moment: Moment) -> None:
        step = moment.step
        if self.calls:
            moment.calls, self.calls = self.calls, []
        if self._same:
            moment.same, self._same = self._same, {}
        if self._enabled is not None:
            moment.mode = self._enabled()
        if isinstance(step, QUIET):
            for var in step.outs:
                if var in self.env:
                    moment.seen[var] = self.look(self.env[var])
            return
        written = isinstance(step, WRITING)
        everything = written or moment.index >= self.last or moment.raised is not None
        used = step.uses()
        for var, x in self.env.items():
            if everything or var in self.watched or var in used:
                moment.seen[var] = self.look(x, written or var in step.outs)

    def look(self, x: Any, value: bool = True, flags: bool = True) -> Seen:
        """A snapshot of one tensor; its contents only if `value`."""
        grad = self._grad(x)
        if not flags:
            return Seen(self._numpy(x) if value else None, None if grad is None else self._numpy(grad))
        requires_grad, is_leaf, retains = self._flags
        return Seen(
            self._numpy(x) if value else None,
            None if grad is None else self._numpy(grad),
            requires_grad(x) if requires_grad else None,
            is_leaf(x) if is_leaf else None,
            retains(x) if retains else None,
            requires_grad(grad) if requires_grad and grad is not None else None,
        )

    def finish(self, trace: Trace) -> None:
        """Write down how everything stands at the end."""
        trace.final = {var: self.look(x, flags=False) for var, x in self.env.items()}
        shared = self.sharing()
        trace.shared = None if shared is None else shared | self.lost

    def sharing(self, only: Var | None = None) -> Shared | None:
        """Which gradients (of all variables, or of one) share memory with which values and other gradients."""
        if "shares_memory" not in self.has:
            return None
        things: list[tuple[tuple[str, Var], Any]] = [(("value", v), x) for v, x in self.env.items()]
        grads: list[tuple[tuple[str, Var], Any]] = []
        known: set[int] = set()
        for v, x in self.env.items():
            grad = self.backend.grad(x)
            if grad is not None and id(grad) not in known:
                known.add(id(grad))
                grads.append((("grad", v), grad))
        found = set()
        for k, (name, grad) in enumerate(grads):
            for other, thing in grads[:k] + things:
                if only is not None and only != name[1] and other != ("grad", only):
                    continue
                if thing is not grad and self.backend.shares_memory(grad, thing):
                    found.add((other, name))
        return frozenset(found)


def run(program: Program, backend: Backend) -> Trace:
    """The trace of `program` on `backend`."""
    interpreter = Interpreter(backend)
    events = [index for index, step in enumerate(program) if not isinstance(step, QUIET)]
    interpreter.last = max(events, default=-1)
    trace = Trace()
    try:
        for index, step in enumerate(program):
            trace.moments.append(interpreter.do(index, step))
        interpreter.finish(trace)
    finally:
        interpreter.close()
    return trace
