"""What is known of a case that came to no verdict: its process died, it did not end in time, its adapter broke."""

from __future__ import annotations

import signal
from collections.abc import Callable

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exceptions import EngineBroke, ProcessEnded, described, place_of
from gradlaws.conformance.judgement.finding_builder import Failure, death_of, failure_of, recurring, scripted
from gradlaws.conformance.judgement.reruns import Small
from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.judgement.verdict_rule import Evidence, concluded
from gradlaws.conformance.known_failures.symptom import Symptom
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.laws import Law
from gradlaws.conformance.suite.cases import Case
from gradlaws.conformance.suite.crash_journal import Last
from gradlaws.conformance.suite.settings import Settings

#: Makes a program that ended its process before a law small; None where nothing is known of it.
Examine = Callable[[Law, Program, Backend], Small | None]


#: The exit code of a process that was ended since it took too long.
ENDED = 1


def crashed(
    case: Case, last: Last | None, options: Settings, said: str, code: int | None, examine: Examine
) -> Result:
    """The verdict on a case whose worker process is gone.

    said: by pytest-xdist.
    code: the exit code of the process, negative for a signal; None where it is not known.
    """
    late = options.timeout and last is not None and last.lasted >= options.timeout
    if late and code in (None, ENDED):
        return timed_out(case, last, options, examine)
    first = said.splitlines()
    how = "" if code is None else f", {signal.Signals(-code).name}" if code < 0 else f", exit code {code}"
    message = f"the process died{how}; {first[0] if first else ''}"
    if last is not None and last.why:
        message = last.why
    return _ended(case, last, options, Verdict.CRASH, message, examine)


def timed_out(case: Case, last: Last | None, options: Settings, examine: Examine) -> Result:
    """The verdict on a case that took longer than it may."""
    message = f"not finished after {options.timeout:g} s (--law-timeout)"
    return _ended(case, last, options, Verdict.TIMEOUT, message, examine)


def broke(case: Case, error: Exception, options: Settings) -> Result:
    """The verdict on a case of which the adapter raised where nothing was to be observed."""
    law, place = _law(case), place_of(error, case.backend)
    said = str(error) if isinstance(error, EngineBroke) else described(error)
    failure = failure_of(
        EngineBroke(said if place in said else f"{said}, at {place}"), None, case.backend, law.id
    )
    return concluded(law.id, case.backend, Evidence(failure=failure))


def _ended(
    case: Case, last: Last | None, options: Settings, verdict: Verdict, message: str, examine: Examine
) -> Result:
    law, backend = _law(case), case.backend
    program = None if last is None else last.program
    seen = Symptom("hung" if verdict is Verdict.TIMEOUT else "crashed")
    excuse = options.known[backend.name].excuse(law.id, program, seen)
    small = None if excuse is not None or program is None else examine(law, program, backend)
    failure = Failure(
        verdict, death_of(law.id, program if small is None else small.program, backend), message
    )
    if small is not None and isinstance(small.error, ProcessEnded):
        failure.finding.script = scripted(failure.finding, small.error, backend, options.effort)
        if verdict is Verdict.CRASH and str(small.error) and not (last and last.why):
            failure = failure._replace(message=str(small.error))
    failure = recurring(failure, None if small is None else small.recurrence)
    result = concluded(law.id, backend, Evidence(failure=failure, excuse=excuse))
    if last is None:
        result.finding = None  # it ended before it was about to run anything
    return result


def _law(case: Case) -> Law:
    assert isinstance(case.subject, Law)
    return case.subject
