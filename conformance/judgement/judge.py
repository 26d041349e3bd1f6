"""Judges a law on a backend: draw, run, believe, ask, excuse (`law_run`), then make small, report, conclude."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.judgement.definedness import Contents, contents, sound
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.examination import raised_by
from gradlaws.conformance.judgement.excuses import Excuses
from gradlaws.conformance.judgement.findings import Failure, failure_of, scripted
from gradlaws.conformance.judgement.law_run import Journal, LawRun
from gradlaws.conformance.judgement.shrinker import Shrinker
from gradlaws.conformance.judgement.verdict import Result, Verdict
from gradlaws.conformance.judgement.verdict_rule import Evidence, concluded
from gradlaws.conformance.known_failures.entry import KnownFailures
from gradlaws.conformance.known_failures.toml_parser import about
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.laws.registry import Law


def judge(
    law: Law,
    backend: Backend,
    effort: Effort | None = None,
    known: KnownFailures | None = None,
    journal: Journal | None = None,
) -> Result:
    """The verdict on one law.

    known:   the breaches that are listed; by default those shipped for an engine of this name.
    journal: called with each law id and draw before it runs, so that a crash can be traced.
    """
    effort = effort or Effort()
    if missing := lacking(law, backend, effort):
        return concluded(law.id, backend, Evidence(missing))
    known = about(backend, known)
    start = perf_counter()
    with backend.session():
        result = concluded(law.id, backend, evidence(law, backend, effort, known, journal))
        touching = backend.dialect.touching(law.id) if effort.dialect == "declared" else ()
        if touching and result.verdict is Verdict.PASS:
            as_torch = replace(effort, dialect="torch", shrink=0.0)
            promised = concluded(law.id, backend, evidence(law, backend, as_torch, known, journal))
            if promised.verdict is not Verdict.PASS:
                result.verdict, result.waived = Verdict.DECLARED, touching
                declared = ", ".join(f"{name}={backend.dialect.deviations[name]}" for name in touching)
                result.message = f"as declared ({declared}), not as in PyTorch: {promised.message}"
    result.seconds = perf_counter() - start
    return result


def lacking(law: Law, backend: Backend, effort: Effort) -> tuple[str, ...]:
    """What the law needs, and presupposes, and the adapter does not claim."""
    missing = sorted(law.needs - backend.capabilities - frozenset(backend.ops()))
    presupposed = backend.dialect.presupposing(law.id) if effort.dialect == "declared" else ()
    return (*missing, *presupposed)


def evidence(
    law: Law, backend: Backend, effort: Effort, known: KnownFailures, journal: Journal | None = None
) -> Evidence:
    """What the programs of the law show; the first that fails is made small."""
    run = LawRun(law, backend, effort, known, journal)
    run.go()
    count = run.count
    return Evidence(
        (), count.programs, count.discarded, count.tally.assertions, count.tally.worst,
        count.coverage.covered(), count.excuses.excused, count.excuses.entries,
        failure=_small(run) if run.failure is not None else None,
        standing=known.of(law.id), shown=list(count.excuses.shown),
    )  # fmt: skip


def _small(run: LawRun) -> Failure:
    """The failure of a run with the smallest program that shows it."""
    assert run.failure is not None
    program, error = run.failure
    subject = LawSubject(run.law, run.backend, run.effort, run.known)
    if program is not None:
        program = Shrinker(subject, run.effort.shrink).shrink(program, error).program
        error = raised_by(run.law, program, run.backend, run.effort) or error
    failure = failure_of(error, program, run.backend, run.law.id)
    failure.finding.script = scripted(failure.finding, error, run.backend, run.effort)
    message = f"{'not the same when run again; ' * run.unstable}{failure.message}"
    over = [entry.until for entry in run.known.of(run.law.id) if entry.expired]
    if over:
        message += f"; its entry in the list of known failures excuses nothing after {over[0]}"
    return failure._replace(message=message)


class LawSubject:
    """Programs that fail before a law, for the shrinker; what is on the list is another failure."""

    def __init__(self, law: Law, backend: Backend, effort: Effort, known: KnownFailures) -> None:
        self.law = law
        self.backend = backend
        self.effort = effort
        self._excuses = Excuses(law, backend, effort, known)

    def error(self, program: Program) -> Exception | None:
        """What the law says of a program, past what is listed."""
        error = raised_by(self.law, program, self.backend, self.effort)
        return None if error is None or self._excuses.covering(program, error)[1] is not None else error

    def sound(self, program: Program) -> bool:
        """Whether a program asks for nothing that is nowhere defined."""
        return sound(program, self.backend)

    def contents(self, program: Program) -> Contents:
        """What the tensors of a program hold when they are made."""
        return contents(program, self.backend)

    def possible(self, program: Program) -> bool:
        """Nothing is cut down that an op may need."""
        return True
