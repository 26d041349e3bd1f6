"""A failure is run again as it was judged: by the same law, level and conventions, from wherever it is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.execution.judging_standard import Standard
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.replay_id import replay_id
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.suite.replay import Replay
from gradlaws.conformance.whole_programs.run_item import WHOLE, judge_any
from gradlaws.conformance.whole_programs.soak import Soak
from gradlaws.conformance.whole_programs.soak_file import SoakFile
from gradlaws.reports.record_file import read

Suite = Callable[..., pytest.RunResult]
KEEPING = ReferenceBackend(Dialect(intermediates="kept"))


@pytest.mark.parametrize("seed", range(12))
def test_a_whole_program_is_replayed_by_the_conventions_it_was_judged_by(seed: int) -> None:
    effort = Effort(10, seed, shrink=0.3, dialect="torch")
    found = judge_any(WHOLE, KEEPING, effort)
    assert found.verdict is Verdict.FAIL
    assert found.finding is not None
    again = Replay(WHOLE, found.finding.steps, effort).judged(KEEPING)
    assert again.verdict is Verdict.FAIL
    assert again.finding is not None
    assert again.finding.law == found.finding.law
    assert Replay(WHOLE, found.finding.steps, Standard()).judged(KEEPING).verdict is Verdict.PASS


@pytest.fixture
def keeping(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        keeping="""
        from gradlaws.conformance.adapters.reference import ReferenceBackend
        from gradlaws.conformance.engines.conventions import Dialect

        class Keeping(ReferenceBackend):
            name = "keeping"
            def __init__(self):
                super().__init__(Dialect(intermediates="kept"))
        """
    )


@pytest.mark.parametrize("cached", [True, False])
def test_a_record_replays_with_or_without_pytest_s_cache(
    suite: Suite, keeping: None, pytester: pytest.Pytester, cached: bool
) -> None:
    given = ("--backend", "keeping:Keeping", "--dialect", "torch", "-k", "WHOLE-01", "--record", "it.jsonl")
    result = suite(*given, *(() if cached else ("-p", "no:cacheprovider")))
    assert result.ret == 1
    (line,) = [line for line in read(pytester.path / "it.jsonl") if line["type"] == "result"]
    key = line["finding"]["replay"]
    assert key.startswith("WHOLE-01-")
    said = f"pytest --backend keeping:Keeping --replay {key}"
    result.stdout.fnmatch_lines([f"again:*{said if cached else f'gradlaws replay {key} --record it.jsonl'}"])
    replay = Replay.recorded(pytester.path / "it.jsonl", key)
    assert replay.standard.dialect == "torch"
    assert replay.judged(KEEPING).verdict is Verdict.FAIL
    if cached:
        assert suite("--backend", "keeping:Keeping", "--replay", key).ret == 1


def test_without_cache_and_record_the_law_is_run_again(suite: Suite, keeping: None) -> None:
    given = ("--backend", "keeping:Keeping", "--dialect", "torch", "-k", "WHOLE-01")
    result = suite(*given, "-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(["again:*pytest --backend keeping:Keeping -k WHOLE-01"])


def test_there_is_one_id_for_a_failing_program(tmp_path: Path) -> None:
    soak = Soak(KEEPING, seed=2, standard=Standard(dialect="torch"), shrink=0.3)
    file = SoakFile(tmp_path / "soak.jsonl")
    file.begin(soak)
    soak.run(20)
    assert soak.found
    for found in soak.found.values():
        assert found.id == replay_id(found.finding.law, found.finding.steps)
        replay = Replay.soaked(tmp_path / "soak.jsonl", found.id)
        assert (replay.law, replay.program) == (WHOLE, found.finding.steps)


@pytest.mark.parametrize("seed", [2**32 + 1, 2**63, -1])
def test_any_whole_number_is_a_seed(suite: Suite, pytester: pytest.Pytester, seed: int) -> None:
    record = ("--record", "it.jsonl", "-k", "WHOLE-01 or ACC-01", "--max-examples", "2", "-n", "1")
    assert suite("--backend", "reference", f"--seed={seed}", *record).ret == 0
    assert next(iter(read(pytester.path / "it.jsonl")))["seed"] == seed
