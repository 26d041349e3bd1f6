"""What ends a process is made small in processes of its own, and told like any counterexample."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from gradlaws.commands.parser import main
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.discovery import find
from gradlaws.conformance.execution.judging_standard import LENIENT
from gradlaws.conformance.judgement.draws import drawn
from gradlaws.conformance.judgement.fresh_processes import FreshProcesses
from gradlaws.conformance.judgement.standalone_script import fatal
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Leaf, Look
from gradlaws.conformance.laws import LAWS, Law
from gradlaws.conformance.suite.crash_reduction import FORK_SERVER, PostMortem
from gradlaws.conformance.whole_programs.run_item import WHOLE
from gradlaws.conformance.whole_programs.soak import program_of
from gradlaws.reports.record_file import read
from gradlaws.strategies.vocabulary import Vocabulary

TESTS = Path(__file__).resolve().parent
ENDS = {
    "Aborts": "SIGABRT",
    "Exits": "exit code 0",
    "Faults": "SIGSEGV",
    "HangsDeeply": "not finished after 1 s",
}


def met(law: Law, backend: Backend) -> Program:
    """A program for a law that meets exp."""
    for number in count():
        if law is WHOLE:
            program = program_of(backend, 1, number)
        else:
            program = drawn(law, Vocabulary.of(backend), number.to_bytes(16, "big"))
        if any(isinstance(step, Apply) and step.op == "exp" for step in program):
            return program
    raise AssertionError


@pytest.mark.parametrize("engine", ENDS)
def test_it_is_made_small_in_processes_of_its_own(engine: str) -> None:
    backend = find(f"deadly:{engine}")
    processes = FreshProcesses(FORK_SERVER)
    law = WHOLE if engine == "Aborts" else LAWS["ACC-01"]
    small = PostMortem().examine(law, met(law, backend), backend, LENIENT, KnownFailures(), processes, 1.0)
    processes.close()
    assert small is not None
    assert ENDS[engine] in str(small.error)
    kinds = [type(step) for step in small.program if not isinstance(step, Look)]
    assert kinds == [Leaf, Apply], str(small.program)
    assert small.recurrence is not None
    assert small.recurrence.steady


def test_there_is_only_so_much_time_for_it() -> None:
    processes = FreshProcesses(FORK_SERVER)
    backend = find("deadly:Aborts")
    spent = PostMortem(0.0)
    assert (
        spent.examine(WHOLE, met(WHOLE, backend), backend, LENIENT, KnownFailures(), processes, 1.0) is None
    )
    assert PostMortem().left > 0


@pytest.mark.filterwarnings("ignore")
def test_a_script_of_it_is_the_program_and_runs_nothing_here() -> None:
    torch = pytest.importorskip("torch")
    from gradlaws.conformance.adapters.torch import TorchBackend

    for number in range(5):
        program = program_of(TorchBackend(), 3, number)
        script = fatal(program, "the process died, SIGABRT", TorchBackend())
        exec(compile(script, "<script>", "exec"), {"torch": torch})
        assert script.endswith("# the process died, SIGABRT")


@pytest.mark.parametrize("way", ["pytest -n 2", "gradlaws run"])
def test_a_crash_is_told_with_two_steps_however_it_is_run(
    suite: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = [str(TESTS), str(TESTS.parent / "src"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    given = (
        "--backend",
        "deadly:Aborts",
        "--laws",
        "NONE-03",
        "--max-examples",
        "60",
        "--record",
        "it.jsonl",
    )
    if way == "pytest -n 2":
        assert suite(*given, "-n2").ret == 1
    else:
        done = pytester.run(sys.executable, "-m", "gradlaws", "run", "--workers", "2", *given)
        assert done.ret == 1
        done.stdout.fnmatch_lines(["CRASH *", "the process died, SIGABRT", "*torch.exp(v*"])
    lines = [line for line in read(pytester.path / "it.jsonl") if line.get("verdict") == "CRASH"]
    assert lines, json.dumps(list(read(pytester.path / "it.jsonl")))[:2000]
    for line in lines:
        assert [step["step"] for step in line["finding"]["steps"]] == ["Leaf", "Apply"]
        assert line["message"] == "the process died, SIGABRT"
    again = ["replay", lines[0]["finding"]["replay"], "--record", str(pytester.path / "it.jsonl")]
    assert main(again) == 1, "it runs in a process of its own"
    assert "CRASH" in capsys.readouterr().out
    assert main([*again, "--backend", "reference"]) == 0
