"""What came of one law on one backend: its verdict, and all that stands behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gradlaws.conformance.judgement.finding import Finding
from gradlaws.conformance.judgement.verdict import Verdict


@dataclass
class Result:
    """One law on one backend.

    programs:   how many ran.
    assertions: how many claims were examined.
    discarded:  how many draws led to no program.
    worst:      the worst ratio of error to bound.
    seconds:    wall time.
    missing:    capabilities that the law needs and the adapter does not claim.
    finding:    the breach, where there is one.
    more:       what else breaks the law without the ops that the breaches before it belong to.
    message:    the breach, or what else there is to say, in a line.
    known:      the listed reason, where the law fails as listed.
    covered:    by op, in how many programs it was and with which dtypes (`gradlaws.conformance.execution.op_coverage`).
    reached:    what its programs reached (`gradlaws.conformance.reach.reached`).
    excused:    how many programs showed a known breach of another law, by law.
    entries:    how many programs each entry of the list excused, by `Known.label`.
    waived:     with DECLARED: the declared deviations that the law was judged by.
    """

    law: str
    backend: str
    verdict: Verdict
    programs: int = 0
    assertions: int = 0
    discarded: int = 0
    worst: float = 0.0
    seconds: float = 0.0
    missing: tuple[str, ...] = ()
    finding: Finding | None = None
    message: str = ""
    known: str = ""
    excused: dict[str, int] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)
    covered: dict[str, Any] = field(default_factory=dict)
    reached: dict[str, Any] = field(default_factory=dict)
    waived: tuple[str, ...] = ()
    more: list[Finding] = field(default_factory=list)
