"""Conjunctions that a whole program is asked for: three kinds of steps, one after the other, on related tensors.

The steps are those that whole programs take anyway; here they are taken on a few tensors alone, so that they are
related.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gradlaws.conformance.language.steps import Look
from gradlaws.conformance.reach.possible import kinds
from gradlaws.strategies import whole_program_actions as actions
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.in_place_writes import (
    compute,
    harmless,
    look,
    retain,
    write,
    write_through_view,
    write_unrecorded,
)
from gradlaws.strategies.mistakes import mistake
from gradlaws.strategies.whole_program_cast import Action, Cast
from gradlaws.strategies.whole_program_rules import act, written
from gradlaws.strategies.whole_program_training import checkpoint, optimized


class Aim(NamedTuple):
    """Three kinds of steps, as `gradlaws.conformance.reach.step_cells` names them, and whether to look in between."""

    first: str
    middle: str
    last: str
    looked: bool


def _backward_inputs(b: Builder, cast: Cast) -> None:
    if b.has("inputs"):
        start = actions.root(b, cast)
        if b[start].tracked:
            b.backward(start, inputs=(actions.receiver(b, cast, 5),), **actions.options(b))
            actions.graded(b, cast)


def _zero(b: Builder, cast: Cast) -> None:
    if b.has("zero_grad"):
        b.zero(actions.one_graded(b, cast))


def _clear(b: Builder, cast: Cast) -> None:
    if b.has("set_grad"):
        b.clear(actions.one_graded(b, cast))


def _forget(b: Builder, cast: Cast) -> None:
    if len(cast) > 1:
        gone = b.entropy.pick(cast)
        cast[:] = [v for v in cast if v != gone]
        cast.graded = [v for v in cast.graded if v != gone]
        b.forget(gone)


def _written(way: Action) -> Action:
    return lambda b, cast: written(b, cast, (way,))


#: An action for each kind of step.
ACTIONS: dict[str, Action] = {
    "compute": compute, "view": look, "write": _written(write), "write unrecorded": _written(write_unrecorded),
    "detach": actions.detach, "detach_": actions.detach_in_place, "requires_grad_": actions.flag, "retain_grad": retain,
    "hook": actions.hook, "post hook": actions.hook_after, "remove hook": actions.unhook, "read grad": actions.read,
    "clear grad": _clear, "zero grad": _zero, "assign grad": actions.assign, "backward": actions.differentiate,
    "backward inputs": _backward_inputs, "grad": actions.ask, "user function": actions.user_function,
    "checkpoint": checkpoint, "optimizer": optimized("make"), "optimizer step": optimized("step"),
    "optimizer zero": optimized("zero"), "clip": optimized("clip"), "forget": _forget, "refused": mistake,
}  # fmt: skip
#: So many steps more, of any kinds, may come after those that were asked for, and one less.
MORE = 9
#: Kinds of steps that are about leaves.
OF_LEAVES = frozenset(
    ("requires_grad_", "post hook", "assign grad", "optimizer", "optimizer step", "optimizer zero", "clip")
)


def aimed(aim: Aim) -> Callable[[Builder, Cast], None]:
    """The action that has the three kinds on a tensor and its kin."""

    def conjoined(b: Builder, cast: Cast) -> None:
        actions.settle(b, cast)
        x = b.leaf(dtype=b.dtype(cast[-1]) if b[cast[-1]].value.dtype.kind == "f" else None)
        few = cast.among([x])
        if aim.first not in OF_LEAVES or aim.last not in OF_LEAVES:
            few.append(harmless(b, x))
        if "view" not in aim and b.entropy.chance(30):
            write_through_view(b, few) if b.has("inplace") and b.entropy.chance(50) else look(b, few)
        asked = (aim.first, aim.middle, aim.last)
        known = kinds(b.vocabulary.capabilities)
        for k in range(3 + b.entropy.below(MORE)):
            if k > 2:
                b.turn()
            kind = asked[k] if k < 3 else b.entropy.pick(known)
            act(b, few, ACTIONS[kind])
            if aim.looked and (k < 2 or b.entropy.chance(40)):
                b.step(Look())
        cast.extend(v for v in few if v not in cast)
        cast.handles.extend(few.handles)

    return conjoined
