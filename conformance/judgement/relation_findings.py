"""A relation between programs that does not hold: all are shown, and which of them the reference calls wrong."""

from __future__ import annotations

from dataclasses import replace

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.execution.judging_standard import Standard
from gradlaws.conformance.judgement.examination import first_wrong
from gradlaws.conformance.judgement.finding_builder import Failure, failure_of, scripted
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import source
from gradlaws.conformance.laws.breach import Broken

#: What the program on trial is called.
DRAWN = "the program as drawn"


def failure_of_relation(error: Broken, program: Program, backend: Backend, standard: Standard) -> Failure:
    """The failure as data. What is got and expected is what the reference says of the program that it calls wrong.

    Where it calls none wrong, for rounding in each is within its bounds, the two differ all the same: that is told.
    """
    programs = [(DRAWN, program), *error.others]
    verdicts = [(way, p, first_wrong(p, backend, standard)) for way, p in programs]
    wrong = next(((way, p, e) for way, p, e in verdicts if isinstance(e, Broken)), None)
    if wrong is None:
        alike = f"the same but for rounding in both, where one has {error.expected}"
        told, shown, asserted = Broken(error.law, error.thing, error.got, alike, error.index), program, None
    else:
        way, shown, asserted = wrong
        thing = f"{asserted.thing} in {way}"
        told = Broken(error.law, thing, asserted.got, asserted.expected, asserted.index)
    failure = failure_of(told, shown, backend)
    finding = failure.finding
    finding.program = "\n".join(
        f"# {way}{said(e)}\n{source(p.steps, backend.spellings)}" for way, p, e in verdicts
    )
    finding.wrong = shown
    finding.steps = program  # which a replay puts before the law again
    if asserted is not None:
        finding.script = scripted(replace(finding, steps=shown), asserted, backend, standard)
    return failure


def said(error: Exception | None) -> str:
    """What the reference says of a program."""
    return ": right, by the reference" if error is None else f": WRONG, by the reference: {error}"
