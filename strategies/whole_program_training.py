"""Training within whole programs: a round of it, or a part of one, by optimizers that stay."""

from __future__ import annotations

from gradlaws.conformance.language.steps import Var
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.checkpoints import checkpointed
from gradlaws.strategies.in_place_writes import recent
from gradlaws.strategies.training import clipped, epoch
from gradlaws.strategies.whole_program_actions import graded
from gradlaws.strategies.whole_program_cast import Action, Cast


def train(b: Builder, cast: Cast) -> None:
    """A round of training, or a part of one, by an optimizer that is there already or a new one."""
    if not b.has("optimizer"):
        return
    mine = [k for k in cast.trained if all(_trainable(b, cast, v) for v in b.parameters(k))]
    if mine and b.entropy.chance(70):
        handle = b.entropy.pick(mine)
    else:
        found = [v for v in cast.tracked(b) if _trainable(b, cast, v)]
        if not found:
            return
        first = b.entropy.pick(found[::-1])
        alike = [v for v in dict.fromkeys((first, *found)) if b.dtype(v) == b.dtype(first)]
        handle = b.optimizer(tuple(alike[: 1 + b.entropy.below(3)]))
        cast.trained.append(handle)
    parameters = b.parameters(handle)
    kind = b.entropy.below(6)
    if kind < 3:
        epoch(b, handle)
        graded(b, cast)
    elif kind == 3:
        b.optimizer_step(handle)
    elif kind == 4:
        b.optimizer_zero_grad(handle, set_to_none=b.entropy.chance(50))
    elif not cast.graded or not set(cast.graded).isdisjoint(parameters):
        clipped(b, parameters)
    cast.bypassed.update(b[v].base for v in parameters)


def optimized(what: str) -> Action:
    """One step of training: an optimizer is made, takes a step, zeroes gradients, or they are clipped."""

    def act(b: Builder, cast: Cast) -> None:
        found = [v for v in cast.tracked(b) if _trainable(b, cast, v)]
        if not b.has("optimizer") or not found:
            return
        mine = [k for k in cast.trained if all(_trainable(b, cast, v) for v in b.parameters(k))]
        if what == "clip":
            clipped(b, tuple(found[:1]))
            return
        if mine and what != "make":
            handle = mine[-1]
        else:
            handle = b.optimizer((b.entropy.pick(found[::-1]),))
            cast.trained.append(handle)
        if what == "step":
            b.optimizer_step(handle)
        elif what == "zero":
            b.optimizer_zero_grad(handle, set_to_none=b.entropy.chance(50))
        cast.bypassed.update(b[v].base for v in b.parameters(handle))

    return act


def checkpoint(b: Builder, cast: Cast) -> None:
    """A checkpointed part over one or two tensors."""
    floats = [v for v in cast if b[v].value.dtype.kind == "f" and b[v].value.size]
    if b.has("checkpoint") and floats:
        chosen = [recent(b, floats)]
        alike = [v for v in floats if b.dtype(v) == b.dtype(chosen[0]) and v != chosen[0]]
        if alike and b.entropy.chance(40):
            chosen.append(b.entropy.pick(alike[::-1]))
        cast.recomputed.update(chosen)
        cast.append(checkpointed(b, chosen))


def _trainable(b: Builder, cast: Cast, var: Var) -> bool:
    """Whether an optimizer may write to a tensor: a leaf without views, which are another matter."""
    info = b[var]
    alone = not any(x is not info and x.base == info.base and x.kin == info.kin for x in b.info.values())
    plain = info.leaf and not (info.sealed or b[info.base].sealed) and info.value.dtype.kind == "f"
    return var in cast and plain and alone and info.base not in cast.retained
