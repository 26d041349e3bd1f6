"""What can be said of a law: the verdicts, and the result that carries one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gradlaws.conformance.judgement.intermittence import Recurrence


class Verdict(StrEnum):
    """What was found."""

    PASS = "PASS"
    FAIL = "FAIL"
    #: PyTorch's promise is not kept, but what the engine declares to do instead is.
    DECLARED = "DECLARED"
    #: The adapter or the engine broke outside what a law allows.
    ERROR = "ERROR"
    #: The process died.
    CRASH = "CRASH"
    TIMEOUT = "TIMEOUT"
    #: The adapter does not claim a capability that the law needs. Never counted as passed.
    UNSUPPORTED = "UNSUPPORTED"
    #: Fails as listed in a known-failures file.
    KNOWN = "KNOWN"
    #: Listed as a known failure, but passes.
    STALE = "STALE"
    #: Nothing was actually asserted.
    UNKNOWN = "UNKNOWN"


#: Verdicts with which a release conforms.
ACCEPTABLE = frozenset({Verdict.PASS, Verdict.DECLARED, Verdict.KNOWN, Verdict.UNSUPPORTED})
#: Verdicts with which an engine does not conform. UNKNOWN is in neither: nothing was shown.
BREAKS = frozenset({Verdict.FAIL, Verdict.ERROR, Verdict.CRASH, Verdict.TIMEOUT, Verdict.STALE})
#: Verdicts that say nothing of what an engine does.
SILENT = frozenset({Verdict.UNSUPPORTED, Verdict.UNKNOWN})


@dataclass
class Finding:
    """One breach, as small as it could be made.

    law:      the law that is broken; it may be another one than the one on trial.
    thing, got, expected: what was looked at, what came, what should have.
    step:     the step after which it was seen, as source.
    program:  the minimal program as source in the engine's own API; empty for exhibits.
    steps:    the program as data, for replay.
    script:   the program as a script that fails while the law is broken, and needs nothing but the engine; empty
              where the engine's own API is not known.
    recurrence: how often the program failed; None where nobody ran it again.
    wrong:    of programs that are compared, the one that the reference calls wrong.
    cause:    what it comes from, where that is known.
    """

    law: str
    thing: str
    got: str
    expected: str
    step: str = ""
    program: str = ""
    steps: Any = None
    script: str = ""
    recurrence: Recurrence | None = None
    wrong: Any = None
    cause: RootCause | None = None


@dataclass
class RootCause:
    """What failures come from.

    key:     the same for failures that come from the same: `op exp`, `dtype float32`, or the kinds of steps.
    title:   whose fault it is, in a line; empty where the law that is broken says it best.
    finding: the smallest program that is wrong in any way, and the law that it breaks.
    ops:     the ops that it belongs to.
    """

    key: str
    title: str
    finding: Finding
    ops: frozenset[str] = frozenset()


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
