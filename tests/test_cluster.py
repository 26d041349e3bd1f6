"""Runs and soaks over a Dask cluster come to what one process comes to, also where a worker is lost."""

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

from gradlaws.commands.cluster_task import Job, do
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.suite.record_lines import part_without
from gradlaws.reports.record import load, parsed
from gradlaws.reports.record_merge import merged

ROOT = Path(__file__).resolve().parent.parent


def started(place: Path, *args: str) -> subprocess.Popen[str]:
    paths = [str(ROOT / "src"), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-m", "gradlaws", *args],
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def done(place: Path, *args: str) -> tuple[int, str]:
    running = started(place, *args)
    out, err = running.communicate(timeout=300)
    return running.returncode, out + err


def but_times(path: Path) -> list[str]:
    """The lines of a record or of a soak, without times; in any order, since that is the order in which they came."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    progress = [line for line in lines if line["type"] == "progress"][-1:]
    kept = [line for line in lines if line["type"] not in ("progress", "again")] + progress
    times = ("seconds", "wall", "started", "seal")
    bare = [{k: v for k, v in line.items() if k not in times} for line in kept]
    return sorted(json.dumps(line, sort_keys=True) for line in bare)


def test_a_job_is_done_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the engine does to its process is a finding of the job, and reaches no worker."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]))
    given = ("run", "--backend", "deadly:Aborts", "--laws", "NONE-03", "--max-examples", "60", "--workers=1")
    job = Job((*given, "--record={here}/part.jsonl"), "part.jsonl", str(tmp_path), "a shard")
    what = do(job)
    assert what.code == 1, what.said
    place = tmp_path / "part.jsonl"
    place.write_text(what.text)
    (result,) = load(place).results
    assert result.verdict is Verdict.CRASH


def test_laws_of_a_lost_shard_are_unknown_and_say_why(tmp_path: Path) -> None:
    code, said = done(
        tmp_path,
        *(
            "run",
            "--backend",
            "reference",
            "--laws",
            "ACC-01,ACC-02",
            "--shard",
            "1/2",
            "--max-examples",
            "2",
        ),
        *("--workers", "0"),
    )
    assert code == 0, said
    there = load(tmp_path / "gradlaws.jsonl")
    (other,) = {"ACC-01", "ACC-02"} - set(there.tried)
    for lost, finished in (("its worker was lost", True), ("", False)):
        text = part_without(there.lines[0], [other], {"reference": "reference"}, lost)
        part = parsed([json.loads(line) for line in text.splitlines()])
        whole = merged([there, part])[1]
        assert whole.finished is finished
        verdicts = {r.law: (r.verdict, r.message) for r in whole.results}
        assert verdicts.get(other) == ((Verdict.UNKNOWN, lost) if lost else None)


@pytest.mark.parametrize("command", ["soak", "run"])
def test_without_dask_one_line_says_what_to_install(tmp_path: Path, command: str) -> None:
    if __import__("importlib.util").util.find_spec("distributed"):
        pytest.skip("it is installed")
    code, said = done(tmp_path, command, "--backend", "reference", "--dask", "2")
    assert code == 4
    assert said.strip() == "error: --dask 2: needs Dask: pip install 'gradlaws[cluster]'"


# -- with Dask ------------------------------------------------------------------------------------------------


def leashed(place: Path) -> list[tuple[int, int]]:
    """(process, who started it) of the jobs that run for files under a folder (Linux)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = (stat.parent / "cmdline").read_bytes().split(b"\0")
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if b"gradlaws.commands.leash" in words and os.readlink(stat.parent / "cwd") == str(place):
                found.append((int(stat.parent.name), parent))
        except OSError:
            continue
    ours = {process for process, _ in found}
    return [(process, parent) for process, parent in found if parent not in {*ours, 1}]


def wait_for(what: Any, seconds: float = 120.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if got := what():
            return got
        time.sleep(0.1)
    raise AssertionError("it does not come")


SOAK = ("soak", "--backend", "reference", "--programs", "1200", "--seed", "3")


def test_a_soak_with_a_worker_killed_in_the_middle_comes_to_the_same(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    assert done(tmp_path, *SOAK, "--file", "one.jsonl")[0] == 0
    running = started(tmp_path, *SOAK, "--file", "two.jsonl", "--dask", "2")
    (_, worker), *_ = wait_for(lambda: leashed(tmp_path))
    os.kill(worker, signal.SIGKILL)
    out, err = running.communicate(timeout=300)
    assert running.returncode == 0, err
    assert "who did it was lost; done again" in err
    assert "LOST" not in out + err
    assert but_times(tmp_path / "two.jsonl") == but_times(tmp_path / "one.jsonl")


def test_what_is_lost_twice_is_said_to_be(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    running = started(tmp_path, *SOAK, "--file", "two.jsonl", "--dask", "1")
    (_, first), *_ = wait_for(lambda: leashed(tmp_path))
    os.kill(first, signal.SIGKILL)
    second = wait_for(lambda: [w for _, w in leashed(tmp_path) if w != first])[0]
    os.kill(second, signal.SIGKILL)
    out, err = running.communicate(timeout=300)
    assert running.returncode == 2, err
    assert "LOST: programs 0 to 999" in err
    assert "LOST: of programs 0 to 999 nothing is known" in out


def test_an_interrupted_soak_keeps_what_it_has(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    long = (*SOAK[:3], "--programs", "100000", "--seed", "3", "--file", "two.jsonl")
    running = started(tmp_path, *long, "--dask", "1")
    wait_for(lambda: leashed(tmp_path))
    time.sleep(8)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 2, err
    assert "interrupted; the same command goes on at program" in out
    lines = map(json.loads, but_times(tmp_path / "two.jsonl"))
    last = next(line for line in lines if line["type"] == "progress")
    assert 0 < last["programs"] == last["number"]


def test_a_run_comes_to_the_record_of_one_run(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    given = ("run", "--backend", "reference", "--laws", "ACC,DET", "--max-examples", "3")
    one, two = ((*given, "--record", "one.jsonl"), (*given, "--record", "two.jsonl", "--dask", "2"))
    codes = [done(tmp_path, *arguments)[0] for arguments in (one, two)]
    assert codes == [0, 0]
    assert but_times(tmp_path / "two.jsonl") == but_times(tmp_path / "one.jsonl")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("soak", "--dask", "1", "--first", "3"), "leave out --in-process and --first"),
        (("run", "--dask", "1", "--shard", "1/2"), "leave out --shard"),
        (("soak", "--dask", "0"), "a number of processes above 0"),
        (("soak", "--dask", "tcp://127.0.0.1:1"), "there is no Dask scheduler"),
        (("soak", "--dask", "1", "--backend", "nowhere", "--programs", "10"), "nowhere"),
    ],
)
def test_wrong_usage_is_told(tmp_path: Path, args: tuple[str, ...], says: str) -> None:
    pytest.importorskip("distributed")
    code, said = done(tmp_path, *args)
    assert code == 4, said
    assert says in said
    assert "Traceback" not in said
