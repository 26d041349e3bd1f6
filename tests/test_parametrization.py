"""The laws in somebody's own suite, and the report as data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gradlaws
from gradlaws.conformance.engines.discovery import BackendError
from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.suite.selection import SelectionError
from gradlaws.reports.formats import FORMATS
from gradlaws.reports.gate import decide

SRC = Path(__file__).resolve().parent.parent / "src"
SUITE = """
import pytest
from gradlaws import parametrize_with_laws
from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults import FAULTS

class Modest(ReferenceBackend):
    name = "modest"
    withheld = frozenset({"retain_graph"})

class Lying(ReferenceBackend):
    name = "lying"
    def numpy(self, x):
        return "no array"

@parametrize_with_laws("reference", laws="ACC-01,DET-01", examples=5)
def test_sound(law):
    law()

@parametrize_with_laws(Modest(), laws="ACC-01", examples=5)
class TestModest:
    def test_modest(self, law):
        law()

@parametrize_with_laws(FAULTS["overwrites"].make(), laws="ACC-01", examples=5)
def test_broken(law):
    law()

@parametrize_with_laws(FAULTS["overwrites"].make(), laws="ACC-01", examples=5, known_failures="known.toml")
def test_known(law):
    law()

@parametrize_with_laws(Lying(), laws="ACC-01")
def test_lying(law):
    law()
"""


def test_each_law_is_a_test(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SRC))
    pytester.makepyfile(test_mine=SUITE)
    pytester.path.joinpath("known.toml").write_text(
        "[[known]]\nlaw = 'ACC-01'\nreason = 'by design'\nlink = 'https://x.y'\nbroad = 'so'"
    )
    result = pytester.runpytest_subprocess("-rsxf", "-W", "error", "-v")
    result.assert_outcomes(passed=2, skipped=1, failed=2, xfailed=1)
    result.stdout.fnmatch_lines(["*test_sound[[]ACC-01-a_second_backward_adds[]] PASSED*"])
    result.stdout.fnmatch_lines(["*FAIL ACC-01 on overwrites*", "*again:*"])
    result.stdout.fnmatch_lines(["*the adapter 'lying' is not right yet*"])
    result.stdout.fnmatch_lines(["*UNSUPPORTED: needs retain_graph*"])


def test_the_report_is_data() -> None:
    told: list[Any] = []
    sound = gradlaws.verify("reference", laws="ACC,DET", examples=5, progress=told.append)
    assert len(told) == len(sound.results) > 10
    assert decide([sound]).code == 0
    assert sound.record.ops["mul"]["programs"] > 0
    broken = gradlaws.verify(FAULTS["overwrites"].make(), laws="ACC-01", examples=5)
    assert decide([broken]).code == 1
    (cause,) = broken.causes
    assert cause.law == "ACC-01"
    assert all(render([sound, broken]) for render, _ in FORMATS.values())


def test_documented_examples_are_in_the_report() -> None:
    whole = gradlaws.verify("reference", level="core", examples=5)
    assert whole.documented
    assert {example.verdict for example in whole.documented} == {"PASS"}
    assert whole.record.finished


def test_the_script_of_a_finding_shows_it_on_the_engine_alone(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    found = gradlaws.verify("torch", laws="ROOT-09", examples=50, known_failures=empty(tmp_path))
    (cause,) = found.causes
    assert cause.finding is not None
    path = tmp_path / "script.py"
    path.write_text(cause.finding.script)
    assert "gradlaws" not in cause.finding.script
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True)
    assert "AssertionError" in done.stderr, (torch.__version__, done.stderr, cause.finding.script)


def empty(folder: Path) -> Path:
    """A list on which nothing is."""
    path = folder / "none.toml"
    path.write_text("")
    return path


def test_what_cannot_be_verified_is_said() -> None:
    with pytest.raises(BackendError, match="unknown backend 'nowhere'"):
        gradlaws.verify("nowhere")
    with pytest.raises(SelectionError, match="no such law or family"):
        gradlaws.parametrize_with_laws("reference", laws="ACC-99")
