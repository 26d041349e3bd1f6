"""The command line, as someone meets it who does not know pytest."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gradlaws.commands.parser import COMMANDS
from gradlaws.reports.record_file import read

SRC = Path(__file__).resolve().parent.parent / "src"
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: Command, name: str) -> None:
    done = command(name, "--help")
    assert done.returncode == 0
    assert f"example:\n  gradlaws {name}" in done.stdout


def test_wrong_usage_is_four(command: Command) -> None:
    for arguments in (["bogus"], ["run", "--bogus"], ["laws", "ACC-99"], ["run", "--backend", "nowhere"]):
        done = command(*arguments)
        assert done.returncode == 4, arguments
        assert "Traceback" not in done.stderr + done.stdout
        assert done.stderr.lower().startswith(("error", "usage")), done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--max-examples", "0"], "'0' is not a whole number above 0"),
        (["--laws", "ACCC"], "did you mean ACC?"),
        (["--shard", "4/3"], "write I/N"),
        (["--workers", "many"], "write a number of processes"),
        (["--record", "/proc/nowhere/record"], "/proc/nowhere/record"),
        (["--backend", "engines:Lying"], "numpy: "),
    ],
)
def test_wrong_options_get_one_clear_message(command: Command, arguments: list[str], word: str) -> None:
    backend = [] if "--backend" in arguments else ["--backend", "reference"]
    done = command("run", *backend, *arguments)
    assert done.returncode == 4
    assert word in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_law_is_shown_with_its_source(command: Command) -> None:
    done = command("laws", "acc-01")
    assert done.returncode == 0
    assert "A second backward adds to .grad instead of replacing it." in done.stdout
    assert "https://" in done.stdout
    assert "def a_second_backward_adds" in done.stdout


def test_shards_are_parts_of_the_whole(command: Command, tmp_path: Path) -> None:
    tried = []
    for shard in ("1/2", "2/2"):
        record = f"{shard[0]}.jsonl"
        done = command(
            *("run", "--backend", "reference", "--shard", shard, "--max-examples", "2", "--workers", "0"),
            *("--record", record, "--laws", "ACC,ZERO"),
        )
        assert done.returncode == 0, done.stdout
        tried.append([line["law"] for line in read(tmp_path / record) if line["type"] == "result"])
    everything = "".join(command("laws", f, "--level", "full", "--json").stdout for f in ("ACC", "ZERO"))
    assert not set(tried[0]) & set(tried[1])
    assert all(f'"{law}"' in everything for law in tried[0] + tried[1])
    assert len(tried[0] + tried[1]) == everything.count('"id"')


def test_a_failure_is_shown_and_replayed_from_the_record(command: Command, tmp_path: Path) -> None:
    done = command("run", "--backend", "engines:Overwriting", "--laws", "ACC-01", "--workers", "0")
    assert done.returncode == 1
    assert "FAIL ACC-01 on overwriting" in done.stdout
    (line,) = [line for line in read(tmp_path / "gradlaws.jsonl") if line["type"] == "result"]
    replayed = command("replay", line["finding"]["replay"])
    assert replayed.returncode == 1
    assert line["message"] in replayed.stdout
    kept = command("replay", line["finding"]["replay"], "--backend", "reference")
    assert kept.returncode == 0
    assert "PASS ACC-01" in kept.stdout
    assert command("replay", "ACC-01-0").returncode == 4


def test_other_peoples_pytest_is_left_alone(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conftest.py").write_text("raise RuntimeError('mine')")
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "--no-such-option"')
    monkeypatch.setenv("PYTEST_ADDOPTS", "--bogus")
    before = {path.name for path in tmp_path.iterdir()}
    done = command("run", "--backend", "reference", "--laws", "ACC-01", "--workers", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    made = {path.name for path in tmp_path.iterdir()} - before
    assert made <= {"gradlaws.jsonl", "__pycache__", ".hypothesis"}, made


def test_smoke_says_step_by_step_what_is_missing(command: Command) -> None:
    done = command("smoke", "--backend", "engines:Lying")
    assert done.returncode == 4
    assert "2. to mend   numpy: " in done.stdout


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_a_valid_record(
    command: Command, tmp_path: Path, workers: str, kind: signal.Signals
) -> None:
    arguments = ["run", "--backend", "engines:Slow", "--laws", "ACC,RET", "--workers", workers]
    process = subprocess.Popen(
        [sys.executable, "-m", "gradlaws", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    record = tmp_path / "gradlaws.jsonl"
    for _ in range(600):
        time.sleep(0.1)
        if record.exists() and record.read_text().count("\n") > 1:
            break
    process.send_signal(kind)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2, said
    lines = list(read(record))
    assert lines[-1]["exit"] == 2
    assert lines[-1]["results"] == len(lines) - 2
