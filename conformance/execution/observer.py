"""Snapshots: what is observed of an engine's tensors after a step of a program, and at its end."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.execution.memory_sharing import Env, Shared, together
from gradlaws.conformance.execution.trace import Moment, Seen, Trace
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    Detach,
    DetachInPlace,
    Grad,
    InPlace,
    Leaf,
    Mode,
    Var,
)
from gradlaws.conformance.language.training import OptimizerStep
from gradlaws.conformance.language.user_functions import ApplyFunction

#: What no engine's tensor is that is not plainly one of these itself.
PLAIN = (np.ndarray, np.generic, Number, list, tuple)
#: Steps after which only their own results are observed.
QUIET = frozenset({Leaf, Apply, ApplyFunction, Checkpoint, Detach, Mode})
#: Steps after which all contents are read again.
WRITING = frozenset({InPlace, DetachInPlace, OptimizerStep})


def last_event(program: Program) -> int:
    """The last step after which more is looked at than its own results; -1 for none."""
    return max((k for k, step in enumerate(program) if type(step) not in QUIET), default=-1)


class Observer:
    """Takes snapshots of the variables of one run.

    env:     what the variables are bound to.
    watched: what is looked at after each event: all but plain results of ops, which are looked at after the last.
    last:    the step after which everything is looked at.
    calls:   hook calls since the last snapshot, as (handle, gradient).
    writing: whether a hook writes to a tensor when a backward comes by.
    lost:    what gradients that are gone had shared memory with.
    readings: by variable: what its gradient was bound to when it was read, an object of its own on some engines.
    foreign: the type of a gradient that was no tensor of the engine; None if all were.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.has = backend.capabilities
        self.env: Env = {}
        self.watched: set[Var] = set()
        self.last = -1
        self.calls: list[tuple[int, Any]] = []
        self.writing = False
        self.lost: Shared = frozenset()
        self.readings: dict[Var, list[Var]] = {}
        self.foreign: str | None = None
        self._same: dict[str, bool] = {}
        self._clearing = backend.dialect.use == "clears"
        # Looking is the most frequent thing of all.
        self._read, self._numpy, self._flags = backend.grad, backend.numpy, backend.flags
        self._requires_grad = backend.requires_grad if "requires_grad" in self.has else None
        self._enabled = backend.is_grad_enabled if "is_grad_enabled" in self.has else None

    def _grad(self, x: Any) -> Any:
        """The gradient of x, as a tensor: one of another type breaks one law, and is judged on by what it holds."""
        grad = self._read(x)
        if grad is None or type(grad) is type(x) or not isinstance(grad, PLAIN) or isinstance(x, PLAIN):
            return grad
        self.foreign = type(grad).__name__
        return self.backend.tensor(np.asarray(grad))

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
        written = kind in WRITING or (self.writing and kind in (Backward, Grad))
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
        self.conclude(trace, grads)

    def conclude(self, trace: Trace, grads: dict[Var, Any] | None = None) -> None:
        """Write down what shares memory at the end, and whether all gradients were tensors; `grads` where read."""
        trace.foreign = self.foreign
        shared = self.sharing(grads=grads)
        trace.shared = None if shared is None else shared | self.lost

    def sharing(self, only: Var | None = None, grads: dict[Var, Any] | None = None) -> Shared | None:
        """Which gradients (of all variables, or of one) share memory with what else; `grads` where read already."""
        if "shares_memory" not in self.has:
            return None
        if grads is None:
            grads = {var: self._grad(x) for var, x in self.env.items()}
        return together(self.backend, self.env, grads, only)

    def lose(self, x: Var) -> None:
        """Note what shares memory with the gradient of x, which is about to go."""
        own = {(("value", var), ("grad", x)) for var in self.readings.get(x, ())}
        self.lost |= (self.sharing(x) or frozenset()) - own
