"""Shared by the tests of the suite: running pytest inside pytest, with the suite importable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradlaws.commands.parser import main

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


_ROWS: dict[str, dict[str, Any]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect the rows of the fault matrix, from whatever process they come."""
    for name, value in report.user_properties:
        if name == "fault row" and report.when == "call":
            row = json.loads(str(value))
            _ROWS[row["fault"]] = row


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Write the fault matrix, and say where it is."""
    cache = getattr(config, "cache", None)
    if not _ROWS or cache is None:
        return
    path = Path(cache.mkdir("gradlaws")) / "fault-matrix.md"
    caught = {law for row in _ROWS.values() for law, blamed in row["cells"].items() if blamed == law}
    lines = [
        "# Planted faults and the laws that catch them",
        "",
        f"{len(_ROWS)} faults, {len(caught)} laws that blame themselves for at least one of them.",
        "",
        "| fault | what is wrong | broken | in their programs, blamed on another law |",
        "|---|---|---|---|",
    ]
    for row in sorted(_ROWS.values(), key=lambda row: str(row["fault"])):
        own = sorted(law for law, blamed in row["cells"].items() if blamed == law)
        other = sorted(f"{law} → {blamed}" for law, blamed in row["cells"].items() if blamed != law)
        lines.append(f"| {row['fault']} | {row['sentence']} | {', '.join(own)} | {', '.join(other)} |")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    terminalreporter.write_line(f"fault matrix: {len(_ROWS)} faults, {len(caught)} laws caught, in {path}")


ENGINES = """
from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults import FAULTS

def Overwriting():
    backend = FAULTS["overwrites"].make()
    backend.name = "overwriting"
    return backend

class Lying(ReferenceBackend):
    name = "lying"
    def numpy(self, x):
        return "no array"

class Dying(ReferenceBackend):
    name = "dying"
    def backward(self, root, gradient=None, **options):
        if options:
            import os
            os._exit(11)
        super().backward(root, gradient, **options)

class Slow(ReferenceBackend):
    name = "slow"
    def tensor(self, array, requires_grad=False):
        import time
        time.sleep(0.01)
        return super().tensor(array, requires_grad)
"""


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `gradlaws ARGS` in an empty directory with a few engines in it; what judges, in a process of its own."""
    (tmp_path / "engines.py").write_text(ENGINES)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SRC), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.chdir(tmp_path)

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        if args[0] in ("run", "smoke", "replay"):
            return subprocess.run([sys.executable, "-m", "gradlaws", *args], capture_output=True, text=True)
        try:
            code = main(args)
        except SystemExit as error:
            code = int(error.code or 0)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(args, code, said.out, said.err)

    return run
