"""What is known of a case that came to no verdict: its process died, it did not end in time, its adapter broke."""

from __future__ import annotations

from gradlaws.conformance.engines.exceptions import EngineBroke, described, place_of
from gradlaws.conformance.judgement.findings import Failure, death_of, failure_of
from gradlaws.conformance.judgement.verdict import Result, Verdict
from gradlaws.conformance.judgement.verdict_rule import Evidence, concluded
from gradlaws.conformance.known_failures.symptom import Symptom
from gradlaws.conformance.laws import Law
from gradlaws.conformance.suite.cases import Case
from gradlaws.conformance.suite.journal import Last
from gradlaws.conformance.suite.settings import Settings


def crashed(case: Case, last: Last | None, options: Settings, said: str) -> Result:
    """The verdict on a case whose worker process is gone; `said`: by pytest-xdist."""
    if options.timeout and last is not None and last.lasted >= options.timeout:
        return timed_out(case, last, options)
    first = said.splitlines()
    return _ended(case, last, options, Verdict.CRASH, f"the process died; {first[0] if first else ''}")


def timed_out(case: Case, last: Last | None, options: Settings) -> Result:
    """The verdict on a case that took longer than it may."""
    message = f"not finished after {options.timeout:g} s (--law-timeout)"
    return _ended(case, last, options, Verdict.TIMEOUT, message)


def broke(case: Case, error: Exception, options: Settings) -> Result:
    """The verdict on a case of which the adapter raised where nothing was to be observed."""
    law, place = _law(case), place_of(error, case.backend)
    said = str(error) if isinstance(error, EngineBroke) else described(error)
    failure = failure_of(
        EngineBroke(said if place in said else f"{said}, at {place}"), None, case.backend, law.id
    )
    return concluded(law.id, case.backend, Evidence(failure=failure))


def _ended(case: Case, last: Last | None, options: Settings, verdict: Verdict, message: str) -> Result:
    law, backend = _law(case), case.backend
    program = None if last is None else last.program
    failure = Failure(verdict, death_of(law.id, program, backend), message)
    seen = Symptom("hung" if verdict is Verdict.TIMEOUT else "crashed")
    excuse = options.known[backend.name].excuse(law.id, program, seen)
    result = concluded(law.id, backend, Evidence(failure=failure, excuse=excuse))
    if last is None:
        result.finding = None  # it ended before it was about to run anything
    return result


def _law(case: Case) -> Law:
    assert isinstance(case.subject, Law)
    return case.subject
