"""A program that does not end is a TIMEOUT of its law, in one process too, and is shown."""

from __future__ import annotations

import time
from typing import Any

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.time_limit import time_limit
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.laws import LAWS


class Hanging(ReferenceBackend):
    """exp never comes back."""

    name = "hanging"
    patience = 0.05

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        while op == "exp":
            time.sleep(0.01)
        return super().apply(op, *inputs, **params)


def test_it_is_a_timeout_and_shown() -> None:
    result = judge(LAWS["INP-06"], Hanging(), Effort(30, shrink=3.0))
    assert result.verdict is Verdict.TIMEOUT
    assert "EndlessProgram: no end after 0.05 s" in result.message
    assert result.finding is not None
    assert "torch.exp(" in result.finding.program
    assert len(result.finding.program.splitlines()) <= 8
    assert Hanging.patience == 0.05


def test_an_exhibit_does_not_wait_for_ever_either() -> None:
    class Forgetful(ReferenceBackend):
        name = "forgetful"
        patience = 0.05

        def backward(self, *arguments: Any, **options: Any) -> None:
            while True:
                time.sleep(0.01)

    for law in ("KINK-16", "RET-19", "VAL-17"):
        result = judge(LAWS[law], Forgetful(), Effort(5, shrink=1.0))
        assert result.verdict is Verdict.TIMEOUT, (law, result.message)


def test_by_default_it_takes_half_a_minute() -> None:
    assert Backend.patience == 30


def test_the_limit_that_ends_first_counts() -> None:
    start = time.monotonic()
    try:
        with time_limit(0.05), time_limit(30.0):
            time.sleep(5)
    except TimeoutError:
        pass
    assert time.monotonic() - start < 3
