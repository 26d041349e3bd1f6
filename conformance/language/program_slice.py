"""The backward slice of a program: which of its steps have to do with one of them."""

from __future__ import annotations

from gradlaws.conformance.language.aliasing import neighbours
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    ClearGrad,
    Detach,
    Grad,
    InPlace,
    Look,
    Mode,
    ReadGrad,
    SetGrad,
    Step,
    Var,
    ZeroGrad,
)
from gradlaws.conformance.language.training import ClipGrad, OnParameters, OptimizerStep, OptimizerZeroGrad
from gradlaws.conformance.language.user_functions import ApplyFunction

#: Steps that compute: what they make depends on what they use.
COMPUTING = (Apply, ApplyFunction, Checkpoint, Detach, Grad, InPlace)


#: Steps that are about a .grad, which whatever backward there was may have made.
ABOUT_GRADIENTS = (ReadGrad, SetGrad, ClearGrad, ZeroGrad, OptimizerStep, OptimizerZeroGrad, ClipGrad)


def relevant(program: Program, index: int, var: Var | None = None) -> Program:
    """The steps up to `index` that can have to do with what was done there, or what that did to `var`.

    These are the steps that made what it uses, that wrote to the memory of that, hooked it, or asked something of
    it; where it is about a .grad, all backwards; and the grad modes. Where step `index` is a look, it is about the
    step before it.
    """
    while index and isinstance(program.steps[index], Look):
        index -= 1
    wanted = {*program.steps[index].uses(), *program.steps[index].outs} | (
        {var} if var is not None else set()
    )
    kin = neighbours(program)
    chosen: set[int] = {index}
    if isinstance(program.steps[index], ABOUT_GRADIENTS):
        backwards = [k for k, step in enumerate(program.steps[:index]) if isinstance(step, Backward)]
        chosen.update(backwards)
        wanted |= {v for k in backwards for v in program.steps[k].uses()}
    before = -1
    while len(chosen) + len(wanted) != before:
        before = len(chosen) + len(wanted)
        for v in tuple(wanted):
            wanted |= kin.get(v, set())
        for k in range(index, -1, -1):
            step = program.steps[k]
            if not wanted.isdisjoint((*step.outs, *step.uses()[:1], *_listed(step))):
                chosen.add(k)
                if isinstance(step, COMPUTING):
                    wanted.update(step.uses())
    return Program(
        tuple(s for k, s in enumerate(program.steps[: index + 1]) if k in chosen or isinstance(s, Mode))
    )


def _listed(step: Step) -> tuple[Var, ...]:
    if isinstance(step, Backward | Grad):
        return (*step.roots, *(step.inputs or ()))
    return step.uses() if isinstance(step, OnParameters) else ()
