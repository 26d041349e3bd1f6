"""Marks about calls of backward and of `autograd.grad`: what is their root, what they are asked for and given.

Those about tensors and writes are in `program_marks`, which has the table of all.
"""

from __future__ import annotations

from collections.abc import Callable

from gradlaws.conformance.known_failures.symptom import Symptom
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
