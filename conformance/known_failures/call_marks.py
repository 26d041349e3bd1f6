"""Marks about calls of backward and of `autograd.grad`: what is their root, what they are asked for and given.

And what is told from steps alone, without what stands in which memory.

Those about tensors and writes are in `program_marks`, which has the table of all.
"""

from __future__ import annotations

from collections.abc import Callable

from gradlaws.conformance.known_failures.symptom import Symptom
from gradlaws.conformance.language.aliasing import neighbours
from gradlaws.conformance.language.derivative_orders import orders
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    Grad,
    Hook,
    InPlace,
    Leaf,
    RemoveHook,
    RequireGrad,
    Step,
    Var,
)
from gradlaws.conformance.language.training import OptimizerStep

Mark = Callable[[Program, Symptom], bool]


def calls_of(program: Program) -> list[Backward | Grad]:
    """The backwards and calls of `autograd.grad`."""
    return [step for step in program if isinstance(step, Backward | Grad)]


def hooked_use(program: Program, _: Symptom) -> bool:
    """Whether a tensor with a hook is used more than once."""
    hooked = {step.x for step in program if isinstance(step, Hook)}
    used = [v for step in program if isinstance(step, Apply | InPlace) for v in step.uses()]
    used += [v for step in calls_of(program) for v in step.roots]
    return any(used.count(v) > 1 for v in hooked)


def asked_twice(program: Program, _: Symptom) -> bool:
    """Whether `autograd.grad` is asked for one tensor twice."""
    return any(isinstance(s, Grad) and len(set(s.inputs)) < len(s.inputs) for s in calls_of(program))


def given(program: Program, _: Symptom) -> bool:
    """Whether a backward, or `autograd.grad`, is given a gradient argument."""
    return any(v is not None for step in calls_of(program) for v in step.gradients or ())


def given_root(program: Program, seen: Symptom) -> bool:
    """Whether the subject, or any tensor where none is named, is a root that is given a gradient argument."""
    return any(
        g is not None and seen.var in (None, root)
        for step in calls_of(program)
        for root, g in zip(step.roots, step.gradients or (), strict=False)
    )


def given_leaf(program: Program, _: Symptom) -> bool:
    """Whether a leaf is the root of a backward that is given a gradient argument."""
    leaves = {v for step in program if isinstance(step, Leaf) for v in step.outs}
    return any(
        g is not None and root in leaves
        for step in calls_of(program)
        for root, g in zip(step.roots, step.gradients or (), strict=False)
    )


def early_turn(program: Program, _: Symptom) -> bool:
    """Whether a tensor is an operand of one op twice, and of another one, too."""
    users = [step.uses() for step in program if isinstance(step, Apply | InPlace)]
    twice = {v for used in users for v in used if used.count(v) > 1}
    return any(sum(v in used for used in users) > 1 for v in twice)


def freed_way(program: Program, _: Symptom) -> bool:
    """Whether a backward, or `autograd.grad`, gets to what an earlier one has freed."""
    made: dict[Var, set[Var]] = {}
    freed = set[Var]()
    for step in program:
        written = (step.target,) if isinstance(step, InPlace) else ()
        for v in (*step.outs, *written) if isinstance(step, Apply | InPlace) else ():
            made[v] = {v, *made.get(v, ())}.union(*(made.get(u, ()) for u in step.uses()))
        if isinstance(step, Backward | Grad):
            way = set[Var]().union(*(made.get(root, ()) for root in step.roots))
            if not freed.isdisjoint(way):
                return True
            freed |= set() if step.retain_graph or step.create_graph else way
    return False


def several_roots(program: Program, _: Symptom) -> bool:
    """Whether a backward, or `autograd.grad`, has several roots."""
    return any(len(step.roots) > 1 for step in calls_of(program))


def asks_for_root(program: Program, _: Symptom) -> bool:
    """Whether `autograd.grad` is asked for the gradient of one of its roots."""
    return any(isinstance(s, Grad) and not set(s.roots).isdisjoint(s.inputs) for s in calls_of(program))


def root_with(kind: type[Step]) -> Mark:
    """Whether a root of a backward, or of `autograd.grad`, had a step of this kind before."""

    def mark(program: Program, _: Symptom) -> bool:
        roots = {v for step in calls_of(program) for v in step.roots}
        return any(isinstance(step, kind) and not roots.isdisjoint(step.uses()[:1]) for step in program)

    return mark


def before_root(program: Program, seen: Symptom) -> bool:
    """Whether the root of a backward was computed from the subject, in whatever way; None stands for any tensor."""
    made: dict[Var, set[Var]] = {}
    for step in program:
        written = (step.target,) if isinstance(step, InPlace) else ()
        for v in (*step.outs, *written):
            sources = {v, *made.get(v, ()), *step.uses()}
            made[v] = sources.union(*(made.get(u, ()) for u in step.uses()))
    roots = {v for step in calls_of(program) for v in step.roots}
    return seen.var is None or any(seen.var in made.get(root, {root}) for root in roots)


def again(program: Program, _: Symptom) -> bool:
    """Whether two backwards, or calls of `autograd.grad`, run one after the other."""
    return len(calls_of(program)) > 1


def empty(program: Program, _: Symptom) -> bool:
    """Whether a leaf has no elements."""
    return any(isinstance(step, Leaf) and not step.value.array.size for step in program)


def removed_within(program: Program, _: Symptom) -> bool:
    """Whether a hook is removed while one runs."""
    return any(
        isinstance(step, Hook) and any(isinstance(inner, RemoveHook) for inner in step.within)
        for step in program
    )


def stepped_operand(program: Program, _: Symptom) -> bool:
    """Whether an optimizer writes to what an op was computed from, and a backward follows."""
    operands, written = set[Var](), False
    for step in program:
        if isinstance(step, Apply):
            operands |= set(step.inputs)
        elif isinstance(step, OptimizerStep):
            written = written or not operands.isdisjoint(step.parameters)
        elif written and isinstance(step, Backward | Grad):
            return True
    return False


def differentiated(order: int) -> Mark:
    """Whether the breach is seen at a derivative of this order, or of a higher one."""

    def mark(program: Program, seen: Symptom) -> bool:
        here = slice(None) if seen.index is None else slice(seen.index, seen.index + 1)
        reached = orders(program)
        steps = [step for step in program.steps[here] if isinstance(step, Backward | Grad)]
        return any(reached[root] + 1 >= order for step in steps for root in step.roots)

    return mark


def write_after_backward(program: Program, _: Symptom) -> bool:
    """Whether an in-place op runs after a backward, or `autograd.grad`."""
    first = next((k for k, step in enumerate(program) if isinstance(step, Backward | Grad)), len(program))
    return any(isinstance(step, InPlace) for step in program.steps[first:])


def number_returned(program: Program, _: Symptom) -> bool:
    """Whether a hook returns a number."""
    return any(isinstance(step, Hook) and step.effect == "number" for step in program)


def several_precisions(program: Program, _: Symptom) -> bool:
    """Whether what was made of one dtype is computed with what was made of another, or given as its gradient."""
    made: dict[Var, set[str]] = {}
    for step in program:
        match step:
            case Leaf():
                made |= {v: {str(step.value.array.dtype)} for v in step.outs}
            case Apply() | InPlace():
                used = set[str]().union(*(made.get(v, ()) for v in step.uses()))
                made |= dict.fromkeys(
                    (*step.outs, *((step.target,) if isinstance(step, InPlace) else ())), used
                )
                used |= {str(value) for key, value in step.params if key == "dtype"}
                if len(used & {"float32", "float64"}) > 1:
                    return True
            case Backward() | Grad():
                if any(
                    len(set[str]().union(*(made.get(v, ()) for v in (root, g) if v is not None))) > 1
                    for root, g in zip(step.roots, step.gradients or (), strict=False)
                ):
                    return True
    return False


def own_operand(program: Program, _: Symptom) -> bool:
    """Whether an in-place op has its target for an operand, too."""
    return any(isinstance(step, InPlace) and step.target in step.inputs for step in program)


def flag_after_use(program: Program, _: Symptom) -> bool:
    """Whether requires_grad_() is called on a tensor that an op has used before."""
    used = set[Var]()
    for step in program:
        if isinstance(step, RequireGrad) and step.x in used:
            return True
        used.update(step.inputs if isinstance(step, Apply) else ())
    return False


def root_twice(program: Program, _: Symptom) -> bool:
    """Whether a backward, or `autograd.grad`, has two roots that are one tensor or share memory."""
    kin = neighbours(program)
    roots = [step.roots for step in calls_of(program)]
    return any(b in kin.get(a, {a}) for some in roots for k, a in enumerate(some) for b in some[k + 1 :])
