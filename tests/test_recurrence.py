"""A failure that does not come back is a failure, and said to be one that does not come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fickle
import pytest

from gradlaws.commands.parser import main
from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.discovery import find
from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.fresh_processes import FreshProcesses
from gradlaws.conformance.judgement.recurrence import Recurrence
from gradlaws.conformance.judgement.reruns import TRIES
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.suite.crash_reduction import FORK_SERVER
from gradlaws.conformance.suite.record_lines import header, result_line
from gradlaws.conformance.suite.replay import Replay
from gradlaws.conformance.suite.selection import Selection
from gradlaws.conformance.whole_programs.run_item import WHOLE, judge_any
from gradlaws.reports.record_file import Recorder, footer, headed

SUBJECTS = {"a law": LAWS["ACC-01"], "whole programs": WHOLE}
FICKLE = ("AtRandom", "Seldom", "AtFirst", "Tiring")


@pytest.fixture
def fresh(request: pytest.FixtureRequest) -> Iterator[FreshProcesses]:
    processes = FreshProcesses(FORK_SERVER)
    yield processes
    processes.close()


@pytest.mark.parametrize("engine", FICKLE)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_what_does_not_recur_is_a_failure_and_said(
    engine: str, subject: str, fresh: FreshProcesses, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backend, effort = find(f"fickle:{engine}"), Effort(150, shrink=4.0 if engine == "AtFirst" else 0.5)
    result = judge_any(SUBJECTS[subject], backend, effort, fresh=fresh)
    assert result.verdict is Verdict.FAIL
    finding = result.finding
    assert finding is not None
    again = finding.recurrence
    assert again is not None
    assert again.fresh_tries
    assert not again.steady
    assert again.told in result.message
    assert finding.steps is not None
    assert again.likely or not finding.script
    if engine == "AtFirst":
        assert (again.fresh_seen, again.fresh_tries) == (3, 3)
        assert subject != "a law" or len(finding.steps) <= 10, finding.program
    # a record that says so is replayed on an engine that does nothing wrong: nothing follows from that
    record = Recorder(
        tmp_path / "it.jsonl", headed(header([backend], Selection.of("full", None, None), effort, "ci"))
    )
    line = result_line(result, backend)
    line.pop("covered")
    record.add(line)
    record.close(footer([line], 1, 1.0))
    key = line["finding"]["replay"]
    assert main(["replay", key, "--record", str(tmp_path / "it.jsonl"), "--backend", "reference"]) == 2
    said = capsys.readouterr().out
    assert "not seen again in" in said
    assert again.told in said


def test_a_failure_that_recurs_is_counted_and_not_talked_about() -> None:
    for law in (LAWS["ACC-01"], WHOLE):
        result = judge_any(law, FAULTS["overwrites"].make(), Effort(20))
        assert result.finding is not None
        assert result.finding.recurrence == Recurrence(TRIES + 1, TRIES + 1)
        assert "tries" not in result.message


def test_what_is_nondeterministic_by_nature_is_seen_by_the_law_about_it() -> None:
    engine = fickle.Unordered()
    result = judge_any(LAWS["META-17"], engine, Effort(300))
    assert result.verdict is Verdict.FAIL
    assert result.finding is not None
    assert result.finding.law == "META-17"
    assert "intermittent" in result.message


def test_a_replay_of_what_always_failed_may_say_that_it_holds() -> None:
    found = judge_any(LAWS["ACC-01"], FAULTS["overwrites"].make(), Effort(20)).finding
    assert found is not None
    assert found.steps is not None
    for recurrence, verdict in ((found.recurrence, Verdict.PASS), (Recurrence(1, 11), Verdict.UNKNOWN)):
        replay = Replay(LAWS["ACC-01"], found.steps, Effort(), "", recurrence)
        assert replay.judged(ReferenceBackend()).verdict is verdict
        assert replay.judged(FAULTS["overwrites"].make()).verdict is Verdict.FAIL
