"""Who shares memory with whom in a program: views, and what they are views of; detached tensors.

And from that, which steps have to do with each other.
"""

from __future__ import annotations

from gradlaws.conformance.marks import is_view
from gradlaws.conformance.program import Program
from gradlaws.conformance.steps import (
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

#: Steps that compute: what they make depends on what they use.
COMPUTING = (Apply, Detach, Grad, InPlace)
#: Steps that are about a .grad, which whatever backward there was may have made.
ABOUT_GRADIENTS = (ReadGrad, SetGrad, ClearGrad, ZeroGrad)


def memory(program: Program) -> dict[Var, Var]:
    """For each variable the one whose memory it lives in, itself included; `reshape` counts as a view."""
    found: dict[Var, Var] = {}
    for step in program:
        source = step.uses()[0] if isinstance(step, Detach) or is_view(step) else None
        for var in step.outs:
            found[var] = var if source is None else found.get(source, source)
    return found


def neighbours(program: Program) -> dict[Var, set[Var]]:
    """For each variable all that live in the same memory, itself included."""
    bases = memory(program)
    groups: dict[Var, set[Var]] = {}
    for var, base in bases.items():
        groups.setdefault(base, set()).add(var)
    return {var: groups[base] for var, base in bases.items()}


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
    return (*step.roots, *(step.inputs or ())) if isinstance(step, Backward | Grad) else ()
