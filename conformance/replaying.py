"""Failing programs are remembered under a short id, so that one command runs just that program again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from gradlaws.conformance.judging import Effort
from gradlaws.conformance.laws import Law
from gradlaws.conformance.lines import identity
from gradlaws.conformance.program import Program
from gradlaws.conformance.serial import loaded
from gradlaws.conformance.wholes import law_of
from gradlaws.reports.record import read


class ReplayError(Exception):
    """There is nothing to replay; the message says what to do."""


@dataclass(frozen=True)
class Replay:
    """A remembered program, the law that it was drawn for, and how it was judged."""

    law: str
    program: Program
    effort: Effort

    @classmethod
    def of(cls, key: str, cache: Any) -> Replay:
        """What is remembered under an id; raises ReplayError."""
        data = None if cache is None else cache.get(f"gradlaws/failures/{key}", None)
        if data is None:
            raise ReplayError(
                f"--replay {key}: no failure is remembered under this id. Ids are printed with each failure, and "
                f"kept in pytest's cache of the directory in which the run was started (not with -p no:cacheprovider)"
            )
        if law_of(data["law"]) is None:
            raise ReplayError(f"--replay {key}: there is no law {data['law']} in this version")
        return cls(data["law"], loaded(data["steps"]), judging(data["level"], data["judged"]))


def judging(level: str, judged: Literal["declared", "torch"]) -> Effort:
    """The effort for one program, as strict as a run of this level and dialect was."""
    return Effort(strict=level == "torch", dialect=judged)


def remember(cache: pytest.Cache | None, law: str, steps: list[dict[str, Any]], effort: Effort) -> str | None:
    """Remember a program; its id, or None where pytest keeps no cache."""
    if cache is None:
        return None
    key = identity(law, steps)
    level = "torch" if effort.strict else "full"
    cache.set(
        f"gradlaws/failures/{key}", {"law": law, "steps": steps, "level": level, "judged": effort.dialect}
    )
    return key


def recorded(path: Path, key: str) -> tuple[Law, Program, str, Effort]:
    """(law, program, how its backend was asked for, how it was judged) of a failure in a record.

    Raises ReplayError, and RecordError where the record cannot be read.
    """
    effort, known = Effort(), []
    for line in read(path):
        if line["type"] == "header":
            effort = judging(line["level"], line.get("judged", "declared"))
        finding = line.get("finding") or {}
        if not finding.get("replay"):
            continue
        known.append(finding["replay"])
        if finding["replay"] == key:
            law = law_of(line["law"])
            if law is None:
                raise ReplayError(f"{path}: there is no law {line['law']} in this version")
            return law, loaded(finding["steps"]), line["given"], effort
    listed = f"it has {', '.join(known)}" if known else "no failure in it has a program"
    raise ReplayError(f"{path}: no failure has the id {key}; {listed}")
