"""Failing programs are remembered under a short id, so that one command runs just that program again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import pytest

from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.program import Program
from gradlaws.conformance.serial import loaded


class ReplayError(Exception):
    """There is nothing to replay; the message says what to do."""


@dataclass(frozen=True)
class Replay:
    """A remembered program and the law that it was drawn for."""

    law: str
    program: Program

    @classmethod
    def of(cls, identity: str, cache: Any) -> Replay:
        """What is remembered under an id; raises ReplayError."""
        data = None if cache is None else cache.get(f"gradlaws/failures/{identity}", None)
        if data is None:
            raise ReplayError(
                f"--replay {identity}: no failure is remembered under this id. Ids are printed with each failure, and "
                f"kept in pytest's cache of the directory in which the run was started (not with -p no:cacheprovider)"
            )
        if data["law"] not in LAWS:
            raise ReplayError(f"--replay {identity}: there is no law {data['law']} in this version")
        return cls(data["law"], loaded(data["steps"]))


def remember(cache: pytest.Cache | None, law: str, backend: str, steps: list[dict[str, Any]]) -> str | None:
    """Remember a program; its id, or None where pytest keeps no cache."""
    if cache is None:
        return None
    digest = hashlib.sha256(json.dumps([law, steps]).encode()).hexdigest()[:8]
    identity = f"{law}-{digest}"
    cache.set(f"gradlaws/failures/{identity}", {"law": law, "backend": backend, "steps": steps})
    return identity
