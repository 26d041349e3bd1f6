"""Puts one program, or one scene of an exhibit, before a law."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

from gradlaws.conformance.backend import Backend
from gradlaws.conformance.dialect import PYTORCH, Dialect
from gradlaws.conformance.entropy import Array, Entropy, stretched
from gradlaws.conformance.interpreter import run
from gradlaws.conformance.laws.registry import Law
from gradlaws.conformance.laws.standing import lawful, root_cause, stand
from gradlaws.conformance.laws.trial import Broken, EngineBroke, Judge, Stage, Trial
from gradlaws.conformance.minimise import Contents
from gradlaws.conformance.observe import Trace
from gradlaws.conformance.ops import INPLACE, TABLE
from gradlaws.conformance.ops.table import Weighted
from gradlaws.conformance.oracle import believe
from gradlaws.conformance.program import Program
from gradlaws.conformance.steps import Apply, InPlace, Step, Var
from gradlaws.strategies.builder import Builder, Vocabulary

#: Bytes that one program is drawn from.
SIZE = 16
#: How a program is run: `run`, or what looks at it in another way.
Observe = Callable[[Program, Backend], Trace]


@contextmanager
def collected_later(generation: int = 1) -> Iterator[None]:
    """Cyclic garbage waits until the end of the block: programs make little of it, and much that is not.

    generation: up to which one it is collected then, as in `gc.collect`.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
        gc.collect(generation)


def vocabulary_of(backend: Backend) -> Vocabulary:
    """What programs for this backend may use."""
    return _vocabulary(frozenset(backend.ops()), backend.capabilities, backend.accepts)


@lru_cache(maxsize=8)  # each sorts the op table anew
def _vocabulary(ops: frozenset[str], has: frozenset[str], accepts: Callable[..., bool]) -> Vocabulary:
    return Vocabulary(ops, has, accepts, "constants" in has, "ties" in has)


def drawn(law: Law, vocabulary: Vocabulary, data: bytes) -> Program:
    """The program that `data` decodes to under the law's leaning."""
    assert law.leaning is not None
    builder = Builder(Entropy(stretched(data)), vocabulary)
    law.leaning(builder)
    return builder.program()


def in_domain(program: Program, trace: Trace, ties: bool = True) -> bool:
    """Whether each op is defined, and of one mind with itself, at the values that it met.

    ties: whether that includes extrema where they are taken on several times.
    """
    values: dict[Var, Array] = {}
    for step, moment in zip(program, trace, strict=True):
        if isinstance(step, Apply | InPlace) and not moment.skipped:
            row = TABLE[step.op] if isinstance(step, Apply) else INPLACE[step.op].row
            operands = step.inputs if isinstance(step, Apply) else (step.target, *step.inputs)
            met = [values[v] for v in operands if v in values]
            if len({v.dtype for v in met}) > 1 and len({v.ndim > 0 for v in met}) > 1:
                return False  # which dtype the result has differs from engine to engine
            whole = row.domain is not None and len(met) == len(operands)
            if whole and row.domain and not row.domain(*met, **dict(step.params)):
                return False
            if whole and not ties and isinstance(row.rule, Weighted):
                y = row(*met, **dict(step.params))
                if row.rule.tied(y, *met, **dict(step.params)):
                    return False
        values.update((v, seen.value) for v, seen in moment.seen.items() if seen.value is not None)
    return True


def sound(program: Program, backend: Backend, observe: Observe = run) -> bool:
    """Whether a program can be looked at, and asks for nothing that is nowhere defined."""
    try:
        return in_domain(program, observe(program, backend), "ties" in backend.capabilities)
    except Exception:
        return False


def contents(program: Program, backend: Backend, observe: Observe = run) -> Contents:
    """What the tensors of a program hold when made, and whether they require grad; nothing where it cannot be seen."""
    found: Contents = {}
    try:
        trace = observe(program, backend)
    except Exception:
        return found
    for moment in trace:
        for var, seen in moment.seen.items():
            if var not in found and seen.value is not None:
                found[var] = seen.value, bool(seen.requires_grad)
    return found


def examine(
    law: Law,
    program: Program,
    backend: Backend,
    tally: Judge,
    strict: bool = False,
    dialect: Dialect = PYTORCH,
) -> None:
    """Run one program and ask the law; raises `Broken` or `EngineBroke`."""
    got = run(program, backend)
    ask(law, Trial(law.id, program, backend, got, believe(program, got, strict, dialect)), tally)


def ask(law: Law, trial: Trial, tally: Judge) -> None:
    """Ask the law about a program that ran; raises `Broken` or `EngineBroke`."""
    try:
        try:
            law.check(trial)
        finally:
            # The law's own assertions: those that are made on every program count for no law.
            tally.assertions += trial.assertions
            tally.worst = max(tally.worst, trial.worst)
        stand(trial)
        lawful(trial)
    except (Broken, EngineBroke):
        root_cause(trial)
        raise


def follow(program: Program, backend: Backend, dialect: Dialect) -> None:
    """Run a program and compare every outcome and gradient with what the dialect says; raises as `ask` does."""
    got = run(program, backend)
    trial = Trial("VAL-01", program, backend, got, believe(program, got, dialect=dialect))
    lawful(trial)
    for at in trial.at(Step):
        for var in at.got.seen:
            trial.grad(at, var)


def show(law: Law, backend: Backend, data: bytes, tally: Judge, dialect: Dialect = PYTORCH) -> None:
    """Put an exhibit on stage; raises `Broken`."""
    stage = Stage(law.id, backend, Entropy(stretched(data)), dialect)
    try:
        law.check(stage)
    finally:
        tally.assertions += stage.assertions
        tally.worst = max(tally.worst, stage.worst)
