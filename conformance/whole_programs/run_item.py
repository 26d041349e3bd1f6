"""Whole programs as one item of a run, beside the laws: judged, recorded and replayed as a law is."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import partial
from time import perf_counter

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exceptions import EngineBroke
from gradlaws.conformance.execution.judging_standard import Standard
from gradlaws.conformance.judgement.draws import standing_for
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.examination import examine
from gradlaws.conformance.judgement.finding import Finding
from gradlaws.conformance.judgement.finding_builder import BROKE, Failure, recurring
from gradlaws.conformance.judgement.fresh_processes import FreshProcesses
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.law_run import Journal
from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.judgement.verdict_rule import Evidence, concluded
from gradlaws.conformance.known_failures.entry import Known
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.known_failures.toml_parser import about
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.laws import LAWS, Law
from gradlaws.conformance.laws.trial import Judge
from gradlaws.conformance.whole_programs.diagnosis import Diagnosis
from gradlaws.conformance.whole_programs.judge import WHOLE_PROGRAMS, breach, compare
from gradlaws.conformance.whole_programs.soak import Soak, program_of
from gradlaws.strategies.draft import DeadEnd

#: Whole programs for one program of a law.
FACTOR = 10
#: So many findings are enough for a verdict; `gradlaws soak` looks for all.
ENOUGH = 3
#: So often a law that fails is tried again without the ops that its failures belong to.
ROUNDS = 3
_NUMBER = struct.Struct("<q")


#: Stands where a law stands; what it finds is blamed on the laws of the catalogue.
WHOLE = Law(
    WHOLE_PROGRAMS,
    "whole_programs",
    "Programs that mix everything show what the reference engine expects, wherever they are looked at.",
    "https://docs.pytorch.org/docs/2.13/notes/autograd.html",
    "full",
    frozenset({"stored"}),
    compare,
    None,
    (),
)


def law_of(identity: str) -> Law | None:
    """The law with an id, or what stands for one; None if there is none."""
    return WHOLE if identity == WHOLE.id else LAWS.get(identity)


def judge_any(
    law: Law,
    backend: Backend,
    effort: Effort,
    known: KnownFailures | None = None,
    journal: Journal | None = None,
    fresh: FreshProcesses | None = None,
    first: Sequence[Program] = (),
) -> Result:
    """The verdict on a law, or in whole programs where `WHOLE` is given; arguments as in `judge`."""
    start = perf_counter()
    result = _judged(law, backend, effort, known, journal, fresh, first=first)
    if result.verdict in (Verdict.FAIL, Verdict.ERROR) and effort.shrink:
        with backend.session():
            _diagnose(result, law, backend, effort, known)
        result.seconds = perf_counter() - start
    return result


def _judged(
    law: Law,
    backend: Backend,
    effort: Effort,
    known: KnownFailures | None,
    journal: Journal | None = None,
    fresh: FreshProcesses | None = None,
    withheld: frozenset[str] = frozenset(),
    first: Sequence[Program] = (),
) -> Result:
    judged = judge_whole if law is WHOLE else partial(judge, law)
    return judged(backend, effort, known, journal, fresh, withheld, first)


def _diagnose(
    result: Result, law: Law, backend: Backend, effort: Effort, known: KnownFailures | None
) -> None:
    """Say what the findings come from, and what else there is without the ops that they belong to."""
    diagnosis = Diagnosis(backend, effort, about(backend, known), effort.shrink)
    found = [] if result.finding is None else [result.finding, *result.more]
    seen: set[str] = set()
    withheld: frozenset[str] = frozenset()
    result.more = []
    for _ in range(ROUNDS):
        before = withheld
        for finding in found:
            program = finding.wrong or finding.steps
            if program is not None and (finding.recurrence is None or finding.recurrence.here):
                finding.cause = diagnosis.of(program)
            key = finding.law if finding.cause is None else finding.cause.key
            if key not in seen and finding is not result.finding:
                result.more.append(finding)
            seen.add(key)
            withheld |= frozenset() if finding.cause is None else finding.cause.ops
        if withheld == before or withheld & law.needs:
            return
        try:
            again = _judged(law, backend, effort, known, withheld=withheld)
        except DeadEnd:  # what is left of the ops is not enough for whole programs
            return
        found = [] if again.finding is None else [again.finding, *again.more]


def judge_whole(
    backend: Backend,
    effort: Effort,
    known: KnownFailures | None = None,
    journal: Journal | None = None,
    fresh: FreshProcesses | None = None,
    withheld: frozenset[str] = frozenset(),
    first: Sequence[Program] = (),
) -> Result:
    """The verdict on an engine in whole programs, ten for each that a law gets.

    known:   the breaches that are listed; by default those shipped for an engine of this name.
    journal: called with the id and the number of each program before it runs.
    fresh:   where a failing program is run again, too; None for nowhere else than here.
    withheld: ops of the engine that programs shall not use.
    first:   programs that are judged before any is drawn: what failed before.
    """
    missing = tuple(sorted(WHOLE.needs - backend.capabilities))
    if missing:
        return concluded(WHOLE.id, backend, Evidence(missing))
    soak = Soak(backend, effort.seed, known, effort, effort.shrink, fresh=fresh, withheld=withheld, one_in=1)
    if journal is not None:
        soak.journal = lambda number: journal(
            WHOLE.id, _NUMBER.pack(number) if number >= 0 else standing_for(first[number])
        )
    start = perf_counter()
    soak.again(first)
    tally = soak.run(effort.examples * FACTOR, enough=ENOUGH)
    seen = Evidence((), tally.programs, 0, tally.assertions, tally.worst, excused=tally.excused)
    if soak.found:
        seen.failure = _failure([found.finding for found in soak.found.values()])
    seen.standing = _gone(soak)
    seen.reached = soak.reached.dumped()
    result = concluded(WHOLE.id, backend, seen)
    result.more = [found.finding for found in soak.found.values() if found.finding is not result.finding]
    if result.verdict is Verdict.STALE:
        result.message = f"{seen.standing[0].law}: {result.message}"
    result.seconds = perf_counter() - start
    return result


def _gone(soak: Soak) -> list[Known]:
    """The entries about laws that only whole programs judge, which neither these nor their scripts show any more."""
    alone = [e for e in soak.known.entries if not (e.inherited or e.expired or e.laws & LAWS.keys())]
    unseen = [e for e in alone if e.laws.isdisjoint(soak.tally.excused)]
    return [entry for entry in unseen if entry.reproduces() is False]


def _failure(findings: list[Finding]) -> Failure:
    """Several findings as one: the first that breaks a law, and what else is broken."""
    first = next((f for f in findings if f.law != EngineBroke.law), findings[0])
    also = ", ".join(sorted({f.law for f in findings} - {first.law}))
    message = f"{first.thing} is {first.got}, expected {first.expected}" + (
        f"; also broken: {also}" if also else ""
    )
    verdict = Verdict.ERROR if first.thing in BROKE else Verdict.FAIL
    return recurring(Failure(verdict, first, message), first.recurrence)


def examine_any(law: Law, program: Program, backend: Backend, tally: Judge, standard: Standard) -> None:
    """Put one program before a law, or compare it where `WHOLE` is given; raises what is wrong with it."""
    if law is WHOLE:
        error = breach(program, backend, standard)
        tally.assertions += 1
        if error is not None:
            raise error
    else:
        examine(law, program, backend, tally, standard)


def program_from(backend: Backend, seed: int, data: bytes, known: KnownFailures) -> Program:
    """The program that a journal's entry of a run under this seed, with this list, is about."""
    (number,) = _NUMBER.unpack_from(data)
    return program_of(backend, seed, number, known=known)
