"""Failing programs are remembered under a short id, so that one command runs just that program again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gradlaws.conformance.laws import LAWS, Law
from gradlaws.conformance.lines import identity
from gradlaws.conformance.program import Program
from gradlaws.conformance.serial import loaded
from gradlaws.reports.record import read


class ReplayError(Exception):
    """There is nothing to replay; the message says what to do."""


@dataclass(frozen=True)
class Replay:
    """A remembered program and the law that it was drawn for."""

    law: str
    program: Program

    @classmethod
    def of(cls, key: str, cache: Any) -> Replay:
        """What is remembered under an id; raises ReplayError."""
        data = None if cache is None else cache.get(f"gradlaws/failures/{key}", None)
        if data is None:
            raise ReplayError(
                f"--replay {key}: no failure is remembered under this id. Ids are printed with each failure, and "
                f"kept in pytest's cache of the directory in which the run was started (not with -p no:cacheprovider)"
            )
        if data["law"] not in LAWS:
            raise ReplayError(f"--replay {key}: there is no law {data['law']} in this version")
        return cls(data["law"], loaded(data["steps"]))


def remember(cache: pytest.Cache | None, law: str, backend: str, steps: list[dict[str, Any]]) -> str | None:
    """Remember a program; its id, or None where pytest keeps no cache."""
    if cache is None:
        return None
    key = identity(law, steps)
    cache.set(f"gradlaws/failures/{key}", {"law": law, "backend": backend, "steps": steps})
    return key


def recorded(path: Path, key: str) -> tuple[Law, Program, str, bool]:
    """(law, program, how its backend was asked for, whether judged strictly) of a failure in a record.

    Raises ReplayError, and RecordError where the record cannot be read.
    """
    strict, known = False, []
    for line in read(path):
        if line["type"] == "header":
            strict = line["level"] == "torch"
        finding = line.get("finding") or {}
        if not finding.get("replay"):
            continue
        known.append(finding["replay"])
        if finding["replay"] == key:
            if line["law"] not in LAWS:
                raise ReplayError(f"{path}: there is no law {line['law']} in this version")
            return LAWS[line["law"]], loaded(finding["steps"]), line["given"], strict
    listed = f"it has {', '.join(known)}" if known else "no failure in it has a program"
    raise ReplayError(f"{path}: no failure has the id {key}; {listed}")
