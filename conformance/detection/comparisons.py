"""Two plainer ways of testing gradients, with the same programs for all bugs.

Both take one forward and one backward of new tensors, and compare the gradients of leaves: with numerical differences,
op by op, as a gradcheck does; and with those of an engine that is right, over random programs. What they expect is the
same for all bugs of the zoo, and is taken once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.entropy import Array, Entropy, stretched
from gradlaws.conformance.execution.whole_program_run import watch
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Backward, Leaf, Literal, Look, Var
from gradlaws.strategies.builder import Builder, DeadEnd
from gradlaws.strategies.every_op_in_turn import site
from gradlaws.strategies.graphs import graph
from gradlaws.strategies.vocabulary import Vocabulary

#: Of each op, so many calls are checked; and so many random programs compared.
CALLS, PROGRAMS = 4, 1000
#: How far a step of a difference quotient goes, and how far gradients may be apart, as parts of the largest.
STEP, APART = 2.0**-13, 1e-4

Gradients = dict[Var, Array | None]


@dataclass(frozen=True)
class Case:
    """A program with one backward, and the gradients that it should leave."""

    program: Program
    expected: Gradients


def gradcheck(engine: Backend, seed: int) -> bool:
    """Whether numerical differences of single ops are enough to notice that an engine is wrong."""
    return any(_differs(case, engine) for case in checked(seed))


def plain(engine: Backend, seed: int) -> bool:
    """Whether random programs with one forward and one backward are enough."""
    return any(_differs(case, engine) for case in compared(seed))


def _differs(case: Case, engine: Backend) -> bool:
    got = _gradients(case.program, engine)
    return got is None or any(_apart(got.get(v), g) for v, g in case.expected.items())


def _apart(got: Array | None, want: Array | None) -> bool:
    if got is None or want is None:
        return (got is None) is not (want is None)
    if got.shape != want.shape or got.dtype != want.dtype:
        return True
    scale = float(np.abs(want[np.isfinite(want)]).max(initial=1.0))
    return not np.allclose(got, want, rtol=0, atol=APART * scale, equal_nan=True)


def _gradients(program: Program, engine: Backend) -> Gradients | None:
    """The gradients of all leaves in the end; None where something was refused."""
    trace = watch(program, engine)
    if any(moment.raised is not None for moment in trace):
        return None
    seen = trace.moments[-1].seen
    leaves = [step.outs[0] for step in program if isinstance(step, Leaf) and step.requires_grad]
    return {var: seen[var].grad for var in leaves}


@cache
def checked(seed: int) -> tuple[Case, ...]:
    """One program for each of some calls of each differentiable op, with numerical differences."""
    vocabulary = Vocabulary.of(ReferenceBackend())
    cases: list[Case] = []
    for row in vocabulary.differentiable:
        for number in range(CALLS):
            builder = _builder(f"{row.name} {number}", seed, vocabulary)
            found = site(builder, row)
            if found is not None and (case := _checked(builder, found.results[0])) is not None:
                cases.append(case)
    return tuple(cases)


def _checked(builder: Builder, root: Var) -> Case | None:
    """None where the function is not smooth, or not differentiable by any of its operands."""
    if not builder[root].tracked or builder[root].value.dtype.kind != "f":
        return None
    weights = builder.seed(root)
    builder.backward(root, weights)
    program = _looked_at(builder)
    want = _gradients(program, ReferenceBackend())
    if want is None:
        return None
    w = builder[weights].value
    expected: Gradients = {}
    for place, step in enumerate(program):
        if isinstance(step, Leaf) and step.requires_grad and want[step.outs[0]] is not None:
            x = step.value.array
            value = partial(_value, program, place, root, w)
            slopes = np.zeros(x.shape)
            for at in np.ndindex(x.shape):
                near, far = _quotient(value, x, at, STEP), _quotient(value, x, at, 2 * STEP)
                ahead = _quotient(value, x, at, STEP, back=0.0)  # at a tie this is another one
                doubtful = abs(near - far) > APART / 4 * max(1.0, abs(near)) or abs(near - ahead) > 1e-2
                if not np.isfinite(near) or doubtful:
                    return None
                slopes[at] = near
            expected[step.outs[0]] = slopes.astype(x.dtype)
    return Case(program, expected) if expected else None


def _quotient(
    value: Callable[[Array], float], x: Array, at: tuple[int, ...], step: float, back: float = 1.0
) -> float:
    """The slope along one element, from `back` steps behind a point to one step ahead."""
    ends = []
    for way in (1.0, -back):
        moved = x.copy()
        moved[at] += way * step
        ends.append(value(moved))
    return (ends[0] - ends[1]) / ((1 + back) * step)


def _value(program: Program, place: int, root: Var, weights: Array, x: Array) -> float:
    """The weighted sum of a root where a leaf holds something else."""
    steps = [step for step in program if not isinstance(step, Backward)]
    leaf = steps[place]
    assert isinstance(leaf, Leaf)
    steps[place] = replace(leaf, value=Literal(x))
    value = watch(Program(tuple(steps)), ReferenceBackend()).moments[-1].seen[root].value
    return float(np.sum(weights * value)) if value is not None else np.nan


@cache
def compared(seed: int) -> tuple[Case, ...]:
    """Random programs of all shapes of computation, with one backward each."""
    reference = ReferenceBackend()
    cases: list[Case] = []
    vocabulary = Vocabulary.of(reference)
    number = 0
    while len(cases) < PROGRAMS:
        builder = _builder(str(number), seed, vocabulary)
        number += 1
        try:
            root = graph(builder).root
            builder.backward(root, builder.seed(root))
        except (DeadEnd, IndexError, ValueError):
            continue
        program = _looked_at(builder)
        want = _gradients(program, reference)
        if want is not None:
            cases.append(Case(program, want))
    return tuple(cases)


def _builder(name: str, seed: int, vocabulary: Vocabulary) -> Builder:
    return Builder(Entropy(stretched(f"{seed} {name}".encode(), 1024)), vocabulary)


def _looked_at(builder: Builder) -> Program:
    return Program((*builder.program().steps, Look()))
