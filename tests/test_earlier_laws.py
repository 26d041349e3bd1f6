"""A record says by which laws it was made, and an engine can be judged by those of an earlier release."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from small_records import PASSING, lines, written

import gradlaws
from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.suite import earlier_laws
from gradlaws.conformance.suite.earlier_laws import frozen, wording
from gradlaws.conformance.suite.selection import Selection, SelectionError
from gradlaws.reports.gate import decide
from gradlaws.reports.record import load, parsed
from gradlaws.reports.record_difference import Difference
from gradlaws.reports.view import View, views

Command = Callable[..., subprocess.CompletedProcess[str]]
FEW = [LAWS[law] for law in ("ACC-01", "ACC-02", "DET-01")]


def view(verdicts: Mapping[str, str | Result]) -> View:
    return views([parsed(lines(verdicts))])[0]


def earlier(place: Path) -> Path:
    """A release that had four laws, one of which is gone and another reworded."""
    head = frozen(FEW)
    head["laws"]["OLD-01"] = "core"
    head["wordings"] |= {"OLD-01": "0", "ACC-02": "0"}
    place.write_text(json.dumps({**head, "gradlaws": "0.0.1"}) + "\n")
    return place


def test_only_laws_that_there_were_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier_laws, "RELEASED", tmp_path)
    earlier(tmp_path / "0.0.1.json")
    for place in ("0.0.1", str(tmp_path / "0.0.1.json")):
        some = Selection.of("torch", None, None, place)
        assert [law.id for law in some.laws()] == ["ACC-01", "ACC-02", "DET-01"]
        assert some.wholes() == []
        assert some.whole, "nothing of that release is left out"
        assert some.earlier is not None
        told = some.earlier.told([law.id for law in some.of_level()])
        assert told == {"release": "0.0.1", "gone": ["OLD-01"], "reworded": ["ACC-02"]}
    now = Selection.of("torch", None, None, gradlaws.__version__)
    assert len(now.laws()) == len(LAWS)
    assert len(now.wholes()) == 1
    with pytest.raises(SelectionError, match=r"go without --laws-of 0\.0\.1"):
        Selection.of("full", "RET", None, "0.0.1")
    with pytest.raises(SelectionError, match=r"is neither .* \(0\.0\.1, "):
        Selection.of("full", None, None, "0.0.2")
    (tmp_path / "other.jsonl").write_text("{}\n")
    with pytest.raises(SelectionError, match="no record that says by which laws"):
        Selection.of("full", None, None, str(tmp_path / "other.jsonl"))


def test_a_run_by_the_laws_of_a_record_says_so(command: Command, tmp_path: Path) -> None:
    earlier(tmp_path / "old.jsonl")
    given = ("--laws-of", "old.jsonl", "--max-examples", "2", "--workers", "0")
    done = command("run", "--backend", "reference", *given)
    assert done.returncode == 0, done.stdout + done.stderr
    told = "judged by the laws of gradlaws 0.0.1; gone since: OLD-01; with another wording since: ACC-02"
    assert done.stdout.count(told) >= 2, "at the start, and beside the decision"
    record = load(tmp_path / "gradlaws.jsonl")
    assert {result.law for result in record.results} == {"ACC-01", "ACC-02", "DET-01"} == set(record.laws)
    assert record.laws_of == told
    assert record.wordings["ACC-01"] == wording(LAWS["ACC-01"])
    again = command("run", "--backend", "reference", *given[:1], "gradlaws.jsonl", *given[2:])
    assert again.returncode == 0
    assert "gone since" not in again.stdout


@pytest.mark.parametrize("verdict", ["FAIL", "UNKNOWN", "CRASH", "STALE", "UNSUPPORTED", "KNOWN"])
def test_a_law_that_the_baseline_did_not_have_is_no_reason(verdict: str) -> None:
    old = view({law: v for law, v in PASSING.items() if law != "ACC-01"})
    new = view(PASSING | {"ACC-01": verdict})
    assert decide([new], None, [Difference(old, new)]).code == 0
    assert decide([new]).code == {"FAIL": 1, "CRASH": 1, "STALE": 1, "UNKNOWN": 2}.get(verdict, 0)


def test_a_new_wording_is_told_beside_differences(tmp_path: Path) -> None:
    def worded(name: str, wording: str) -> Path:
        head, *rest = lines(PASSING)
        return written(tmp_path / name, [{**head, "wordings": {"ACC-01": wording}}, *rest])

    old, new = (load(worded(name, name)) for name in ("a", "b"))
    notes = list(Difference(views([old])[0], views([new])[0]).notes)
    assert "with another wording in the new record: ACC-01" in notes
