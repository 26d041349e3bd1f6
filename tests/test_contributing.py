"""What CONTRIBUTING.md shows works: its law holds on the reference, and fails on its fault."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults import grad_accumulation as faults
from gradlaws.conformance.faults import registry as fault_registry
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.laws import grad_accumulation as laws
from gradlaws.conformance.laws import registry as law_registry

TEXT = (Path(__file__).resolve().parent.parent / "CONTRIBUTING.md").read_text()


def test_the_law_from_start_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(law_registry, "LAWS", dict(law_registry.LAWS))
    monkeypatch.setattr(fault_registry, "FAULTS", dict(fault_registry.FAULTS))
    law, fault = (dedent(block) for block in re.findall(r"```python\n(.*?)```", TEXT, flags=re.S))
    exec(law, dict(vars(laws)))
    exec(fault, dict(vars(faults)))
    made, broken = law_registry.LAWS["ACC-99"], fault_registry.FAULTS["forgets-the-third"]
    assert broken.breaks == ("ACC-99",)
    assert judge(made, ReferenceBackend(), Effort(40)).verdict is Verdict.PASS
    result = judge(made, broken.make(), Effort(40))
    assert result.verdict is Verdict.FAIL
    assert result.finding is not None
    assert result.finding.law == "ACC-99"
