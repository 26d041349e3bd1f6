"""What is offered to the CI of engines works: the script is run, the action is held against it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "examples" / "gate.sh"
ACTION = (ROOT / ".github" / "actions" / "gate" / "action.yml").read_text()
WORKFLOW = (ROOT / "examples" / "gate.yml").read_text()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """As on a machine on which gradlaws is installed."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "gradlaws"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m gradlaws "$@"\n')
    command.chmod(0o755)
    return os.environ | {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'examples'}",
        "GITHUB_STEP_SUMMARY": "",
    }


def gate(environment: dict[str, str], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    settings = {f"GRADLAWS_{name.upper()}": value for name, value in more.items()}
    return subprocess.run(
        ["bash", str(SCRIPT)], cwd=folder, env=environment | settings, capture_output=True, text=True
    )


def test_the_script_gates_and_the_next_release_is_compared(
    environment: dict[str, str], tmp_path: Path
) -> None:
    adapter = {"backend": "minigrad_adapter:MinigradBackend", "profile": "smoke"}
    first = gate(environment, tmp_path, **adapter, baseline="none-yet.jsonl", out="first")
    assert first.returncode in (0, 1), first.stderr
    assert "gate: " in first.stdout
    names = {path.name for path in (tmp_path / "first").iterdir()}
    assert names == {"gradlaws.jsonl", "report.html", "report.md", "report.txt", "junit.xml", "badge.json"}
    summary = tmp_path / "summary.md"
    again = gate(
        environment | {"GITHUB_STEP_SUMMARY": str(summary)},
        tmp_path,
        **adapter,
        baseline="first/gradlaws.jsonl",
        fail_on="regressed",
        out="second",
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert "0 improved, 0 regressed" in again.stdout
    assert summary.read_text().startswith("## ✅ gradlaws: conforms")


def test_the_script_says_what_it_lacks(environment: dict[str, str], tmp_path: Path) -> None:
    done = gate(environment, tmp_path)
    assert done.returncode != 0
    assert "set GRADLAWS_BACKEND" in done.stderr
    assert gate(environment, tmp_path, backend="nowhere").returncode == 4


def test_the_action_passes_on_all_that_the_script_knows() -> None:
    known = set(re.findall(r"^#   (GRADLAWS_\w+)", SCRIPT.read_text(), flags=re.M))
    used = set(re.findall(r"\$\{(GRADLAWS_\w+)", SCRIPT.read_text()))
    passed = dict(re.findall(r"(GRADLAWS_\w+): \$\{\{ inputs\.([\w-]+) \}\}", ACTION))
    assert known == used == set(passed)
    inputs = set(re.findall(r"^  ([\w-]+):$", ACTION.split("runs:")[0].split("outputs:")[0], flags=re.M))
    assert inputs == {*passed.values(), "artifact"}


def test_the_workflow_gives_the_action_what_it_takes() -> None:
    given = re.findall(
        r"^          #? ?([\w-]+): ", WORKFLOW.split("with:\n")[-1].split("# A badge")[0], flags=re.M
    )
    inputs = set(re.findall(r"inputs\.([\w-]+)", ACTION))
    assert given
    assert set(given) <= inputs


@pytest.mark.parametrize("path", [".github/workflows/pytorch.yml", "examples/gate.yml"])
def test_workflows_use_the_action(path: str) -> None:
    assert "/.github/actions/gate" in (ROOT / path).read_text()
