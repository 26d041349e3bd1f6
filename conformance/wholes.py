"""Whole programs as one item of a run, beside the laws: judged, recorded and replayed as a law is."""

from __future__ import annotations

import struct
from collections.abc import Callable
from time import perf_counter

from gradlaws.conformance.backend import Backend
from gradlaws.conformance.comparing import breach
from gradlaws.conformance.dialect import PYTORCH
from gradlaws.conformance.judging import Effort, judge
from gradlaws.conformance.known import KnownFailures
from gradlaws.conformance.laws import LAWS, EngineBroke, Law, Trial
from gradlaws.conformance.program import Program
from gradlaws.conformance.soaking import Soak, program_of
from gradlaws.conformance.verdict import Result, Verdict

#: Whole programs for one program of a law.
FACTOR = 10
#: So many findings are enough for a verdict; `gradlaws soak` looks for all.
ENOUGH = 3
_NUMBERS = struct.Struct("<qq")


def _check(t: Trial) -> None:
    error = breach(t.program, t.backend)
    t.assertions += 1
    if error is not None:
        raise error


#: Stands where a law stands; what it finds is blamed on the laws of the catalogue.
WHOLE = Law(
    "WHOLE-01",
    "whole_programs",
    "Programs that mix everything show what the reference engine expects, wherever they are looked at.",
    "https://docs.pytorch.org/docs/2.13/notes/autograd.html",
    "full",
    frozenset({"stored"}),
    _check,
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
    journal: Callable[[str, bytes], None] | None = None,
) -> Result:
    """The verdict on a law, or in whole programs where `WHOLE` is given; arguments as in `judge`."""
    if law is WHOLE:
        return judged(backend, effort, known, journal)
    return judge(law, backend, effort, known, journal)


def judged(
    backend: Backend,
    effort: Effort,
    known: KnownFailures | None = None,
    journal: Callable[[str, bytes], None] | None = None,
) -> Result:
    """The verdict on an engine in whole programs, ten for each that a law gets.

    known:   the breaches that are listed; by default those shipped for an engine of this name.
    journal: called with the id and the numbers of each program before it runs.
    """
    result = Result(WHOLE.id, backend.name, Verdict.UNKNOWN)
    missing = sorted(WHOLE.needs - backend.capabilities)
    if missing:
        result.verdict, result.missing = Verdict.UNSUPPORTED, tuple(missing)
        return result
    dialect = PYTORCH if effort.dialect == "torch" else None
    soak = Soak(backend, effort.seed, known, effort.strict, effort.shrink, dialect=dialect)
    if journal is not None:
        soak.journal = lambda number: journal(WHOLE.id, _NUMBERS.pack(effort.seed, number))
    start = perf_counter()
    soak.run(effort.examples * FACTOR, enough=ENOUGH)
    result.seconds = perf_counter() - start
    tally = soak.tally
    result.programs, result.assertions, result.worst = tally.programs, tally.assertions, tally.worst
    result.excused = dict(tally.excused)
    found = list(soak.found.values())
    if found:
        first = next((f for f in found if f.finding.law != EngineBroke.law), found[0])
        result.finding = first.finding
        result.verdict = Verdict.ERROR if first.finding.law == EngineBroke.law else Verdict.FAIL
        result.message = f"{first.finding.thing} is {first.finding.got}, expected {first.finding.expected}"
        also = ", ".join(sorted({f.finding.law for f in found} - {first.finding.law}))
        result.message += f"; also broken: {also}" if also else ""
    elif tally.assertions:
        result.verdict = Verdict.PASS
    return result


def program_from(backend: Backend, data: bytes) -> Program:
    """The program that a journal's entry is about."""
    seed, number = _NUMBERS.unpack_from(data)
    return program_of(backend, seed, number)
