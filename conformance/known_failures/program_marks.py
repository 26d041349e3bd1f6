"""What stands in which relation to what in a program: the marks that conditions of known failures name.

A mark may be about the tensor that a breach is seen at, its *subject*; where it is seen at none, about all that the
step uses after which it is seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gradlaws.conformance.known_failures.call_marks import (
    Mark,
    again,
    asked_twice,
    asks_for_root,
    before_root,
    differentiated,
    early_turn,
    empty,
    flag_after_use,
    freed_way,
    given,
    given_leaf,
    given_root,
    hooked_use,
    number_returned,
    own_operand,
    removed_within,
    root_twice,
    root_with,
    several_precisions,
    several_roots,
    stepped_operand,
    write_after_backward,
)
from gradlaws.conformance.known_failures.symptom import Symptom
from gradlaws.conformance.language.aliasing import is_view, neighbours, viewed
from gradlaws.conformance.language.derivative_orders import recording
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    Detach,
    DetachInPlace,
    Grad,
    Hook,
    InPlace,
    Leaf,
    Mode,
    ReadGrad,
    RequireGrad,
    RetainGrad,
    SetGrad,
    Step,
    Var,
)


def _subjects(program: Program, seen: Symptom) -> set[Var]:
    if seen.var is not None:
        return {seen.var}
    if seen.index is None or seen.index >= len(program):
        return {v for step in program for v in step.outs}
    return set(program.steps[seen.index].uses())


def _kin(program: Program, variables: Iterable[Var]) -> set[Var]:
    kin = neighbours(program)
    return {other for v in variables for other in kin.get(v, {v})}


def _unrecorded(program: Program) -> list[bool]:
    """For each step, whether grad mode is off when it runs."""
    found, modes = list[bool](), list[str]()
    for step in program:
        found.append(modes[-1:] == ["no_grad"])
        if isinstance(step, Mode):
            modes = modes[:-1] if step.kind in ("exit", "raise") else [*modes, step.kind]
    return found


def writes_to_alias(program: Program, _: Symptom) -> bool:
    """Whether an in-place op writes to a view, or to what there is a view of."""
    sources = viewed(program)
    aliases = {*sources, *sources.values()}
    return any(isinstance(step, InPlace) and step.target in aliases for step in program)


def repeats(program: Program, seen: Symptom) -> bool:
    """Whether the subject was computed twice: the same op on the same operands, or on what was computed alike."""
    key, made = dict[Var, object](), dict[object, set[Var]]()
    for step in program:
        if isinstance(step, Apply):
            alike = (step.op, tuple(key.get(v, v) for v in step.inputs), repr(step.params))
            for part, v in enumerate(step.outs):
                key[v] = hash((alike, part))
                made.setdefault(key[v], set()).add(v)
    twice = {v for some in made.values() if len(some) > 1 for v in some}
    return not twice.isdisjoint(_subjects(program, seen))


def made_unrecorded(program: Program, seen: Symptom) -> bool:
    """Whether the subject is a view that was made under no_grad, or one of such a view."""
    off = _unrecorded(program)
    made = {v for k, s in enumerate(program) if off[k] and is_view(s) for v in s.outs}
    sources = viewed(program)
    return any(made.intersection(_chain(v, sources)) for v in _subjects(program, seen))


def _chain(var: Var, sources: dict[Var, Var]) -> list[Var]:
    found = [var]
    while found[-1] in sources:
        found.append(sources[found[-1]])
    return found


def viewed_before_flag(program: Program, seen: Symptom) -> bool:
    """Whether the subject is a view that was made before requires_grad_() of another tensor of its memory."""
    views, subjects = viewed(program), _subjects(program, seen)
    made = {v: k for k, step in enumerate(program) for v in step.outs}
    return any(
        isinstance(step, RequireGrad)
        and step.flag
        and step.x != v
        and step.x in _kin(program, [v])
        and made[v] < k
        for v in subjects & views.keys()
        for k, step in enumerate(program)
    )


def written_under(program: Program, seen: Symptom) -> bool:
    """Whether the memory of the subject was written to through another alias; an item of a view is one."""
    subjects = _subjects(program, seen)
    kin, views = _kin(program, subjects), viewed(program)
    return any(
        isinstance(step, InPlace)
        and step.target in kin
        and (step.target not in subjects or (step.target in views and step.op.startswith("set_")))
        for step in program
    )


def retained_then_detached(program: Program, seen: Symptom) -> bool:
    """Whether the subject was told to retain its gradient, or asked for it, before detach_() made it a leaf."""
    retained: set[Var] = set()
    for step in program:
        if isinstance(step, Backward) and step.inputs is not None:
            retained.update(
                step.inputs
            )  # a non-leaf keeps its gradient from then on, which is a defect of its own
        if isinstance(step, RetainGrad):
            retained.add(step.x)
        if isinstance(step, DetachInPlace) and step.x in retained & _subjects(program, seen):
            return True
    return False


def one_of_several(program: Program, seen: Symptom) -> bool:
    """Whether the subject, or a tensor with a hook where none is named, is one of several results of one op."""
    several = {v for step in program if isinstance(step, Apply) and len(step.outs) > 1 for v in step.outs}
    about = {s.x for s in program if isinstance(s, Hook)} if seen.var is None else {seen.var}
    return not several.isdisjoint(about)


def overlapping(program: Program, _: Symptom) -> bool:
    """Whether the memory of a detached expansion, whose elements share it, was written to."""
    expanded = {v for step in program if isinstance(step, Apply) and step.op == "expand" for v in step.outs}
    chain = viewed(program)
    detached = any(isinstance(s, Detach) and expanded.intersection(_chain(s.x, chain)) for s in program)
    written = {s.target for s in program if isinstance(s, InPlace)}
    return detached and not written.isdisjoint(_kin(program, expanded))


def _tracked(program: Program) -> list[frozenset[Var]]:
    """For each step the tensors that require grad before it, as far as the steps tell."""
    found, tracked, off = list[frozenset[Var]](), set[Var](), _unrecorded(program)
    for k, step in enumerate(program):
        found.append(frozenset(tracked))
        match step:
            case Leaf(requires_grad=True) | Grad(create_graph=True):
                tracked.update(step.outs)
            case Apply() if not off[k] and not tracked.isdisjoint(step.inputs):
                tracked.update(step.outs)
            case InPlace() if not off[k] and not tracked.isdisjoint(step.inputs):
                tracked |= _kin(program, [step.target])
            case RequireGrad(x=x, flag=flag):
                (tracked.add if flag else tracked.discard)(x)
            case DetachInPlace(x=x):
                tracked.discard(x)
    return found


def untracked_target(program: Program, _: Symptom) -> bool:
    """Whether an in-place op writes a tensor that requires grad into one that does not."""
    before = _tracked(program)
    return any(
        isinstance(s, InPlace) and s.target not in before[k] and not before[k].isdisjoint(s.inputs)
        for k, s in enumerate(program)
    )


def leaf_write(program: Program, _: Symptom) -> bool:
    """Whether an in-place op writes to a leaf that requires grad, or to a view of one."""
    before = _tracked(program)
    leaves = {v for step in program if isinstance(step, Leaf) for v in step.outs}
    views = viewed(program)
    return any(
        isinstance(s, InPlace) and s.target in before[k] and _chain(s.target, views)[-1] in leaves
        for k, s in enumerate(program)
    )


def under_no_grad(kind: type[Step]) -> Mark:
    """Whether a step of this kind runs under no_grad."""
    return lambda program, seen: any(
        isinstance(step, kind) and off for step, off in zip(program, _unrecorded(program), strict=True)
    )


def after(first: type[Step], then: type[Step], memory: bool = False) -> Mark:
    """Whether on one tensor (or on the memory of one) a step of the one kind is followed by one of the other."""

    def mark(program: Program, _: Symptom) -> bool:
        done = set[Var]()
        for step in program:
            if isinstance(step, then) and not done.isdisjoint(step.uses()[:1]):
                return True
            if isinstance(step, first):
                done |= _kin(program, step.uses()[:1]) if memory else set(step.uses()[:1])
        return False

    return mark


def about(kind: type[Step]) -> Mark:
    """Whether there is a step of this kind on the subject."""
    return lambda program, seen: any(
        isinstance(step, kind) and not _subjects(program, seen).isdisjoint(step.uses()[:1])
        for step in program
    )


def locked_write(program: Program, _: Symptom) -> bool:
    """Whether an in-place op under no_grad writes to memory that a recorded op has used or made."""
    used = set[Var]()
    for step, off in zip(program, _unrecorded(program), strict=True):
        if isinstance(step, InPlace) and off and step.target in used:
            return True
        if isinstance(step, Apply | InPlace) and not off:
            used |= _kin(program, (*step.uses(), *step.outs))
    return False


def non_leaf(program: Program, seen: Symptom) -> bool:
    """Whether the subject was computed by an op."""
    made = {v for step in program if isinstance(step, Apply) for v in step.outs}
    return not made.isdisjoint(_subjects(program, seen))


class Relation(NamedTuple):
    """A mark, and what it means in words; the subject is called x."""

    means: str
    holds: Mark

    def __call__(self, program: Program, seen: Symptom) -> bool:
        """Whether it holds."""
        return self.holds(program, seen)


#: By name.
MARKS: dict[str, Relation] = {
    "empty": Relation("a leaf has no elements", empty),
    "create_graph": Relation("a backward or `autograd.grad` records derivatives", lambda p, _: recording(p)),
    "second_order": Relation("a backward, or `autograd.grad`, of a derivative", differentiated(2)),
    "third_order": Relation("the same, of a second derivative", differentiated(3)),
    "alias_write": Relation("an in-place op writes to a view, or to what has one", writes_to_alias),
    "repeated_op": Relation("x was computed twice, by one op on the same operands", repeats),
    "unrecorded_view": Relation("x is a view that was made under no_grad", made_unrecorded),
    "view_before_flag": Relation("x is a view from before requires_grad_() of its base", viewed_before_flag),
    "written_elsewhere": Relation("the memory of x is written to through another alias", written_under),
    "retained_then_detached": Relation(
        "x retains its gradient, and then x.detach_()", retained_then_detached
    ),
    "retained_then_written": Relation(
        "a tensor retains its gradient, and then its memory is written to",
        after(RetainGrad, InPlace, memory=True),
    ),
    "retained_then_hooked": Relation(
        "a tensor retains its gradient, and then is hooked", after(RetainGrad, Hook)
    ),
    "retained": Relation("x retains its gradient", about(RetainGrad)),
    "retained_root": Relation("a root retains its gradient", root_with(RetainGrad)),
    "unrecorded_retain": Relation("retain_grad() under no_grad", under_no_grad(RetainGrad)),
    "hooked_then_written": Relation(
        "a tensor is hooked, and then its memory is written to", after(Hook, InPlace, memory=True)
    ),
    "hooked_then_detached": Relation(
        "a tensor is hooked, and then detached in place", after(Hook, DetachInPlace)
    ),
    "hooked_use": Relation("a tensor with a hook is used more than once", hooked_use),
    "hook_removed_within": Relation("a hook is removed while it runs", removed_within),
    "number_from_hook": Relation("a hook returns a number", number_returned),
    "hooked_root": Relation("a root has a hook", root_with(Hook)),
    "one_of_several": Relation("x, or what has a hook, is one of several results of an op", one_of_several),
    "overlapping_write": Relation("the memory of a detached expansion is written to", overlapping),
    "untracked_target": Relation(
        "a tensor that requires grad is written into one that does not", untracked_target
    ),
    "leaf_write": Relation("a leaf that requires grad, or a view of one, is written to", leaf_write),
    "stepped_operand": Relation(
        "an optimizer writes to what an op was computed from, and a backward follows", stepped_operand
    ),
    "unrecorded_write": Relation("an in-place op under no_grad", under_no_grad(InPlace)),
    "locked_write": Relation(
        "an in-place op under no_grad on memory that a recorded op has used or made", locked_write
    ),
    "own_operand": Relation("a tensor is an operand of an in-place op on itself", own_operand),
    "write_after_backward": Relation("an in-place op after a backward", write_after_backward),
    "flag_after_use": Relation("requires_grad_() of a tensor that an op has used", flag_after_use),
    "detached_in_place": Relation("x.detach_()", about(DetachInPlace)),
    "several_precisions": Relation(
        "float32 and float64 are computed with each other, or one is given as gradient of the other",
        several_precisions,
    ),
    "non_leaf": Relation("x was computed by an op", non_leaf),
    "given_gradient": Relation("a backward, or `autograd.grad`, is given a gradient argument", given),
    "given_root": Relation("x is the root of a backward that is given a gradient argument", given_root),
    "given_leaf": Relation("a leaf is the root of a backward that is given a gradient argument", given_leaf),
    "early_turn": Relation("a tensor is an operand of one op twice, and of another one, too", early_turn),
    "freed_way": Relation("a backward, or `autograd.grad`, gets to what an earlier one has freed", freed_way),
    "root_twice": Relation("a backward has two roots that are one tensor or share memory", root_twice),
    "several_roots": Relation("a backward, or `autograd.grad`, of several roots", several_roots),
    "asked_root": Relation("`autograd.grad` of a root by itself", asks_for_root),
    "asked_twice": Relation("`autograd.grad` is asked for one tensor twice", asked_twice),
    "before_root": Relation("the root of a backward was computed from x, in whatever way", before_root),
    "second_backward": Relation("two backwards, or calls of `autograd.grad`", again),
    "unrecorded_backward": Relation("a backward under no_grad", under_no_grad(Backward)),
    "assigned_gradient": Relation(
        "something is assigned to a .grad", lambda p, _: any(isinstance(s, SetGrad) for s in p)
    ),
    "gradient_read": Relation(
        "a .grad is read, and kept", lambda p, _: any(isinstance(s, ReadGrad) for s in p)
    ),
}
