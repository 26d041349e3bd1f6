"""How a test ends for pytest, by its verdict: passed, failed, skipped or expected to fail."""

from __future__ import annotations

import pytest

from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.judgement.verdict import Verdict


def end(result: Result, told: str) -> None:
    """End a test as its verdict asks: skipped, expected to fail, failed with what is told of it, or passed."""
    if result.verdict is Verdict.UNSUPPORTED:
        pytest.skip(f"UNSUPPORTED: needs {', '.join(result.missing)}")
    if result.verdict is Verdict.KNOWN:
        pytest.xfail(f"KNOWN: {result.known}")
    if result.verdict not in (Verdict.PASS, Verdict.DECLARED):
        pytest.fail(told, pytrace=False)
