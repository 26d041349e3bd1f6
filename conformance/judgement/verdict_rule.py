"""From what programs have shown to a verdict: the one place where that is decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.judgement.finding_builder import Failure
from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.judgement.staleness import standing
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.entry import Known


@dataclass
class Evidence:
    """What programs have shown of a law, or of a documented example, or whole programs of an engine.

    missing:  what the law needs and the adapter does not claim.
    programs, discarded, assertions, worst, covered, reached, excused, entries: as in `Result`.
    failure:  how it failed, made small.
    excuse:   the entry of the list that covers the failure; none where listed failures are passed over beforehand.
    standing: the entries of the list that say that the law fails.
    shown:    those of them that programs have shown.
    unsettled: why nothing follows from it that programs kept the law; empty where it is kept.
    """

    missing: tuple[str, ...] = ()
    programs: int = 0
    discarded: int = 0
    assertions: int = 0
    worst: float = 0.0
    covered: dict[str, Any] = field(default_factory=dict)
    reached: dict[str, Any] = field(default_factory=dict)
    excused: Counter[str] = field(default_factory=Counter)
    entries: Counter[str] = field(default_factory=Counter)
    failure: Failure | None = None
    excuse: Known | None = None
    standing: Sequence[Known] = ()
    shown: Sequence[Known] = ()
    unsettled: str = ""


def concluded(law: str, backend: Backend, seen: Evidence) -> Result:
    """The verdict that the evidence gives."""
    result = Result(
        law, backend.name, Verdict.UNKNOWN,
        seen.programs, seen.assertions, seen.discarded, seen.worst,
        missing=seen.missing, excused=dict(seen.excused), entries=dict(seen.entries), covered=seen.covered,
        reached=seen.reached,
    )  # fmt: skip
    entries = list(dict.fromkeys([*seen.standing, *seen.shown]))
    if seen.missing:
        result.verdict = Verdict.UNSUPPORTED
    elif seen.failure is not None:
        result.verdict, result.finding, result.message = seen.failure
        if seen.excuse is not None:
            result.known = told([seen.excuse])
            result.message, result.verdict = f"{result.verdict}: {result.message}", Verdict.KNOWN
    elif entries:
        result.known = told(entries)
        result.verdict, result.message = standing(entries, seen.shown)
    elif seen.unsettled:
        result.message = seen.unsettled
    elif seen.assertions:
        result.verdict = Verdict.PASS
    else:
        result.message = "no assertion was executed: nothing is known of this law"
    return result


def told(entries: Sequence[Known]) -> str:
    """What a list says, in a line."""
    return " and ".join(f"{entry.reason} ({entry.link})" for entry in entries)
