"""Passes for a shrinker that wants a program wrong in any way: they change what the law on trial was about.

Another root, a leaf instead of whatever made a tensor, double precision, a backward instead of `autograd.grad`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from gradlaws.conformance.judgement.definedness import Contents
from gradlaws.conformance.judgement.shrink_passes import Pass
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    Grad,
    Leaf,
    Literal,
    RequireGrad,
    SetGrad,
    Step,
    recast,
)

#: The dtypes that double precision stands for.
DOUBLE = {"float32": "float64", "float16": "float64", "complex64": "complex128"}


def rerooted(program: Program, contents: Callable[[], Contents]) -> Iterator[Program]:
    """Backwards from what was made earlier: one alone, at the end of as few steps as there can be; or all of them."""
    steps, held = program.steps, contents()
    calls = [k for k, step in enumerate(steps) if isinstance(step, Backward | Grad)]
    made = {v: k for k, step in enumerate(steps) for v in step.outs}
    free = 1 + max(made, default=0)
    for out, index in made.items():
        if not calls or out not in held or not held[out][1]:
            continue
        value = held[out][0]
        seed: tuple[Step, ...] = ()
        gradients = None
        if value.size != 1:
            seed, gradients = (Leaf(Literal(np.ones_like(value)), outs=(free,)),), (free,)
        other = Program((*steps[: index + 1], *seed, Backward((out,), gradients)))
        if len(other) < len(program):
            yield other
        if all(index < max(made[root] for root in steps[k].roots) for k in calls):  # type: ignore[attr-defined]
            yield Program(
                (
                    *steps[: index + 1],
                    *seed,
                    *(
                        replace(step, roots=(out,), gradients=gradients)
                        if isinstance(step, Backward | Grad)
                        else step
                        for step in steps[index + 1 :]
                    ),
                )
            )


def grounded(program: Program, contents: Callable[[], Contents]) -> Iterator[Program]:
    """Leaves, tracked or not, with the contents of what a step made that is no op, or has several results."""
    steps, held = program.steps, contents()
    for index, step in enumerate(steps):
        op = isinstance(step, Apply) and len(step.outs) == 1
        if isinstance(step, Leaf) or op or not step.outs or any(v not in held for v in step.outs):
            continue
        for tracked in (True, False):
            leaves = [
                Leaf(Literal(held[v][0].copy()), tracked and held[v][0].dtype.kind in "fc", outs=(v,))
                for v in step.outs
            ]
            yield Program((*steps[:index], *leaves, *steps[index + 1 :]))


def tracked(program: Program, contents: Callable[[], Contents]) -> Iterator[Program]:
    """A leaf that requires grad from the start, instead of being told to."""
    steps = program.steps
    for index, step in enumerate(steps):
        for k, leaf in enumerate(steps[:index]):
            if isinstance(step, RequireGrad) and isinstance(leaf, Leaf) and step.x in leaf.outs:
                made = (*steps[:k], replace(leaf, requires_grad=True), *steps[k + 1 : index])
                yield Program((*made, *steps[index + 1 :]))


def doubled(program: Program, contents: Callable[[], Contents]) -> Iterator[Program]:
    """Double precision instead of other dtypes; for engines that have it."""
    steps = tuple(recast(step, DOUBLE) for step in program.steps)
    if steps != program.steps:
        yield Program(steps)


def plainly(program: Program, contents: Callable[[], Contents]) -> Iterator[Program]:
    """A backward instead of `autograd.grad`."""
    steps = list(program.steps)
    for index, step in enumerate(steps):
        rest = (*steps[:index], *steps[index + 1 :])
        if isinstance(step, Grad) and not any(v in s.uses() for s in rest for v in step.outs):
            other = Backward(step.roots, step.gradients, step.retain_graph, step.create_graph)
            yield Program((*steps[:index], other, *steps[index + 1 :]))
        if isinstance(step, SetGrad) and step.source is not None:  # a leaf hands on what it is given
            yield Program((*steps[:index], Backward((step.x,), (step.source,)), *steps[index + 1 :]))


#: The most radical first.
PLAINER: tuple[Pass, ...] = (rerooted, grounded, tracked, doubled, plainly)


def renamed(program: Program) -> Program:
    """The program with its variables counted from 0, so that equal ones are equal."""
    made = [v for step in program for v in step.outs]
    free = 1 + max(made, default=0)
    for old, new in zip(made, range(free, free + len(made)), strict=True):
        program = Program(tuple(_renamed(step, old, new) for step in program))
    for k in range(len(made)):
        program = Program(tuple(_renamed(step, free + k, k) for step in program))
    return program


def _renamed(step: Step, old: int, new: int) -> Step:
    step = step.rewired(old, new) if old in step.uses() else step
    return replace(step, outs=tuple(new if v == old else v for v in step.outs)) if old in step.outs else step
