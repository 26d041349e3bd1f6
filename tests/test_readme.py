"""What the README says is so."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from gradlaws.conformance import plugin
from gradlaws.conformance.engines.adapter_check import check
from gradlaws.conformance.engines.discovery import find
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.laws import LAWS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
OPTIONS = (ROOT / "docs" / "options.md").read_text()


def test_the_number_of_laws() -> None:
    assert f"each of {len(LAWS)} laws" in README


def test_the_adapter_is_the_one_in_the_examples() -> None:
    assert (ROOT / "examples" / "minigrad_adapter.py").read_text().strip() in README


def test_the_adapter_is_right_and_its_engine_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    backend = find("minigrad_adapter:MinigradBackend")
    assert check(backend) == []
    for law in ("VAL-01", "VAL-06", "ACC-02", "NONE-01", "ROOT-01"):
        assert judge(LAWS[law], backend, Effort(40)).verdict is Verdict.PASS
    assert judge(LAWS["RET-01"], backend).verdict is Verdict.UNSUPPORTED
    sys.modules.pop("minigrad_adapter")


def test_every_option_is_explained() -> None:
    class Group:
        options: list[str] = []  # noqa: RUF012 - lives for one test

        def addoption(self, name: str, **_: object) -> None:
            self.options.append(name)

    class Parser:
        def getgroup(self, *_: str) -> Group:
            return Group()

    plugin.pytest_addoption(Parser())  # type: ignore[arg-type]
    assert Group.options
    assert [option for option in Group.options if f"`{option} " not in OPTIONS] == []


def test_every_verdict_is_explained() -> None:
    assert set(re.findall(r"^\| ([A-Z]+) \|", README, flags=re.M)) >= set(Verdict)
