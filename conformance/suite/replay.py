"""Failing programs are kept under a short id, so that one command runs just that program again.

A replay judges as the run did: by the same law, the same level and the same conventions. It is taken from pytest's
cache, from a record, or from the file of a soak.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exception_containment import contained
from gradlaws.conformance.engines.exceptions import ProcessEnded, plain
from gradlaws.conformance.execution.judging_standard import Standard
from gradlaws.conformance.judgement.finding import Finding
from gradlaws.conformance.judgement.finding_builder import (
    PROCESS,
    Failure,
    death_of,
    failure_of,
    recurring,
    scripted,
)
from gradlaws.conformance.judgement.fresh_processes import FreshProcesses
from gradlaws.conformance.judgement.recurrence import Recurrence
from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.judgement.verdict_rule import Evidence, concluded
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.serialization import dumped, loaded
from gradlaws.conformance.laws import Law
from gradlaws.conformance.laws.trial import Judge
from gradlaws.conformance.suite.crash_reduction import FORK_SERVER
from gradlaws.conformance.whole_programs.run_item import WHOLE, examine_any, law_of
from gradlaws.conformance.whole_programs.soak_file import found_of
from gradlaws.conformance.whole_programs.soak_file import read as read_soak
from gradlaws.reports.record_file import read

#: How often a program is replayed: so often, and where it did not always fail until it does, for so many seconds.
FEW, OFTEN, SECONDS = 3, 200, 10.0


class ReplayError(Exception):
    """There is nothing to replay; the message says what to do."""


@dataclass(frozen=True)
class Replay:
    """A program that failed, the law that it was drawn for, and by what standard it was judged.

    given: how the engine was asked for, where that is known.
    recurrence: how often the program failed then, where that is known.
    deadly: whether it ended the process, or did not end.
    """

    law: Law
    program: Program
    standard: Standard
    given: str = ""
    recurrence: Recurrence | None = None
    deadly: bool = False

    @classmethod
    def of(cls, key: str, cache: pytest.Cache | None) -> Replay:
        """What pytest's cache remembers under an id; raises ReplayError."""
        data = None if cache is None else cache.get(f"gradlaws/failures/{key}", None)
        if data is None:
            raise ReplayError(
                f"--replay {key}: no failure is remembered under this id. Ids are printed with each failure, and "
                f"kept in pytest's cache of the directory in which the run was started (not with -p no:cacheprovider)"
            )
        return cls._made(data, Standard.of(data["level"], data["judged"]), f"--replay {key}")

    @classmethod
    def recorded(cls, path: Path, key: str) -> Replay:
        """A failure of a record; raises ReplayError, and RecordError where the record cannot be read."""
        known: list[str] = []
        standard = Standard()
        for line in read(path):
            if line["type"] == "header":
                standard = Standard.of(line["level"], line.get("judged", "declared"))
            finding = line.get("finding") or {}
            if not finding.get("replay"):
                continue
            known.append(finding["replay"])
            if finding["replay"] == key:
                data = {"law": line["law"], "steps": finding["steps"], "given": line["given"]}
                data["recurrence"], data["thing"] = finding.get("recurrence"), finding.get("thing")
                return cls._made(data, standard, str(path))
        listed = f"it has {', '.join(known)}" if known else "no failure in it has a program"
        raise ReplayError(f"{path}: no failure has the id {plain(key)}; {listed}")

    @classmethod
    def soaked(cls, path: Path, key: str) -> Replay:
        """A finding in the file of a soak; raises ReplayError, and SoakFileError where it cannot be read."""
        head, *lines = read_soak(path)
        findings = {line["id"]: line for line in lines if line["type"] == "finding"}
        if key not in findings:
            raise ReplayError(f"{path} has no finding {key}; it has: {', '.join(findings) or 'none'}")
        finding = found_of(findings[key]).finding
        if finding.steps is None:
            raise ReplayError(f"{path}: the finding {key} has no program")
        standard, given = Standard(strict=head["strict"]), head["given"] or head["backend"]
        return cls(WHOLE, finding.steps, standard, given, finding.recurrence, finding.thing == PROCESS)

    @classmethod
    def _made(cls, data: dict[str, Any], standard: Standard, where: str) -> Replay:
        law = law_of(data["law"])
        if law is None:
            raise ReplayError(f"{where}: there is no law {data['law']} in this version")
        again = data.get("recurrence")
        recurrence = Recurrence(**again) if again else None
        deadly = data.get("thing") == PROCESS
        return cls(law, loaded(data["steps"]), standard, data.get("given", ""), recurrence, deadly)

    def judged(self, backend: Backend) -> Result:
        """The verdict on just this program: a failure if it fails once; UNKNOWN if it does not, and did not always.

        What ended a process is run in one of its own.
        """
        if self.deadly and (ended := self._ended(backend)) is not None:
            return ended
        tally, seen = Judge(self.law.id), Evidence()
        start = perf_counter()
        errors: list[Exception] = []
        with backend.session():
            while seen.programs < OFTEN and (seen.programs < FEW or perf_counter() - start < SECONDS):
                seen.programs += 1
                try:
                    with contained():
                        examine_any(self.law, self.program, backend, tally, self.standard)
                except Exception as error:
                    errors.append(error)
                if seen.programs == len(errors) == FEW or (
                    seen.programs == FEW and self._steady and not errors
                ):
                    break  # it fails, or holds, as it always did
            if errors:
                seen.failure = failure_of(errors[0], self.program, backend)
                finding = seen.failure.finding
                finding.script = scripted(finding, errors[0], backend, self.standard)
                seen.failure = recurring(seen.failure, Recurrence(len(errors), seen.programs))
            elif not self._steady and self.recurrence is not None:
                again = f"not seen again in {seen.programs} tries"
                seen.unsettled = f"{again}; that settles nothing, since in the run {self.recurrence.told}"
        seen.assertions, seen.worst = max(tally.assertions, int(self.deadly)), tally.worst  # it lives
        result = concluded(self.law.id, backend, seen)
        result.seconds = perf_counter() - start
        return result

    def _ended(self, backend: Backend) -> Result | None:
        """The verdict on a program that ends its process; None if it does not."""
        processes = FreshProcesses(FORK_SERVER)
        error = processes.error(backend, self.law.id, self.program, self.standard)
        processes.close()
        if not isinstance(error, ProcessEnded):
            return None
        verdict = Verdict.TIMEOUT if error.late else Verdict.CRASH
        failure = Failure(verdict, death_of(self.law.id, self.program, backend, str(error)), str(error))
        failure.finding.script = scripted(failure.finding, error, backend, self.standard)
        return concluded(self.law.id, backend, Evidence(programs=1, failure=failure))

    @property
    def _steady(self) -> bool:
        return self.recurrence is None or self.recurrence.steady


def remember(cache: pytest.Cache | None, key: str, law: str, finding: Finding, standard: Standard) -> None:
    """Remember a failing program, where pytest keeps a cache."""
    if cache is not None:
        level = "torch" if standard.strict else "full"
        data: dict[str, Any] = {
            "law": law,
            "steps": dumped(finding.steps),
            "level": level,
            "judged": standard.dialect,
        }
        data["thing"] = finding.thing
        data["recurrence"] = None if finding.recurrence is None else asdict(finding.recurrence)
        cache.set(f"gradlaws/failures/{key}", data)
