"""Findings: one breach, or one death of a process, as data, with its program in the engine's own API."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exceptions import EngineBroke, ProcessEnded, ReferenceBroke, described
from gradlaws.conformance.engines.time_limit import EndlessProgram
from gradlaws.conformance.engines.torch_like import TorchLike
from gradlaws.conformance.execution.judging_standard import LENIENT, Standard
from gradlaws.conformance.judgement.finding import Finding
from gradlaws.conformance.judgement.recurrence import Recurrence
from gradlaws.conformance.judgement.standalone_script import fatal, script
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import source, statement
from gradlaws.conformance.language.steps import Look
from gradlaws.conformance.laws.breach import Broken

#: What is looked at where something raised, or broke, that no law speaks of.
BROKE = ("the engine", "the reference")
#: What a finding is about whose program ended the process, or did not end.
PROCESS = "the process"


class Failure(NamedTuple):
    """How a law or whole programs failed: the verdict, the finding, and the breach in a line."""

    verdict: Verdict
    finding: Finding
    message: str


def blamed(error: Exception) -> str:
    """The law that a failure breaks; `ENGINE` where no law speaks of it."""
    return error.law if isinstance(error, Broken | EngineBroke) else EngineBroke.law


def failure_of(
    error: Exception, program: Program | None, backend: Backend, law: str = EngineBroke.law
) -> Failure:
    """A failure as data.

    law: the law on trial, where there is one: it is named where the engine broke, which breaks none in particular.
    """
    if isinstance(error, Broken):
        step = _step(program, error.index, backend)
        finding = Finding(error.law, error.thing, error.got, error.expected, step)
        return Failure(Verdict.FAIL, _with_program(finding, program, backend), str(error))
    said = str(error) if isinstance(error, EngineBroke) else described(error)
    if isinstance(error, ProcessEnded):
        verdict = Verdict.TIMEOUT if error.late else Verdict.CRASH
        return Failure(verdict, death_of(law, program, backend, "endless" if error.late else "dead"), said)
    broke = BROKE[isinstance(error, ReferenceBroke)]
    finding = Finding(law, broke, said, "no error")
    return Failure(
        Verdict.TIMEOUT if hung(error) else Verdict.ERROR, _with_program(finding, program, backend), said
    )


def hung(error: Exception) -> bool:
    """Whether a program did not end in time."""
    return isinstance(error, EndlessProgram) or EndlessProgram.__name__ in getattr(error, "kind", ())


def recurring(failure: Failure, recurrence: Recurrence | None) -> Failure:
    """The failure with how often it was seen; what does not always recur is said in its message."""
    failure.finding.recurrence = recurrence
    if recurrence is not None and not recurrence.likely:
        failure.finding.script = ""  # it would rather end well
    told = "" if recurrence is None else recurrence.told
    return failure._replace(message=f"{failure.message}; {told}") if told else failure


def death_of(law: str, program: Program | None, backend: Backend, said: str = "dead") -> Finding:
    """What is known of a process that died at a program."""
    return _with_program(Finding(law, PROCESS, said, "alive"), program, backend)


def _with_program(finding: Finding, program: Program | None, backend: Backend) -> Finding:
    if program is not None:
        finding.program, finding.steps = source(program.steps, backend.spellings), program
    return finding


def _step(program: Program | None, index: int | None, backend: Backend) -> str:
    """The step after which it was seen; looks show it, but do nothing."""
    if program is None or index is None:
        return ""
    steps = [s for s in program.steps[: index + 1] if not isinstance(s, Look)]
    return statement(steps[-1], backend.spellings) if steps else ""


def scripted(finding: Finding, error: Exception, backend: Backend, standard: Standard = LENIENT) -> str:
    """The finding's program as a stand-alone script; empty where the engine's own API is not known."""
    if finding.steps is not None and isinstance(backend, TorchLike):
        with suppress(Exception):  # a script is a courtesy: what breaks it must not hide the finding
            if isinstance(error, Broken):
                return script(finding.steps, error, backend, standard)
            if isinstance(error, ProcessEnded):
                return fatal(finding.steps, str(error), backend, standard)
    return ""
