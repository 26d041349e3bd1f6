"""The harnesses in JavaScript and C++: what they say is right, and where their libraries are, what they do, too."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gradlaws.conformance.engines.adapter_check import check
from gradlaws.conformance.engines.backend import CAPABILITIES
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.entry import CPP, Known
from gradlaws.conformance.known_failures.toml_parser import shipped
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.ops import INPLACE, TABLE
from gradlaws.conformance.remote.backend import RemoteBackend, connected
from gradlaws.conformance.remote.unclaimed import TAKES

ROOT = Path(__file__).resolve().parent.parent
HARNESSES = ROOT / "examples" / "harness"
ENGINES = ("libtorch", "tfjs")
LISTED = [(engine, entry) for engine in ENGINES for entry in shipped(engine).entries if not entry.inherited]
#: Laws that between them take most kinds of steps, and programs of each.
SOME, PROGRAMS = ("VAL-01", "ACC-05", "HO-11", "ROOT-03", "SET-03", "KINK-12", "HOOK-05", "INP-08"), 12


@pytest.fixture(scope="module")
def tfjs() -> RemoteBackend:
    if shutil.which("node") is None:
        pytest.skip("needs Node")
    found = subprocess.run(
        ["node", "-e", "require('@tensorflow/tfjs')"],
        cwd=HARNESSES / "tfjs",
        capture_output=True,
        check=False,
    )
    if found.returncode:
        pytest.skip("needs @tensorflow/tfjs: npm install in examples/harness/tfjs, or NODE_PATH")
    return connected(f"node {HARNESSES / 'tfjs' / 'harness.js'}")


@pytest.fixture(scope="module")
def libtorch() -> RemoteBackend:
    if not (built := os.environ.get("GRADLAWS_LIBTORCH")):
        pytest.skip("needs GRADLAWS_LIBTORCH, the path of the compiled harness")
    return connected(built)


@pytest.fixture(params=ENGINES)
def backend(request: pytest.FixtureRequest) -> RemoteBackend:
    made: RemoteBackend = request.getfixturevalue(request.param)
    return made


def test_what_is_spoken_is_right(backend: RemoteBackend) -> None:
    assert check(backend) == []


def test_some_laws(backend: RemoteBackend) -> None:
    results = [judge(LAWS[law], backend, Effort(PROGRAMS, shrink=0.0)) for law in SOME]
    good = {Verdict.PASS, Verdict.KNOWN, Verdict.UNSUPPORTED, Verdict.DECLARED}
    assert [f"{r.law} {r.verdict} {r.message}" for r in results if r.verdict not in good] == []
    assert sum(r.verdict is not Verdict.UNSUPPORTED for r in results) >= 5


@pytest.mark.parametrize(
    ("engine", "source", "pattern"),
    [("tfjs", "harness.js", r"^  (\w+)(?:: |\()"), ("libtorch", "harness.cpp", r"\b(?:OP|MANY|SAME)\((\w+)")],
)
def test_ops_have_the_names_of_the_table(engine: str, source: str, pattern: str) -> None:
    text = (HARNESSES / engine / source).read_text("utf-8")
    table = text.partition("OPS = {")[2].partition("\n};\n")[0]
    named = set(re.findall(pattern, table, re.MULTILINE)) - {"name", "if", "for", "return"}
    assert len(named) > 60
    assert named - TABLE.names() - INPLACE.keys() == set()


@pytest.mark.parametrize(("engine", "entry"), LISTED, ids=lambda value: getattr(value, "law", value))
def test_each_entry_is_on_its_page(engine: str, entry: Known) -> None:
    page = (ROOT / "docs" / "findings" / f"{engine}.md").read_text("utf-8")
    assert entry.script.strip() in page


def test_scripts_for_node_show_their_defects(tfjs: RemoteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """About a second each; every third, unless all are asked for."""
    monkeypatch.chdir(HARNESSES / "tfjs")
    entries = [entry for _, entry in LISTED if not entry.script.lstrip().startswith(CPP)]
    some = entries if os.environ.get("GRADLAWS_WHOLE_MATRIX") else entries[::6]
    assert [entry.reason for entry in some if not entry.reproduces()] == []


def test_scripts_that_cannot_run_say_nothing() -> None:
    [script] = {entry.script for _, entry in LISTED if entry.law == "SET-03"}
    assert script.lstrip().startswith(CPP)
    [entry] = [entry for _, entry in LISTED if entry.law == "SET-03"]
    assert entry.reproduces() is None


def test_a_harness_is_told_what_each_capability_takes() -> None:
    """All but those about single calls, which an engine in another process cannot claim."""
    calls = {
        "calls",
        "device",
        "evaluated",
        "lifetime",
        "memory_strategies",
        "on_other_device",
        "parameter",
        "pytorch",
    }
    assert TAKES.keys() | calls == CAPABILITIES.keys()
