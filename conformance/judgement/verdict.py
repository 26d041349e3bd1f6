"""What can be said of a law: the verdicts."""

from __future__ import annotations

from enum import StrEnum


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
