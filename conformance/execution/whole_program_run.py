"""Runs whole programs, which say themselves when they are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exceptions import located
from gradlaws.conformance.engines.time_limit import EndlessProgram, time_limit
from gradlaws.conformance.execution.interpreter import Interpreter
from gradlaws.conformance.execution.trace import Moment, Trace
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Backward, Detach, Grad, Leaf, Look, SetGrad, Step, Var
from gradlaws.conformance.language.user_functions import ApplyFunction
from gradlaws.conformance.ops import TABLE


@dataclass(slots=True)
class Watched(Trace):
    """The trace of a whole program.

    together: pairs of variables whose contents share memory at the end, of those that `memory_pairs` names; None
        where the engine cannot tell.
    """

    together: frozenset[tuple[Var, Var]] | None = None


#: With so many tensors before it each tensor is asked for shared memory: with all, in programs of a usual length, and
#: in long ones with few enough for their cost to grow with their length.
NEAR = 128


def memory_pairs(program: Program) -> tuple[list[tuple[Var, Var]], list[tuple[Var, Var]]]:
    """(views and detached tensors with what they were made from, pairs of tensors with memory of their own)."""
    views, own = memory_owners(program)
    return views, _pairs(own)


def _pairs(own: Sequence[Var]) -> list[tuple[Var, Var]]:
    return [(a, b) for k, a in enumerate(own) for b in own[max(0, k - NEAR) : k]]


def memory_owners(program: Program) -> tuple[list[tuple[Var, Var]], list[Var]]:
    """(views and detached tensors with what they were made from, tensors with memory of their own).

    Gradients that the program has got hold of are left out: whom they share memory with is a law of its own.
    """
    views: list[tuple[Var, Var]] = []
    own: list[Var] = []
    for step in program:
        if isinstance(step, Detach):
            views.append((step.outs[0], step.x))
        elif isinstance(step, Apply):
            alias = TABLE[step.op].alias
            if alias == "view":
                views += [(out, step.inputs[0]) for out in step.outs]
            elif not alias:
                own += step.outs
        elif isinstance(step, ApplyFunction):
            for k, out in enumerate(step.outs):
                handed = step.function.handed_through(k)
                if handed is None:
                    own.append(out)
                else:
                    views.append((out, step.inputs[handed]))
        elif isinstance(step, Leaf | Checkpoint):
            own += step.outs
    assigned = {step.source for step in program if isinstance(step, SetGrad)}
    return views, [v for v in own if v not in assigned]


class Watcher(Interpreter):
    """Looks at everything after a `Look`, and at nothing elsewhere but outcomes, hook calls and grad mode.

    After a backward that failed, or an `autograd.grad`, gradients are looked at: each may have received its
    contribution or not, and nobody can tell what comes next without knowing.
    """

    def _observe(self, moment: Moment) -> None:
        self._note(moment)
        if isinstance(moment.step, Look):
            for var, x in self.env.items():
                moment.seen[var] = self.look(x)
        elif moment.raised is not None and isinstance(moment.step, Backward | Grad):
            for var, x in self.env.items():
                moment.seen[var] = self.look(x, value=False)


def together(
    run: Interpreter, views: Sequence[tuple[Var, Var]], own: Sequence[Var]
) -> frozenset[tuple[Var, Var]] | None:
    """Which of these variables share memory in the end of a run; None where the engine cannot tell."""
    if not {"shares_memory", "views"} <= run.has:
        return None
    env, shares = run.env, run.backend.shares_memory
    return frozenset(
        (a, b) for a, b in (*views, *_pairs(own)) if a in env and b in env and shares(env[a], env[b])
    )


@np.errstate(all="ignore")
def watch(program: Program, backend: Backend) -> Watched:
    """The trace of a whole program; what shares memory at its end, `final` empty."""
    if backend.elsewhere is not None:
        return cast(Watched, backend.elsewhere.watched(program))
    watcher = Watcher(backend)
    trace = Watched()
    try:
        with time_limit(backend.patience, EndlessProgram):
            for index, step in enumerate(program):
                trace.moments.append(watcher.do(index, step))
            watcher.conclude(trace)
            trace.together = together(watcher, *memory_owners(program))
    except BaseException as error:
        located(error, backend)
        raise
    finally:
        watcher.close()
    return trace


def watchful(program: Program) -> Program:
    """The program with a look after every step."""
    steps: list[Step] = []
    for step in program:
        if not isinstance(step, Look):
            steps += (step, Look())
    return Program(tuple(steps))
