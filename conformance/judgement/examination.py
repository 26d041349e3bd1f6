"""Puts one program, or one scene of an exhibit, before a law."""

from __future__ import annotations

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.deviations import deviant
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exception_containment import contained
from gradlaws.conformance.engines.exceptions import EngineBroke, ReferenceBroke
from gradlaws.conformance.engines.time_limit import EndlessProgram, EndlessScene, time_limit
from gradlaws.conformance.entropy import Entropy, stretched
from gradlaws.conformance.execution.bounded_reference import BoundedReference
from gradlaws.conformance.execution.interpreter import run
from gradlaws.conformance.execution.judging_standard import LENIENT, Standard
from gradlaws.conformance.execution.oracle import believe
from gradlaws.conformance.execution.trace import Trace
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Step
from gradlaws.conformance.laws.breach import Broken, symptom_of
from gradlaws.conformance.laws.invariants import blame_sharing, lawful, stand
from gradlaws.conformance.laws.registry import Law
from gradlaws.conformance.laws.trial import Judge, Stage, Trial
from gradlaws.conformance.reference.engine import Engine


def trial_of(
    law: str,
    program: Program,
    backend: Backend,
    got: Trace,
    standard: Standard = LENIENT,
    engine: Engine | None = None,
) -> Trial:
    """A program that ran, beside what the reference expects of it; raises ReferenceBroke.

    engine: the reference engine, where it is one that deviates.
    """
    reference = BoundedReference(standard.conventions(backend), engine)
    want = believe(program, got, standard.strict, reference=reference)
    return Trial(law, program, backend, got, want, standard, reference)


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
    except ReferenceBroke:
        raise
    except (Broken, EngineBroke) as error:
        blame_sharing(trial)
        if isinstance(error, Broken) and error.law == law.id:
            error.others = tuple(trial.others)
        raise


def examine(law: Law, program: Program, backend: Backend, tally: Judge, standard: Standard = LENIENT) -> None:
    """Run one program and ask the law; raises `Broken` or `EngineBroke`."""
    ask(law, trial_of(law.id, program, backend, run(program, backend), standard), tally)


def unexplained(
    law: Law, program: Program, backend: Backend, standard: Standard, deviations: frozenset[str]
) -> Exception | None:
    """What the law still says if the reference deviates so; None where the engine did what the deviations do."""
    try:
        with contained():
            trial = trial_of(law.id, program, backend, run(program, backend), standard, deviant(deviations))
            ask(law, trial, Judge(law.id))
    except Exception as error:
        # A relation is between programs of one engine: it is explained where each of them is, one by a deviation.
        programs = [program, *(other for _, other in getattr(error, "others", ()))]
        if len(programs) == 1 or not any(first_wrong(p, backend, standard) for p in programs):
            return error
        return next(filter(None, (first_wrong(p, backend, standard, deviations) for p in programs)), None)
    return None


def exhibited(
    law: Law, data: bytes, backend: Backend, error: Exception, standard: Standard, deviations: frozenset[str]
) -> bool:
    """Whether a scene of an exhibit ends alike on the reference that deviates so, as far as can be told."""
    engine = deviant(deviations)
    engine.refuses = symptom_of(error).seen == "refused"
    stage = ReferenceBackend(standard.conventions(backend), engine)
    with stage.session():
        other = shown_by(law, data, stage, standard)
    return (
        isinstance(error, Broken)
        and isinstance(other, Broken)
        and (other.thing, symptom_of(other)) == (error.thing, symptom_of(error))
    )


def follow(program: Program, backend: Backend) -> None:
    """Run a program and compare every outcome and gradient with what the adapter declares; raises as `ask` does."""
    trial = trial_of("VAL-01", program, backend, run(program, backend))
    lawful(trial)
    for at in trial.at(Step):
        for var in at.got.seen:
            trial.grad(at, var)


def first_wrong(
    program: Program, backend: Backend, standard: Standard, deviations: frozenset[str] = frozenset()
) -> Broken | EngineBroke | None:
    """What the reference says first against values, gradients and outcomes of a program, whatever the law.

    deviations: what it does otherwise.
    """
    try:
        with contained():
            engine = deviant(deviations) if deviations else None
            trial = trial_of("VAL-01", program, backend, run(program, backend), standard, engine)
            lawful(trial)
            for at in trial.at(Step):
                for var in at.got.seen:
                    trial.value(at, var)
                    trial.grad(at, var)
    except (Broken, EngineBroke) as error:
        return None if isinstance(error, ReferenceBroke) else error
    return None


def show(law: Law, backend: Backend, data: bytes, tally: Judge, standard: Standard = LENIENT) -> None:
    """Put an exhibit on stage; raises `Broken`."""
    stage = Stage(law.id, backend, Entropy(stretched(data)), standard.conventions(backend))
    try:
        with time_limit(backend.patience, EndlessScene):
            law.check(stage)
    except EndlessScene as error:
        raise EndlessProgram(str(error)) from error
    finally:
        tally.assertions += stage.assertions
        tally.worst = max(tally.worst, stage.worst)


def raised_by(law: Law, program: Program, backend: Backend, standard: Standard) -> Exception | None:
    """How the examination of one program ended."""
    try:
        with contained():
            examine(law, program, backend, Judge(law.id), standard)
    except Exception as error:
        return error
    return None


def shown_by(law: Law, data: bytes, backend: Backend, standard: Standard) -> Exception | None:
    """How a scene of an exhibit ended."""
    try:
        with contained():
            show(law, backend, data, Judge(law.id), standard)
    except Exception as error:
        return error
    return None
