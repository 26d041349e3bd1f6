"""The soak: its file, its command, what it says to whoever uses it wrongly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from overwriting_engine import Overwriting

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.judgement.fresh_processes import FreshProcesses
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.source import source
from gradlaws.conformance.suite.crash_reduction import FORK_SERVER, PostMortem
from gradlaws.conformance.suite.soak_deaths import keep_death
from gradlaws.conformance.whole_programs.soak import Soak
from gradlaws.conformance.whole_programs.soak_file import (
    Death,
    SoakFile,
    SoakFileError,
    heading,
    reached,
    read,
)

TESTS = Path(__file__).resolve().parent


def test_a_soak_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    engine, place = Overwriting(), tmp_path / "soak.jsonl"
    first = Soak(engine, seed=9, known=KnownFailures(), shrink=0.3)
    file = SoakFile(place)
    file.begin(first)
    first.run(50)
    file.progress(first)
    second = Soak(engine, seed=9, known=KnownFailures(), shrink=0.3)
    SoakFile(place).begin(second)
    assert second.tally.number == 50
    assert {k: f.times for k, f in second.found.items()} == {k: f.times for k, f in first.found.items()}
    second.run(100)
    whole = Soak(engine, seed=9, known=KnownFailures(), shrink=0.3)
    whole.run(100)
    assert second.tally.programs == whole.tally.programs == 100
    with pytest.raises(SoakFileError, match="another soak"):
        SoakFile(place).begin(Soak(engine, seed=10, known=KnownFailures()))
    place.write_text("no soak\n")
    with pytest.raises(SoakFileError, match="not the file of a soak"):
        read(place)


def test_a_line_cut_short_is_left_out(tmp_path: Path) -> None:
    place = tmp_path / "soak.jsonl"
    soak = Soak(Overwriting(), known=KnownFailures())
    SoakFile(place).begin(soak)
    SoakFile(place).progress(soak)
    place.write_text(place.read_text() + '{"type": "find')
    assert [line["type"] for line in read(place)] == ["soak", "progress"]
    again = Soak(Overwriting(), known=KnownFailures())
    SoakFile(place).begin(again)
    SoakFile(place).progress(again)
    assert [line["type"] for line in read(place)] == ["soak", "progress", "progress"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("3\n", "is not the file of a soak"),
        ('{"type": "header", "schema": 1}\n', "is not the file of a soak"),
        ("no json\n", "is not the file of a soak"),
        ("{head}\nno json\n", ":2: is no line of a soak"),
        (b"\xff\xfe", "it is no text"),
        ("{head}\n{}\n", "is not the file of a soak"),
        ('{head}\n{"type": "progress", "more": 1}\n', "line 2 of the file of an earlier soak is damaged"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str | bytes, says: str) -> None:
    place = tmp_path / "soak.jsonl"
    soak = Soak(ReferenceBackend(), known=KnownFailures())
    raw = text if isinstance(text, bytes) else text.replace("{head}", json.dumps(heading(soak))).encode()
    place.write_bytes(raw)
    with pytest.raises(SoakFileError, match=says):
        SoakFile(place).begin(soak)
    assert place.read_bytes() == raw


def test_findings_are_json(tmp_path: Path) -> None:
    soak = Soak(Overwriting(), known=KnownFailures(), shrink=0.3)
    file = SoakFile(tmp_path / "soak.jsonl")
    file.begin(soak)
    soak.run(50)
    file.progress(soak)
    lines = [json.loads(line) for line in (tmp_path / "soak.jsonl").read_text().splitlines()]
    finding = next(line for line in lines if line["type"] == "finding")
    assert finding["program"] == source(soak.found[finding["id"]].finding.steps.steps)


def soaked(place: Path, *args: str, **more: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gradlaws", "soak", "--backend", "reference", *args]
    env = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent / "src") + os.pathsep + str(place),
    }
    return subprocess.Popen(command, cwd=place, env=env, text=True, stdout=-1, stderr=-1, **more)


def test_the_command_soaks_and_takes_up_what_was_interrupted(tmp_path: Path) -> None:
    running = soaked(tmp_path, "--seconds", "300", start_new_session=True)
    place = tmp_path / "gradlaws-soak.jsonl"
    while not place.exists():
        time.sleep(0.1)
    time.sleep(3)
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 2, err
    assert "interrupted; the same command goes on at program" in out
    assert "Traceback" not in err
    reached = next(line for line in reversed(read(place)) if line["type"] == "progress")["number"]
    assert reached > 0
    again = soaked(tmp_path, "--programs", str(reached + 50))
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert f"taken up at program {reached:,}" in err
    assert "no findings" in out


def test_a_program_that_kills_the_process_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text(
        "import os\n"
        "from gradlaws.conformance.adapters.reference import ReferenceBackend\n"
        "class Dying(ReferenceBackend):\n"
        "    name = 'dying'\n"
        "    def backward(self, root, gradient=None, **options):\n"
        "        if options.get('create_graph') and 'inputs' not in options:\n"
        "            os._exit(0)\n"
        "        super().backward(root, gradient, **options)\n"
    )
    done = soaked(
        tmp_path, "--backend", "dying:Dying", "--programs", "60", "--seed", "5", "--file", "found.jsonl"
    )
    out, err = done.communicate(timeout=200)
    assert done.returncode == 1, err
    assert "CRASH: program" in err
    assert "findings are in found.jsonl" in out
    lines = read(tmp_path / "found.jsonl")
    crash = next(line for line in lines if line["type"] == "finding")
    assert crash["law"] == "CRASH"
    assert crash["got"] == "the process ended, exit code 0"
    assert "create_graph=True" in crash["program"]
    assert len(crash["steps"]) <= 6, "it is made small in processes of its own"
    assert f"CRASH ({crash['id']}" in err
    assert "the process ended, exit code 0" in err
    last = [line for line in lines if line["type"] == "progress"][-1]
    assert last["programs"] == 60, "all others are judged"
    assert last["crashes"] == sum(line["type"] == "death" for line in lines) > 0
    again = soaked(tmp_path, "--backend", "dying:Dying", "--file", "found.jsonl", "--replay", crash["id"])
    out, err = again.communicate(timeout=100)
    assert again.returncode == 1, err
    assert "the process ended, exit code 0" in out
    sound = soaked(tmp_path, "--file", "found.jsonl", "--replay", crash["id"])
    sound.communicate(timeout=100)
    assert sound.returncode == 0


def test_a_program_that_never_ends_is_a_finding(tmp_path: Path) -> None:
    """Nothing interrupts it, since it holds the lock of the interpreter."""
    given = ("--backend", "deadly:HangsDeeply", "--programs", "6", "--seed", "259", "--program-timeout", "2")
    done = soaked(TESTS, *given, "--file", str(tmp_path / "it.jsonl"))
    _, err = done.communicate(timeout=200)
    assert done.returncode == 1, err
    lines = read(tmp_path / "it.jsonl")
    (found,) = (line for line in lines if line["type"] == "finding")
    assert (found["law"], found["number"], found["got"]) == ("TIMEOUT", 2, "not finished after 2 s")
    assert [step["step"] for step in found["steps"] if step["step"] != "Look"] == ["Leaf", "Apply"]
    assert [line["programs"] for line in lines if line["type"] == "progress"][-1] == 6


def test_what_ended_a_process_and_was_not_looked_into_is_when_the_soak_is_taken_up(tmp_path: Path) -> None:
    soak, place = Soak(ReferenceBackend(), known=KnownFailures()), tmp_path / "soak.jsonl"
    file, death = SoakFile(place), Death(7, "the process died, SIGSEGV", False)
    file.begin(soak)
    soak.run(5)
    file.died(death, reached(soak.tally))
    again = Soak(ReferenceBackend(), known=KnownFailures())
    file = SoakFile(place)
    file.begin(again)
    assert file.deaths == [death]
    keep_death(again, death, PostMortem(0.0), FreshProcesses(FORK_SERVER), 1.0)
    (found,) = again.found.values()
    assert (found.finding.law, found.number) == ("CRASH", 7)
    seen: list[int] = []
    again.journal = seen.append
    again.run(10)
    assert seen == [5, 6, 8, 9]
    file.progress(again)
    file.begin(Soak(ReferenceBackend(), known=KnownFailures()))


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--steps", "9", "5"), "the lower number comes first"),
        (("--replay", "ACC-01-0"), "cannot be read"),
        (("--backend", "nowhere"), "nowhere"),
        (("--seconds", "-1"), "argument --seconds: '-1' is not a number of seconds above 0"),
        (("--programs", "many"), "argument --programs: 'many' is not a whole number above 0"),
        (("--steps", "20", "200"), "programs have at most 40 steps"),
        (("--file", "/dev/null/soak.jsonl"), "cannot be written"),
        (("--file", "."), "cannot be read: Is a directory"),
        (("--known-failures", "nowhere.toml"), "nowhere.toml"),
    ],
)
def test_wrong_usage_is_told(tmp_path: Path, args: tuple[str, ...], says: str) -> None:
    done = soaked(tmp_path, *args)
    _, err = done.communicate(timeout=60)
    assert done.returncode == 4, err
    assert says in err
    assert "Traceback" not in err
