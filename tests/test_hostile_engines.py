"""Nothing that an engine does breaks or silences the run: it costs verdicts, or one message beforehand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hostile
import pytest
from thinning import every

from gradlaws.reports.record_file import read

ROOT = Path(__file__).resolve().parent.parent
WAYS: dict[str, tuple[str, ...]] = {
    "plain pytest": (
        "-m",
        "pytest",
        "-p",
        "gradlaws.conformance.plugin",
        "--pyargs",
        "gradlaws.conformance",
        "-q",
    ),
    "pytest -n 2": (
        "-m",
        "pytest",
        "-p",
        "gradlaws.conformance.plugin",
        "--pyargs",
        "gradlaws.conformance",
        "-n2",
    ),
    "one process": ("-m", "gradlaws", "run", "--workers", "0"),
    "two workers": ("-m", "gradlaws", "run", "--workers", "2"),
}
#: Few laws; a hostile engine meets most of them.
LAWS = ("ACC-01", "DET-02", "RET-19", "WHOLE-01")
Judged = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def judged(tmp_path: Path) -> Judged:
    def run(way: str, engine: str, *more: str) -> subprocess.CompletedProcess[str]:
        engines = [f"--backend=hostile:{name}" for name in engine.split()]
        given = (*engines, "--laws", ",".join(LAWS), "--max-examples", "4")
        outside = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_XDIST")}
        paths = [str(ROOT / "src"), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
        return subprocess.run(
            [sys.executable, *WAYS[way], *given, "--record", "it.jsonl", *more],
            cwd=tmp_path,
            env={**outside, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
        )

    return run


def sound(
    done: subprocess.CompletedProcess[str], record: Path, engines: int = 1
) -> dict[tuple[str, str], str]:
    """The verdicts of a run that came to its end, by engine and law, whatever they are."""
    said = done.stdout + done.stderr
    assert done.returncode in (0, 1, 2), said[-3000:]
    assert "INTERNALERROR" not in said
    assert "\x1b[2J" not in said, "escape codes of an engine reach the terminal"
    lines = list(read(record))
    results = [line for line in lines if line["type"] == "result"]
    verdicts = {(line["backend"], line["law"]): line["verdict"] for line in results}
    assert len(verdicts) == engines * len(LAWS), said[-3000:]
    unkept = {law: v for law, v in verdicts.items() if v not in ("PASS", "DECLARED")}
    assert (done.returncode == 0) is (not unkept), f"{verdicts}, exit code {done.returncode}"
    return verdicts


def of(verdicts: dict[tuple[str, str], str], act: str) -> set[str]:
    """The verdicts on one engine."""
    return {v for (engine, _), v in verdicts.items() if engine == act.replace("_", "-")}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_is_raised_costs_the_laws_that_met_it(judged: Judged, tmp_path: Path, way: str) -> None:
    acts = every(len(WAYS), hostile.RAISING, list(WAYS).index(way))
    verdicts = sound(judged(way, " ".join(acts)), tmp_path / "it.jsonl", len(acts))
    for act in acts:
        assert not of(verdicts, act) <= {"PASS"}, f"{act} went unseen: {of(verdicts, act)}"


@pytest.mark.parametrize("way", WAYS)
def test_what_is_changed_taken_away_or_left_behind_costs_nobody_else(
    judged: Judged, tmp_path: Path, way: str
) -> None:
    """All in one run: what one engine does to the process, no other one meets."""
    acts = {**hostile.GREEDY, **hostile.LASTING, **hostile.CHANGING}
    done = judged(way, f"{' '.join(acts)} Sound", *(["-v"] if way == "plain pytest" else []))
    isolated = "isolated in 2" if way in ("two workers", "pytest -n 2") else "not isolated"
    assert f"gradlaws: {isolated}" in done.stdout, "a run says whether it isolates"
    verdicts = sound(done, tmp_path / "it.jsonl", len(acts) + 1)
    for act in (*hostile.GREEDY, "sound"):
        assert of(verdicts, act) == {"PASS"}, f"{act}: {verdicts}"


@pytest.mark.parametrize("way", ["pytest -n 2", "two workers"])
def test_a_process_that_dies_costs_the_law_that_ran(judged: Judged, tmp_path: Path, way: str) -> None:
    acts = hostile.DEADLY
    done = judged(way, " ".join(acts), "--law-timeout", "2")
    verdicts = sound(done, tmp_path / "it.jsonl", len(acts))
    for act in acts:
        assert {"CRASH", "TIMEOUT"} & of(verdicts, act), f"{act}: {verdicts}"


def test_memory_without_end_costs_the_law_that_took_it(judged: Judged, tmp_path: Path) -> None:
    done = judged("two workers", f"{' '.join(hostile.HUNGRY)} Sound", "--memory-limit", "600")
    verdicts = sound(done, tmp_path / "it.jsonl", 2)
    assert "CRASH" in of(verdicts, "takes_all_memory")
    assert of(verdicts, "sound") == {"PASS"}


def test_memory_that_is_kept_in_one_process_ends_the_run_in_a_line(judged: Judged, tmp_path: Path) -> None:
    """Not with a law that pays for what another one took; nor where what lacks memory cannot raise an error."""
    done = judged("one process", f"{' '.join(hostile.HUNGRY)} Sound", "--memory-limit", "600")
    said = done.stdout + done.stderr
    told = [line for line in said.splitlines() if line.startswith("error: ")]
    assert (done.returncode, len(told)) in ((1, 1), (2, 1)), said[-3000:]
    assert "--memory-limit" in told[0] or "the process died" in told[0]
    results = [line for line in read(tmp_path / "it.jsonl", partial=True) if line["type"] == "result"]
    assert {line["verdict"] for line in results if line["backend"] == "sound"} <= {"PASS"}


def test_there_are_many_of_them() -> None:
    everywhere = {**hostile.RAISING, **hostile.CHANGING, **hostile.LASTING, **hostile.GREEDY}
    assert len(everywhere) >= 40, (
        "each runs in one process, in two workers, in plain pytest and in pytest -n 2"
    )


@pytest.mark.parametrize("way", ["plain pytest", "two workers"])
@pytest.mark.parametrize("engine", hostile.REFUSED)
def test_what_cannot_be_judged_is_told_in_one_message(
    judged: Judged, tmp_path: Path, way: str, engine: str
) -> None:
    done = judged(way, engine)
    said = done.stdout + done.stderr
    assert done.returncode == 4, said[-3000:]
    assert "Traceback" not in said
    assert not (tmp_path / "it.jsonl").exists()


@pytest.mark.parametrize(
    ("way", "engine", "said"),
    [
        *((way, "HangsInTheCheck", "checking the adapter 'hangs-in-the-check' did not end") for way in WAYS),
        *(
            (
                way,
                "FaultsInTheCheck",
                "checking the adapter 'faults-in-the-check' ended the process (SIGSEGV)",
            )
            for way in WAYS
        ),
        ("plain pytest", "HangsWhenMade", "no end after"),
        (
            "two workers",
            "DiesInTheCheck",
            "checking the adapter 'dies-in-the-check' ended the process (SIGKILL)",
        ),
    ],
)
def test_what_does_not_come_to_be_judged_is_told_in_one_message(
    judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, engine: str, said: str
) -> None:
    """Even where nothing comes back to Python."""
    monkeypatch.setenv("GRADLAWS_START_TIMEOUT", "3")
    done = judged(way, engine)
    assert done.returncode == 4, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "it.jsonl").exists()


@pytest.mark.parametrize("way", ["two workers", "pytest -n 2"])
def test_what_hangs_in_workers_alone_ends_all_the_same(
    judged: Judged, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("GRADLAWS_START_TIMEOUT", "3")
    done = judged(way, "HangsInWorkers")
    assert done.returncode == 2
    assert "in a row" in done.stdout + done.stderr
