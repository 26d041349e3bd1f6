"""What is known of a law whose process died, or did not end in time."""

from __future__ import annotations

from gradlaws.conformance.judgement.conclusion import Evidence, concluded
from gradlaws.conformance.judgement.findings import Failure, death_of
from gradlaws.conformance.judgement.verdict import Result, Verdict
from gradlaws.conformance.laws import Law
from gradlaws.conformance.suite.cases import Case
from gradlaws.conformance.suite.journal import Journal
from gradlaws.conformance.suite.options import Options


def crashed(case: Case, journal: Journal, options: Options, said: str) -> Result:
    """The verdict on a case whose worker process is gone; `said`: by pytest-xdist."""
    law, backend, timeout = case.subject, case.backend, options.timeout
    assert isinstance(law, Law)
    last = journal.last_of(law, backend, options.effort.seed)
    program = None if last is None else last.program
    first = said.splitlines()
    verdict, message = Verdict.CRASH, f"the process died; {first[0] if first else ''}"
    if timeout and last is not None and last.lasted >= timeout:
        verdict, message = Verdict.TIMEOUT, f"not finished after {timeout:g} s (--law-timeout)"
    failure = Failure(verdict, death_of(law.id, program, backend), message)
    excuse = options.known[backend.name].excuse(law.id, program)
    result = concluded(law.id, backend, Evidence(failure=failure, excuse=excuse))
    if last is None:
        result.finding = None  # it died before it was about to run anything
    return result
