"""The command line of reports and of the gate: what is written, what is decided, what is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from small_records import PASSING, lines, written

from gradlaws.reports.formats import FORMATS

Command = Callable[..., subprocess.CompletedProcess[str]]


# -- reports and the gate -------------------------------------------------------------------------------------


@pytest.fixture
def passing(tmp_path: Path) -> Path:
    return written(tmp_path / "passing.jsonl", lines(PASSING))


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    return written(tmp_path / "failing.jsonl", lines(PASSING | {"ACC-01": "FAIL"}))


def test_a_run_ends_with_report_files_and_decision(command: Command, tmp_path: Path) -> None:
    arguments = ("--backend", "reference", "--profile", "smoke", "--workers", "0", "--report", "out")
    done = command("run", *arguments, "--require-level", "full")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "level reached: full holds" in done.stdout
    assert done.stdout.rstrip().endswith("gate: conforms (exit code 0)")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"report.html", "report.md", "report.txt", "junit.xml", "badge.json"}
    assert command("run", *arguments, "--require-level", "torch", "--laws", "ACC-01").returncode == 2


def test_a_run_is_gated_against_its_baseline(command: Command, tmp_path: Path) -> None:
    arguments = ("run", "--max-examples", "2", "--workers", "0", "--laws", "ACC-01,ACC-06,DET-01")
    assert command(*arguments, "--backend", "reference", "--record", "old.jsonl").returncode == 0
    gate = ("--fail-on", "regressed", "--baseline", "old.jsonl")
    worse = command(*arguments, "--backend", "engines:Overwriting", *gate)
    assert worse.returncode == 1
    assert "1 law regressed: ACC-01 (PASS to FAIL)" in worse.stdout
    same = command(
        *arguments, "--backend", "engines:Overwriting", *gate[:-1], "gradlaws.jsonl", "--record", "new"
    )
    assert same.returncode == 0, same.stdout
    over = command(*arguments, "--backend", "reference", "--baseline", "gradlaws.jsonl")
    assert over.returncode == 4
    assert "is the file that this run would write" in over.stderr


@pytest.mark.parametrize("form", FORMATS)
def test_a_record_is_rendered(
    command: Command, passing: Path, failing: Path, tmp_path: Path, form: str
) -> None:
    done = command("report", str(passing), str(failing), "--format", form, "--output", "out")
    assert done.returncode == 1
    assert "toy 1.0: 1 FAIL: ACC-01" in done.stdout
    assert (tmp_path / "out").exists()


def test_on_github_there_are_annotations_and_a_summary(
    command: Command, failing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    done = command("report", str(failing), "--github")
    assert done.stdout.count("::error ") == 1
    assert "#### ❌ ACC-01" in (tmp_path / "summary.md").read_text()


def test_differences_have_an_exit_code(command: Command, passing: Path, failing: Path) -> None:
    assert command("diff", str(passing), str(failing)).returncode == 1
    better = command("diff", str(failing), str(passing), "--format", "markdown")
    assert better.returncode == 0
    assert "1 changed (1 improved, 0 regressed)" in better.stdout


def test_shards_are_run_merged_and_gated(command: Command, tmp_path: Path) -> None:
    arguments = ("run", "--backend", "reference", "--profile", "smoke", "--workers", "0")
    for number in (1, 2):
        done = command(*arguments, "--shard", f"{number}/2", "--record", f"{number}.jsonl")
        assert done.returncode == 0, done.stdout
    done = command("merge", "1.jsonl", "2.jsonl", "--output", "whole.jsonl")
    assert done.returncode == 0, done.stderr
    assert command("report", "whole.jsonl", "--require-level", "full").returncode == 0
    assert command("report", "1.jsonl", "--require-level", "full").returncode == 2
    done = command("merge", "1.jsonl", "1.jsonl", "--output", "other.jsonl")
    assert done.returncode == 4
    assert "both judge ACC-01 on reference" in done.stderr
    assert not (tmp_path / "other.jsonl").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "BAD"],
        ["report", "nowhere.jsonl"],
        ["report", "GOOD", "--output", "/proc/nowhere/report"],
        ["report", "GOOD", "--report", "/proc/nowhere"],
        ["report", "GOOD", "--report", "GOOD"],
        ["report", "GOOD", "--report", "new/out"],
        ["report", "GOOD", "--output", "new/out"],
        ["run", "--backend", "reference", "--laws", "ACC-01", "--record", "new/r.jsonl"],
        ["run", "--backend", "reference", "--laws", "ACC-01", "--record", "."],
        ["run", "--backend", "reference", "--laws", "ACC-01", "--report", "new/out"],
        ["run", "--backend", "reference", "--laws", "ACC-01", "--report", "/proc/nowhere"],
        ["soak", "--backend", "reference", "--programs", "1", "--file", "new/s.jsonl"],
        ["engines", "reference", "--out", "new/out"],
        ["known-failures", "write", "GOOD", "--output", "new/list.toml"],
        ["merge", "GOOD", "GOOD", "--output", "/dev/null"],
        ["report", "GOOD", "--fail-on", "regressed"],
        ["report", "GOOD", "--baseline", "BAD"],
        ["diff", "GOOD", "BAD"],
        ["merge", "GOOD", "BAD", "--output", "GOOD"],
        ["merge", "GOOD"],
    ],
)
def test_bad_input_is_four_and_overwrites_nothing(
    command: Command, passing: Path, failing: Path, arguments: list[str]
) -> None:
    failing.write_text(failing.read_text()[:-40])
    before = passing.read_text()
    named = {"GOOD": str(passing), "BAD": str(failing)}
    done = command(*(named.get(argument, argument) for argument in arguments))
    assert done.returncode == 4, done.stdout
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert passing.read_text() == before
    assert not Path("new").exists()
    assert "programs a law" not in done.stdout, "a run that had begun"


def test_what_there_is_of_a_truncated_record_is_reported_as_unknown(command: Command, passing: Path) -> None:
    passing.write_text(passing.read_text()[:-40])
    done = command("report", str(passing), "--partial")
    assert done.returncode == 2
    assert "the run was cut short" in done.stdout


# -- known failures -------------------------------------------------------------------------------------------


def test_what_fails_is_listed_explained_and_then_excused(command: Command, tmp_path: Path) -> None:
    arguments = ("run", "--backend", "engines:Overwriting", "--laws", "ACC-01", "--workers", "0")
    assert command(*arguments).returncode == 1
    assert command("known-failures", "write", "gradlaws.jsonl").returncode == 0
    assert "`reason` is missing" in command(*arguments, "--known-failures", "known-failures.toml").stderr
    listed = tmp_path / "known-failures.toml"
    listed.write_text(
        listed.read_text().replace('reason = ""', 'reason = "so"').replace('link = ""', 'link = "x"')
    )
    done = command(*arguments, "--known-failures", "known-failures.toml", "--record", "new.jsonl")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "known failures: ACC-01" in done.stdout
    assert "excused by the list: " in done.stdout
    checked = command("known-failures", "check", "known-failures.toml", "--record", "new.jsonl")
    assert checked.returncode == 0
    assert "programs of ACC-01" in checked.stdout
    stale = command(
        *("run", "--backend", "reference", "--laws", "ACC-01", "--workers", "0", "--record", "sound.jsonl"),
        *("--known-failures", "known-failures.toml"),
    )
    assert stale.returncode == 1
    assert "1 STALE: ACC-01" in stale.stdout
    assert (
        command("known-failures", "check", "known-failures.toml", "--record", "sound.jsonl").returncode == 1
    )


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[[known]]\nlaw = 'ACC-99'\nreason = 'so'\nlink = 'x'\n", "no such law: ACC-99"),
        ("[[known]]\nlaw = 'ACC-02'\nreason = 'so'\n", "`link` is missing"),
        ("[[known]\n", "not TOML"),
        ("known = 1\n", "must be a list"),
    ],
)
def test_a_wrong_list_is_four_and_left_alone(
    command: Command, failing: Path, tmp_path: Path, text: str, word: str
) -> None:
    listed = tmp_path / "known-failures.toml"
    listed.write_text(text)
    done = command("known-failures", "check", str(listed))
    assert done.returncode == 4
    assert word in done.stderr
    made = command("known-failures", "write", str(failing))
    assert made.returncode == (0 if "link" in word else 4)  # what a person has yet to fill in may wait
    assert listed.read_text().startswith(text)


# -- what is wrong with the suite itself ----------------------------------------------------------------------


def test_a_suite_that_breaks_says_so(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mistake.py").write_text("def boom(*args):\n    raise RuntimeError('a mistake of ours')\n")
    (tmp_path / "breaking.py").write_text(
        "import mistake\n"
        "from gradlaws.conformance.suite import campaign\n"
        "from gradlaws.conformance.adapters.reference import ReferenceBackend\n"
        "campaign.judge_any = mistake.boom\n"
        "class Breaking(ReferenceBackend):\n    name = 'breaking'\n"
    )
    done = command("run", "--backend", "breaking:Breaking", "--laws", "ACC-01", "--workers", "0")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "a mistake of ours" in done.stderr


def test_engines_can_be_judged_in_one_run(command: Command) -> None:
    done = command(
        *("run", "--backend", "reference", "--backend", "engines:Overwriting", "--laws", "ACC-01,DET"),
        *("--max-examples", "10", "--workers", "0"),
    )
    assert done.returncode == 1
    assert "reference checkout: " not in done.stdout.split("gate: ")[1]
    assert "1 FAIL: ACC-01" in done.stdout


def test_a_listed_crash_is_known(command: Command, tmp_path: Path) -> None:
    (tmp_path / "known.toml").write_text(
        "[[known]]\nlaw = 'ACC-01'\nreason = 'it dies'\nlink = 'https://x.y'\nbroad = 'so'\n"
    )
    arguments = ("run", "--backend", "engines:Dying", "--laws", "ACC-01,NONE-01", "--workers", "1")
    assert "1 CRASH: ACC-01" in command(*arguments).stdout
    done = command(*arguments, "--known-failures", "known.toml")
    assert done.returncode == 0, done.stdout
    assert "known failures: ACC-01" in done.stdout
