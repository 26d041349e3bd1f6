"""Judges a law on a backend: draw, run, believe, ask, excuse (`law_run`), then make small, report, conclude."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.judgement.applicability import lacking
from gradlaws.conformance.judgement.definedness import Contents, contents, sound
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.examination import raised_by, shown_by
from gradlaws.conformance.judgement.excuses import Excuses
from gradlaws.conformance.judgement.finding_builder import Failure, failure_of, hung, recurring, scripted
from gradlaws.conformance.judgement.fresh_processes import FreshProcesses, FreshSubject
from gradlaws.conformance.judgement.law_run import Failing, Journal, LawRun
from gradlaws.conformance.judgement.relation_findings import failure_of_relation
from gradlaws.conformance.judgement.reruns import SECONDS, Reduction, Steadily, reduced, repeated
from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.judgement.verdict_rule import Evidence, concluded
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.known_failures.toml_parser import about
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.laws.registry import Law
from gradlaws.conformance.ops.kinks import KINKS


def judge(
    law: Law,
    backend: Backend,
    effort: Effort | None = None,
    known: KnownFailures | None = None,
    journal: Journal | None = None,
    fresh: FreshProcesses | None = None,
    withheld: frozenset[str] = frozenset(),
    first: Sequence[Program] = (),
) -> Result:
    """The verdict on one law.

    known:   the breaches that are listed; by default those shipped for an engine of this name.
    journal: called with each law id and draw before it runs, so that a crash can be traced.
    fresh:   where a failing program is run again, too; None for nowhere else than here.
    withheld: ops of the engine that programs shall not use.
    first:   programs that are judged before any is drawn: what failed before.
    """
    effort = effort or Effort()
    if missing := lacking(law, backend, effort):
        return concluded(law.id, backend, Evidence(missing))
    known = about(backend, known)
    start = perf_counter()
    with backend.session():
        seen = evidence(law, backend, effort, known, journal, fresh, withheld, first)
        result = concluded(law.id, backend, seen)
        touching = backend.dialect.touching(law.id) if effort.dialect == "declared" else ()
        if touching and result.verdict is Verdict.PASS:
            as_torch = replace(effort, dialect="torch", shrink=0.0)
            promised = concluded(law.id, backend, evidence(law, backend, as_torch, known, journal))
            if promised.verdict is not Verdict.PASS:
                result.verdict, result.waived = Verdict.DECLARED, touching
                declared = ", ".join(f"{name}={backend.dialect.departures[name]}" for name in touching)
                result.message = f"as declared ({declared}), not as in PyTorch: {promised.message}"
    result.seconds = perf_counter() - start
    return result


def evidence(
    law: Law,
    backend: Backend,
    effort: Effort,
    known: KnownFailures,
    journal: Journal | None = None,
    fresh: FreshProcesses | None = None,
    withheld: frozenset[str] = frozenset(),
    first: Sequence[Program] = (),
) -> Evidence:
    """What the programs of the law show; the first that fails is made small."""
    run = LawRun(law, backend, effort, known, journal, withheld, first)
    run.go()
    count = run.count
    return Evidence(
        (), count.programs, count.discarded, count.tally.assertions, count.tally.worst,
        count.coverage.covered(), count.reached.dumped(), count.excuses.excused, count.excuses.entries,
        failure=_reduced(run, run.failure, fresh) if run.failure is not None else None,
        standing=known.of(law.id), shown=list(count.excuses.shown),
    )  # fmt: skip


#: Seconds that a program may take while one that hung is made small.
IMPATIENT = 1.0


def _reduced(run: LawRun, found: Failing, fresh: FreshProcesses | None) -> Failure:
    """The failure of a run with the smallest program that shows it; what hangs is tried here only, and not for long."""
    backend, patience = run.backend, run.backend.patience
    if not hung(found.error):
        return _small(run, found, fresh)
    backend.patience = min(patience, IMPATIENT)
    try:
        return _small(run, found, None)
    finally:
        backend.patience = patience


def _small(run: LawRun, found: Failing, fresh: FreshProcesses | None) -> Failure:
    """The failure of a run with the smallest program that shows it."""
    law, backend, effort, program = run.law, run.backend, run.effort, found.program
    patience = min(SECONDS, effort.shrink)  # who has no time to make things small has none to repeat them
    if program is None:
        failure = failure_of(found.error, None, backend, law.id)
        failure = recurring(failure, repeated(partial(shown_by, law, found.data, backend, effort), patience))
    else:
        subject = LawSubject(law, backend, effort, run.known)
        elsewhere = None
        if fresh is not None and fresh.know(backend):
            elsewhere = FreshSubject(law.id, backend, effort, fresh, subject.listed)
        small = reduced(
            program,
            found.error,
            Reduction(subject, effort.shrink),
            Reduction(Steadily(subject), effort.shrink),
            None if elsewhere is None else Reduction(elsewhere, effort.shrink),
            patience,
        )
        if isinstance(small.error, Broken) and small.error.others:
            failure = failure_of_relation(small.error, small.program, backend, effort)
        else:
            failure = failure_of(small.error, small.program, backend, law.id)
            failure.finding.script = scripted(failure.finding, small.error, backend, effort)
        failure = recurring(failure, small.recurrence)
    over = [entry.until for entry in run.known.of(law.id) if entry.expired]
    if over:
        message = (
            f"{failure.message}; its entry in the list of known failures excuses nothing after {over[0]}"
        )
        return failure._replace(message=message)
    return failure


class LawSubject:
    """Programs that fail before a law, for the shrinker; what is on the list is another failure."""

    def __init__(self, law: Law, backend: Backend, effort: Effort, known: KnownFailures) -> None:
        self.law = law
        self.backend = backend
        self.effort = effort
        self._kinks = law.id in {kink.law for kink in KINKS.values()}
        self._excuses = Excuses(law, backend, effort, known)

    def error(self, program: Program) -> Exception | None:
        """What the law says of a program, past what is listed."""
        error = raised_by(self.law, program, self.backend, self.effort)
        return None if error is None or self.listed(program, error) else error

    def listed(self, program: Program, error: Exception) -> bool:
        """Whether a failure is on the list."""
        return self._excuses.covering(program, error)[1] is not None

    def sound(self, program: Program) -> bool:
        """Whether a program asks for nothing that is nowhere defined."""
        return sound(program, self.backend, kinks=self._kinks)

    def contents(self, program: Program) -> Contents:
        """What the tensors of a program hold when they are made."""
        return contents(program, self.backend)

    def possible(self, program: Program) -> bool:
        """Nothing is cut down that an op may need."""
        return True
