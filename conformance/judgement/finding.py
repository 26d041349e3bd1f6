"""One breach as data, and what it comes from; `finding_builder` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradlaws.conformance.judgement.recurrence import Recurrence


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
