"""Judges a documented example on a backend: as the laws are judged, without drawing and without the reference."""

from __future__ import annotations

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.documented.script import Example
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.engines.exception_containment import contained
from gradlaws.conformance.engines.exceptions import EngineBroke
from gradlaws.conformance.execution.judging_standard import LENIENT, Standard
from gradlaws.conformance.judgement.examination import follow
from gradlaws.conformance.judgement.finding_builder import failure_of
from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.judgement.verdict_rule import Evidence, concluded
from gradlaws.conformance.known_failures.entry import Known
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.laws.breach import Broken


def judge_example(
    example: Example, backend: Backend, known: KnownFailures, standard: Standard = LENIENT
) -> Result:
    """The verdict on a documented example, listed failures and declared deviations of its laws considered."""
    seen = Evidence(tuple(example.missing(backend)), assertions=example.assertions)
    breaches: list[str] = []
    try:
        breaches = [] if seen.missing else _breaches(example, backend)
    except EngineBroke as error:
        seen.failure = failure_of(error, example.program(backend), backend, example.id)
    if breaches:
        broken = Broken(example.id, "the example", breaches[0], "as documented")
        seen.failure = failure_of(broken, example.program(backend), backend)._replace(message=breaches[0])
        seen.excuse = _excuse(example, example.program(backend), known)
    result = concluded(f"{example.id}-{example.name}", backend, seen)
    if seen.excuse is not None:
        result.known = f"{seen.excuse.law}: {result.known}"
    if breaches and standard.dialect == "declared" and _as_declared(example, backend):
        waived = _explaining(example, backend.dialect)
        if waived:
            result.verdict, result.waived, result.message = Verdict.DECLARED, waived, breaches[0]
    return result


def _breaches(example: Example, backend: Backend) -> list[str]:
    with backend.session(), contained():
        return list(example.breaches(backend))


def _excuse(example: Example, program: Program, known: KnownFailures) -> Known | None:
    found = (known.excuse(law, program) for law in example.laws)
    return next((entry for entry in found if entry is not None), None)


def _as_declared(example: Example, backend: Backend) -> bool:
    """Whether the engine does in this example what its dialect says instead."""
    try:
        with backend.session():
            follow(example.program(backend), backend)
    except (Broken, EngineBroke):
        return False
    return True


def _explaining(example: Example, dialect: Dialect) -> tuple[str, ...]:
    """The declared deviations that alone have the reference do otherwise than the example; all, where none does."""
    declared = tuple(dialect.departures)
    alone = {name: dialect.only(name) for name in declared}
    found = tuple(name for name in declared if list(example.breaches(ReferenceBackend(alone[name]))))
    return found or (declared if list(example.breaches(ReferenceBackend(dialect))) else ())
