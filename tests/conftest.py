"""Shared by the tests of the suite: running pytest inside pytest, with the suite importable."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
SRC = Path(__file__).resolve().parent.parent / "src"


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """Runs `pytest --pyargs gradlaws.conformance ARGS` in an empty directory, in a process of its own."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SRC), os.environ.get("PYTHONPATH", "")]))

    def run(*args: str) -> pytest.RunResult:
        return pytester.runpytest_subprocess(
            "-p", "gradlaws.conformance.plugin", "--pyargs", "gradlaws.conformance", *args
        )

    return run
