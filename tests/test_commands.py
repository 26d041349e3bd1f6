"""The command line, as someone meets it who does not know pytest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from records import PASSING, lines, written

from gradlaws.commands import COMMANDS
from gradlaws.commands.parser import main
from gradlaws.reports.formats import FORMATS
from gradlaws.reports.record import read

SRC = Path(__file__).resolve().parent.parent / "src"
Command = Callable[..., subprocess.CompletedProcess[str]]
ENGINES = """
from gradlaws.conformance.backends.reference import ReferenceBackend

class Overwriting(ReferenceBackend):
    name = "overwriting"
    def backward(self, root, gradient=None, **options):
        from gradlaws.conformance.reference.differentiate import ancestors
        if root.requires_grad:
            for node in ancestors([root.node]):
                if node.owner is not None:
                    node.owner.grad = None
        super().backward(root, gradient, **options)

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
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
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
        (["--laws", "ACV"], "did you mean ACC?"),
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
    everything = command("laws", "ACC", "--json").stdout + command("laws", "ZERO", "--json").stdout
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


# -- reports and the gate -------------------------------------------------------------------------------------


@pytest.fixture
def passing(tmp_path: Path) -> Path:
    return written(tmp_path / "passing.jsonl", lines(PASSING))


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    return written(tmp_path / "failing.jsonl", lines(PASSING | {"ACC-01": "FAIL"}))


def test_a_run_ends_with_report_files_and_decision(command: Command, tmp_path: Path) -> None:
    arguments = ("--backend", "reference", "--max-examples", "2", "--workers", "0", "--report", "out")
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
    arguments = ("run", "--backend", "reference", "--max-examples", "4", "--workers", "0")
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
    assert command("known-failures", "check", "known-failures.toml", "--record", "new.jsonl").returncode == 0
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
    (tmp_path / "breaking.py").write_text(
        "from gradlaws.conformance import test_laws\n"
        "from gradlaws.conformance.backends.reference import ReferenceBackend\n"
        "def boom(*args):\n    raise RuntimeError('a mistake of ours')\n"
        "test_laws.judge = boom\n"
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
        "[[known]]\nlaw = 'ACC-01'\nreason = 'it dies'\nlink = 'https://x.y'\n"
    )
    arguments = ("run", "--backend", "engines:Dying", "--laws", "ACC-01,NONE-01", "--workers", "1")
    assert "1 CRASH: ACC-01" in command(*arguments).stdout
    done = command(*arguments, "--known-failures", "known.toml")
    assert done.returncode == 0, done.stdout
    assert "known failures: ACC-01" in done.stdout
