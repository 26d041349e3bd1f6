"""The passes of the shrinker: each yields programs that are a little smaller than the one it is given.

Structure first: a run of steps, or one step, dropped with all that needs it; an op bypassed by one of its
operands, or replaced by a leaf with the contents that it computed. Then contents and options: ones instead of
what there is, small whole numbers, shapes cut down, options and effects of hooks left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeGuard

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.judgement.definedness import Contents
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Backward, Grad, Hook, Leaf, Literal, Step
from gradlaws.conformance.language.threads import Threads
from gradlaws.conformance.language.training import (
    ClipGrad,
    OnParameters,
    Optimizer,
    OptimizerStep,
    OptimizerZeroGrad,
)
from gradlaws.conformance.language.user_functions import ApplyFunction

#: Smaller programs, the most radical first; asked for, `contents` says what the tensors of the program hold.
Pass = Callable[[Program, Callable[[], Contents]], Iterable[Program]]


def dropped(program: Program, contents: Callable[[], Contents]) -> Iterator[Program]:
    """One step less, with whatever needs the variables that it makes; the last first."""
    for index in reversed(range(len(program))):
        yield program.without(index)


def bypassed(program: Program, contents: Callable[[], Contents]) -> Iterator[Program]:
    """An op less: one of its operands stands for its result, or a leaf that holds what it computed."""
    steps, held = program.steps, contents()
    for index, step in enumerate(steps):
        if isinstance(step, Apply | ApplyFunction | Checkpoint) and len(step.outs) == 1:
            for operand in dict.fromkeys(
                step.inputs if isinstance(step, Apply | ApplyFunction) else step.uses()
            ):
                rest = tuple(s.rewired(step.outs[0], operand) for s in steps[index + 1 :])
                if not any(map(_doubled, steps[index + 1 :], rest)):
                    yield Program(steps[:index] + rest)
            if step.outs[0] in held:
                value, tracked = held[step.outs[0]]
                leaf = Leaf(Literal(value.copy()), tracked and value.dtype.kind in "fc", outs=step.outs)
                yield Program((*steps[:index], leaf, *steps[index + 1 :]))


def _doubled(before: Step, after: Step) -> bool:
    """Whether a tensor is listed twice that was not, as a root or in inputs=: that may be another matter."""
    if not isinstance(before, Backward | Grad) or not isinstance(after, Backward | Grad):
        return False
    lists = ((before.roots, after.roots), (before.inputs or (), after.inputs or ()))
    return any(len(set(new)) < len(set(old)) for old, new in lists)


def plainer(program: Program, contents: Callable[[], Contents]) -> Iterator[Program]:
    """Plainer numbers in a leaf, or a plainer call of backward."""
    return _with_simpler(program, _plainer)


def functions(program: Program, contents: Callable[[], Contents]) -> Iterator[Program]:
    """One thing less in a user-defined function: an op, an operand, a result that nothing needs, an option."""
    for index, step in enumerate(program.steps):
        if isinstance(step, ApplyFunction):
            needed = {v for later in program.steps[index + 1 :] for v in later.uses()}
            for other in step.simpler():
                if needed.isdisjoint(set(step.outs) - set(other.outs)):
                    yield Program((*program.steps[:index], other, *program.steps[index + 1 :]))


def parts(program: Program, contents: Callable[[], Contents]) -> Iterator[Program]:
    """A checkpointed part, or parts in threads, that are none any more, or are simpler."""
    for index, step in enumerate(program.steps):
        if isinstance(step, Checkpoint | Threads):
            before, after = program.steps[:index], program.steps[index + 1 :]
            needed = {v for later in after for v in later.uses()}
            inside = step.steps if isinstance(step, Checkpoint) else [s for part in step.parts for s in part]
            yield Program((*before, *inside, *after))
            for other in step.simpler():
                if needed.isdisjoint(set(step.outs) - set(other.outs)):
                    yield Program((*before, other, *after))


def optimizers(program: Program, contents: Callable[[], Contents]) -> Iterator[Program]:
    """One thing less in an optimizer: a parameter, momentum, weight decay; and in clipping."""
    yield from _with_simpler(program, lambda step: step.simpler() if isinstance(step, Optimizer) else ())
    for step in program:
        if isinstance(step, Optimizer | ClipGrad) and len(step.parameters) > 1:
            for gone in step.parameters:
                left = tuple(v for v in step.parameters if v != gone)
                yield Program(
                    tuple(replace(s, parameters=left) if _goes_with(s, step) else s for s in program)
                )


def _goes_with(other: Step, step: Optimizer | ClipGrad) -> TypeGuard[OnParameters]:
    """Whether two steps are the same, or of the same optimizer."""
    if isinstance(step, Optimizer) and isinstance(other, Optimizer | OptimizerStep | OptimizerZeroGrad):
        return other.handle == step.handle
    return other is step


def _with_simpler(program: Program, simpler: Callable[[Step], Iterable[Step]]) -> Iterator[Program]:
    for index, step in enumerate(program.steps):
        for other in simpler(step):
            yield Program((*program.steps[:index], other, *program.steps[index + 1 :]))


def _plainer(step: Step) -> Iterator[Step]:
    if isinstance(step, Leaf) and step.value.array.size:
        array = step.value.array
        ones = np.ones_like(array)
        counted = np.arange(1, array.size + 1).reshape(array.shape).astype(array.dtype)
        whole = np.trunc(array) if array.dtype.kind == "f" else array
        for other in (ones, counted, whole):
            if _plainness(other) < _plainness(array):
                yield replace(step, value=Literal(np.array(other)))  # trunc makes scalars of 0-d arrays
    if isinstance(step, Backward):
        if step.retain_graph is not None:
            yield replace(step, retain_graph=None)
        if step.gradients is not None:
            yield replace(step, gradients=None)
        if len(step.roots) > 1:
            for k in range(len(step.roots)):
                seeds = None if step.gradients is None else step.gradients[:k] + step.gradients[k + 1 :]
                yield replace(step, roots=step.roots[:k] + step.roots[k + 1 :], gradients=seeds)


def _plainness(array: Array) -> int:
    return sum(len(repr(v)) for v in array.ravel().tolist())


def narrower(program: Program, contents: Callable[[], Contents]) -> Iterator[Program]:
    """All leaves cut down alike, the most radical way first; then one leaf at a time."""
    leaves = [k for k, step in enumerate(program) if isinstance(step, Leaf)]
    shapes = {k: step.value.array.shape for k, step in enumerate(program) if isinstance(step, Leaf)}
    for cut in _CUTS:
        for chosen in (leaves, *([k] for k in leaves)):
            steps = list(program.steps)
            smaller = False
            for k in chosen:
                step = steps[k]
                assert isinstance(step, Leaf)
                array = step.value.array
                array = cut(array) if array.size else array  # of nothing there is no part
                if array.shape != shapes[k] and array.size:
                    smaller = True
                    steps[k] = replace(step, value=Literal(np.array(array)))
            if smaller:
                yield Program(tuple(steps))


_CUTS: tuple[Callable[[Array], Array], ...] = (
    lambda a: a.ravel()[:1].reshape(()),
    lambda a: a.ravel()[:1] if a.size > 1 or a.ndim > 1 else a,
    lambda a: a.ravel()[:2] if a.size > 2 or (a.size == 2 and a.ndim > 1) else a,
    lambda a: a[0] if a.ndim else a,
    lambda a: a[:1] if a.ndim and a.shape[0] > 1 else a,
    lambda a: a[..., :1] if a.ndim and a.shape[-1] > 1 else a,
)


def unadorned(program: Program, contents: Callable[[], Contents]) -> Iterator[Program]:
    """Effects of hooks, and options of backwards and of autograd.grad, left out, one at a time."""
    return _with_simpler(program, _unadorned)


def _unadorned(step: Step) -> list[Step]:
    simpler: list[Step] = []
    if isinstance(step, Hook) and step.effect != "none":
        simpler.append(replace(step, effect="none"))
    if isinstance(step, Hook) and step.within:
        simpler.append(replace(step, within=()))
    if isinstance(step, Backward):
        simpler += [replace(step, inputs=None), replace(step, create_graph=False)]
        simpler += [replace(step, inputs=(v,)) for v in step.inputs or ()]
    if isinstance(step, Grad):
        simpler += [replace(step, retain_graph=None), replace(step, create_graph=False)]
        simpler += [replace(step, materialize_grads=False), replace(step, allow_unused=False)]
        simpler += [replace(step, gradients=None)]
        simpler += [
            replace(step, inputs=(x,), outs=(out,)) for x, out in zip(step.inputs, step.outs, strict=False)
        ]
    return [other for other in simpler if other != step]


#: What is dropped, and made plainer; after each success from the start.
STRUCTURE: tuple[Pass, ...] = (dropped, bypassed, functions, parts, optimizers, plainer)
#: What is cut down once the structure is minimal.
DETAIL: tuple[Pass, ...] = (narrower, unadorned)
