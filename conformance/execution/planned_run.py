"""Programs run by a plan, which says beforehand what is looked at after each step.

An engine in another process is sent the plan along with the program, so that it need not know when to look at what.
What comes of it is the trace that `interpreter.run`, or `whole_program_run.watch`, gives in this process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.engines.exceptions import located
from gradlaws.conformance.execution.interpreter import UNMARKED, Interpreter
from gradlaws.conformance.execution.observer import QUIET, WRITING, last_event
from gradlaws.conformance.execution.trace import Moment, Trace
from gradlaws.conformance.execution.whole_program_run import Watched, memory_owners, together
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    DetachInPlace,
    Grad,
    Hook,
    InPlace,
    Look,
    ReadGrad,
    RequireGrad,
    SetGrad,
    Step,
    Var,
    ZeroGrad,
)
from gradlaws.conformance.language.training import ClipGrad, OptimizerStep, OptimizerZeroGrad

#: Variables; None for all that are bound.
Some = tuple[Var, ...] | None


@dataclass(frozen=True)
class Wanted:
    """What is looked at after a step.

    tensors:  whose gradients and flags; None for those of all.
    contents: whose contents, too; None for those of all.
    """

    tensors: Some = ()
    contents: Some = ()


NOTHING, EVERYTHING = Wanted(), Wanted(None, None)


@dataclass(frozen=True)
class Plan:
    """What is looked at while a program runs.

    after:  after each step that ended well.
    raised: after each that did not.
    final:  whether contents and gradients of all tensors are asked for at the end.
    views, own: of which variables it is asked at the end whether they share memory: of each of these pairs, and of any
        two of these; None for none.
    """

    after: Sequence[Wanted]
    raised: Sequence[Wanted]
    final: bool = False
    views: Sequence[tuple[Var, Var]] | None = None
    own: Sequence[Var] = ()


def plan_of_law(program: Program, dialect: Dialect) -> Plan:
    """What `interpreter.run` looks at."""
    after: list[Wanted] = []
    raised: list[Wanted] = []
    watched: set[Var] = set()
    keeping, writing = dialect.intermediates == "kept", False
    last = last_event(program)
    for index, step in enumerate(program):
        kind, outs, used = type(step), step.outs, step.uses()
        if kind not in UNMARKED or keeping:
            watched.update(outs or used)
        writing = writing or (kind is Hook and any(isinstance(inner, InPlace) for inner in step.within))  # type: ignore[attr-defined]
        if kind in QUIET:
            also = used if dialect.use == "clears" else ()
            after.append(Wanted((*outs, *also), outs))
            raised.append(after[-1])
            continue
        written = kind in WRITING or (writing and kind in (Backward, Grad))
        raised.append(EVERYTHING if written else Wanted(None, outs))
        some = Wanted(tuple(sorted(watched.union(used))), outs)
        after.append(raised[-1] if written or index >= last else some)
    return Plan(after, raised, final=True)


def plan_of_whole(program: Program) -> Plan:
    """What `whole_program_run.watch` looks at."""
    after = [EVERYTHING if isinstance(step, Look) else NOTHING for step in program]
    lost = Wanted(None, ())
    raised = [
        lost if isinstance(step, (Backward, Grad)) else wanted
        for step, wanted in zip(program, after, strict=True)
    ]
    views, own = memory_owners(program)
    return Plan(after, raised, views=views, own=own)


#: The yes-no questions about identity that each kind of step answers, where it ended well.
_QUESTIONS: dict[type[Step], str] = {
    Backward: "returned None",
    ReadGrad: "read twice",
    SetGrad: "stored object",
    DetachInPlace: "returned itself",
    RequireGrad: "returned itself",
    **dict.fromkeys((ZeroGrad, OptimizerStep, ClipGrad), "kept object"),
}


def question(step: Step) -> str:
    """What is asked of a step that ended well; empty for nothing."""
    if isinstance(step, Apply) and step.op == "cast":
        return "returned itself"
    if isinstance(step, OptimizerZeroGrad) and not step.set_to_none:
        return "kept object"
    return _QUESTIONS.get(type(step), "")


class Follower(Interpreter):
    """Looks at what the plan says."""

    def __init__(self, backend: Backend, program: Program, plan: Plan) -> None:
        super().__init__(backend)
        self.plan, self.last = plan, last_event(program)

    def _observe(self, moment: Moment) -> None:
        self._note(moment)
        plan, seen, env = self.plan, moment.seen, self.env
        wanted = (plan.after if moment.raised is None else plan.raised)[moment.index]
        tensors, contents = wanted.tensors, wanted.contents
        if tensors == ():
            return
        for var in env if tensors is None else tensors:
            if var in env:
                seen[var] = self.look(env[var], contents is None or var in contents)


@np.errstate(all="ignore")
def followed(program: Program, plan: Plan, backend: Backend) -> Trace:
    """The trace of a program run by a plan."""
    if backend.elsewhere is not None:
        return cast(Trace, backend.elsewhere.followed(program, plan))
    follower = Follower(backend, program, plan)
    trace = Watched()
    try:
        for index, step in enumerate(program):
            trace.moments.append(follower.do(index, step))
        if plan.final:
            follower.finish(trace)
        else:
            follower.conclude(trace)
            trace.together = together(follower, plan.views or (), plan.own)
    except BaseException as error:
        located(error, backend)
        raise
    finally:
        follower.close()
    return trace
