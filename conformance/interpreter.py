"""Runs programs on a backend, writing down what can be observed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

import numpy as np

from gradlaws.conformance.backend import Backend
from gradlaws.conformance.effects import Interruption, answer
from gradlaws.conformance.observe import Env, Moment, Seen, Shared, Trace, together
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

ROWS = TABLE.rows
#: Steps after which only their own results are observed.
QUIET = frozenset({Leaf, Apply, Detach, Mode})
#: Steps after which all contents are read again.
WRITING = frozenset({InPlace, DetachInPlace})
#: Steps that single out none of their variables to be looked at after each event.
UNMARKED = frozenset({Apply, InPlace, Backward})
#: What a hook was shown that was called without a gradient.
NOTHING = np.array(None, dtype=object)


class Interpreter:
    """One run of a program: variables, open modes, hooks."""

    #: How a step may end other than well.
    lawful: tuple[type[Exception], ...] = (Exception,)

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
        self._clearing = backend.dialect.use == "clears"
        self._keeping = backend.dialect.intermediates == "kept"
        self.last = -1
        self._cyclic = False
        #: What gradients that are gone had shared memory with.
        self.lost: Shared = frozenset()
        # Looking is the most frequent thing of all.
        self._grad, self._numpy, self._flags = backend.grad, backend.numpy, backend.flags
        self._requires_grad = backend.requires_grad if "requires_grad" in self.has else None
        self._enabled = backend.is_grad_enabled if "is_grad_enabled" in self.has else None

    def do(self, index: int, step: Step) -> Moment:
        """Run one step and observe."""
        moment = Moment(index, step)
        kind, used, env = type(step), step.uses(), self.env
        for var in used:
            if var not in env:
                moment.skipped = True
                return moment
        if kind is ZeroGrad and self._grad(self.env[used[0]]) is None:
            moment.skipped = True
            return moment
        try:
            VERBS[kind](self, step)
        except self.lawful as error:
            moment.raised = error.with_traceback(None)  # which would keep all frames, in a cycle
        if kind not in UNMARKED or self._keeping:
            self.watched.update(step.outs or used)
        self._observe(moment)
        return moment

    def close(self) -> None:
        """Leave the modes that are still open."""
        while self.modes:
            self.modes.pop().__exit__(None, None, None)
        # Cycles through an engine's graph, which no collector may see: from hook to tensor, from gradient to leaf.
        for handle in self.handles.values():
            with suppress(Exception):
                handle.remove()
        if self._cyclic and "set_grad" in self.has:
            for x in self.env.values():
                with suppress(Exception):
                    self.backend.set_grad(x, None)

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

    def _inplace(self, step: InPlace) -> None:
        operands = [self.env[v] for v in step.uses()]
        self.backend.inplace(step.op, *operands, **dict(step.params))

    def _read_grad(self, step: ReadGrad) -> None:
        x = self.env[step.x]
        grad = self._grad(x)
        self._same["read twice"] = self._grad(x) is grad
        self._bind(step.outs, (grad,))

    def _clear_grad(self, step: ClearGrad) -> None:
        self.lost |= self.sharing(step.x) or frozenset()
        self.backend.set_grad(self.env[step.x], None)

    def _zero_grad(self, step: ZeroGrad) -> None:
        x = self.env[step.x]
        grad = self._grad(x)
        self.backend.zero_grad(x)
        self._same["kept object"] = self._grad(x) is grad

    def _set_grad(self, step: SetGrad) -> None:
        x, stored = self.env[step.x], 1.0 if step.source is None else self.env[step.source]
        self.backend.set_grad(x, stored)
        self._same["stored object"] = self._grad(x) is stored

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
        return None if var is None else [1.0] if var == NOT_A_TENSOR else self.env[var]

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
        self._bind(step.outs, found)

    def _mode(self, step: Mode) -> None:
        kind = step.kind
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
            self.calls.append((handle, NOTHING if g is None else backend.numpy(g)))
            return answer(backend, effect, g)

        self.handles[handle] = backend.register_hook(x, hook)

    # -- observing --------------------------------------------------------------------------------------------

    def _note(self, moment: Moment) -> None:
        """What is written down after every step: hook calls, answers about identity, grad mode."""
        if self.calls:
            moment.calls, self.calls = self.calls, []
        if self._same:
            moment.same, self._same = self._same, {}
        if self._enabled is not None:
            moment.mode = self._enabled()

    def _observe(self, moment: Moment) -> None:
        self._note(moment)
        step, seen, env = moment.step, moment.seen, self.env
        kind, outs = type(step), step.outs
        if kind in QUIET:
            for var in outs:
                if var in env:
                    seen[var] = self.look(env[var])
            if self._clearing:
                for var in step.uses():
                    seen[var] = self.look(env[var], False)
            return
        written = kind in WRITING
        if written or moment.index >= self.last or moment.raised is not None:
            for var, x in env.items():
                seen[var] = self.look(x, written or var in outs)
            return
        watched, used = self.watched, step.uses()
        for var, x in env.items():
            if var in watched or var in used:
                seen[var] = self.look(x, var in outs)

    def look(self, x: Any, value: bool = True) -> Seen:
        """A snapshot of one tensor; its contents only if `value`."""
        grad, numpy = self._grad(x), self._numpy
        requires_grad, is_leaf, retains = self._flags(x)
        if grad is None:
            return Seen(numpy(x) if value else None, None, requires_grad, is_leaf, retains)
        tracked = self._requires_grad(grad) if self._requires_grad is not None else None
        return Seen(numpy(x) if value else None, numpy(grad), requires_grad, is_leaf, retains, tracked)

    def finish(self, trace: Trace) -> None:
        """Write down how everything stands at the end."""
        numpy = self._numpy
        # After an event that ends the program, everything has just been looked at.
        seen = trace.moments[-1].seen if self.last == len(trace.moments) - 1 and self.last >= 0 else {}
        grads: dict[Var, Any] = {}
        for var, x in self.env.items():
            known = seen.get(var)
            if known is None or known.grad is not None:
                grads[var] = self._grad(x)
            array = None if grads.get(var) is None else numpy(grads[var]) if known is None else known.grad
            trace.final[var] = Seen(numpy(x), array)
        shared = self.sharing(grads=grads)
        trace.shared = None if shared is None else shared | self.lost

    def sharing(self, only: Var | None = None, grads: dict[Var, Any] | None = None) -> Shared | None:
        """Which gradients (of all variables, or of one) share memory with what else; `grads` where read already."""
        if "shares_memory" not in self.has:
            return None
        if grads is None:
            grads = {var: self._grad(x) for var, x in self.env.items()}
        return together(self.backend, self.env, grads, only)


#: What runs each step.
VERBS: dict[type[Step], Callable[[Interpreter, Any], None]] = {
    Leaf: Interpreter._leaf,
    Apply: Interpreter._apply,
    InPlace: Interpreter._inplace,
    Backward: Interpreter._backward,
    Grad: Interpreter._functional,
    ReadGrad: Interpreter._read_grad,
    ClearGrad: Interpreter._clear_grad,
    ZeroGrad: Interpreter._zero_grad,
    SetGrad: Interpreter._set_grad,
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
    interpreter, trace = Interpreter(backend), Trace()
    interpreter.last = max((k for k, step in enumerate(program) if type(step) not in QUIET), default=-1)
    try:
        for index, step in enumerate(program):
            trace.moments.append(interpreter.do(index, step))
        interpreter.finish(trace)
    finally:
        interpreter.close()
    return trace
