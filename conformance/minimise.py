"""Makes a failing program small: structure first, then contents.

A step is dropped with all that needs it, bypassed by one of its operands, or replaced by a leaf with the
contents that it computed; contents become ones, then small whole numbers. Each change is kept if the program
still fails in the same way. Quicker and smaller than shrinking the bytes that the program was drawn from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from time import monotonic

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.program import Program
from gradlaws.conformance.steps import Apply, Backward, Grad, Leaf, Literal, Step, Var

#: Contents by variable, and whether it requires grad.
Contents = dict[Var, tuple[Array, bool]]


def minimised(
    program: Program,
    fails: Callable[[Program], bool],
    contents: Callable[[Program], Contents] = lambda _: {},
    seconds: float = 2.0,
) -> Program:
    """The smallest program found within `seconds` for which `fails` still holds.

    `fails` is never called with the program given, and may raise nothing; `contents` says what the variables
    of a program hold when they are made.
    """
    return descended(program, fails, lambda p: _smaller(p, contents(p)), monotonic() + seconds)


def descended(
    program: Program,
    fails: Callable[[Program], bool],
    smaller: Callable[[Program], Iterable[Program]],
    deadline: float,
) -> Program:
    """Go on with the first of the `smaller` programs that fails, until none does or the time is up."""
    changed = True
    while changed:
        changed = False
        for candidate in smaller(program):
            if monotonic() > deadline:
                return program
            if fails(candidate):
                program, changed = candidate, True
                break
    return program


def _smaller(program: Program, contents: Contents) -> Iterator[Program]:
    steps = program.steps
    for index in reversed(range(len(steps))):
        yield program.without(index)
    for index, step in enumerate(steps):
        if isinstance(step, Apply) and len(step.outs) == 1:
            for operand in dict.fromkeys(step.inputs):
                rest = tuple(s.rewired(step.outs[0], operand) for s in steps[index + 1 :])
                if not any(map(_doubled, steps[index + 1 :], rest)):
                    yield Program(steps[:index] + rest)
            if step.outs[0] in contents:
                value, tracked = contents[step.outs[0]]
                leaf = Leaf(Literal(value.copy()), tracked and value.dtype.kind in "fc", outs=step.outs)
                yield Program((*steps[:index], leaf, *steps[index + 1 :]))
    for index, step in enumerate(steps):
        for simpler in _simpler(step):
            yield Program((*steps[:index], simpler, *steps[index + 1 :]))


def _simpler(step: Step) -> Iterator[Step]:
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


def _doubled(before: Step, after: Step) -> bool:
    """Whether a tensor is listed twice that was not, as a root or in inputs=: that may be another matter."""
    if not isinstance(before, Backward | Grad) or not isinstance(after, Backward | Grad):
        return False
    lists = ((before.roots, after.roots), (before.inputs or (), after.inputs or ()))
    return any(len(set(new)) < len(set(old)) for old, new in lists)


def _plainness(array: Array) -> int:
    return sum(len(repr(v)) for v in array.ravel().tolist())
