"""The decision on a release: exit codes, differences, merged records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from small_records import PASSING, Engine, lines, written

from gradlaws.commands import engines
from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.suite.selection import Selection
from gradlaws.reports.gate import decide
from gradlaws.reports.record import load, parsed
from gradlaws.reports.record_difference import Difference, as_markdown, as_text, compare
from gradlaws.reports.record_file import RecordError
from gradlaws.reports.record_merge import merged
from gradlaws.reports.view import View, views


def view(verdicts: Mapping[str, str | Result], **more: Any) -> View:
    return views([parsed(lines(verdicts, **more))])[0]


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        *[(verdict, 0) for verdict in ("PASS", "KNOWN", "UNSUPPORTED")],
        *[(verdict, 1) for verdict in ("FAIL", "ERROR", "CRASH", "TIMEOUT", "STALE")],
        ("UNKNOWN", 2),
    ],
)
def test_the_code_follows_from_the_verdicts(verdict: str, code: int) -> None:
    decision = decide([view(PASSING | {"ACC-01": verdict})])
    assert decision.code == code
    assert bool(decision.reasons) == (code != 0)


def test_a_failure_outweighs_what_is_unknown() -> None:
    assert decide([view(PASSING | {"ACC-01": "UNKNOWN", "ACC-02": "FAIL"})]).code == 1
    assert decide([view(PASSING | {"ACC-01": "UNKNOWN"})]).reasons == ("toy 1.0: UNKNOWN: ACC-01",)


def test_what_is_incomplete_is_unknown() -> None:
    assert decide([view(PASSING, exit_code=2)]).code == 2
    assert decide([view({"ACC-01": "PASS"})]).code == 2
    assert decide([view(dict.fromkeys(PASSING, "UNSUPPORTED"))]).code == 2
    assert decide([view({})]).code == 2


def test_a_part_that_was_asked_for_is_complete() -> None:
    assert decide([view({"ACC-01": "PASS"}, selection=Selection("full", frozenset({"ACC-01"})))]).code == 0


@pytest.mark.parametrize(
    ("verdict", "level", "code"),
    [
        ("PASS", "full", 0),
        ("KNOWN", "full", 0),
        ("UNSUPPORTED", "full", 1),
        ("UNSUPPORTED", "core", 0),
        ("PASS", "torch", 2),
    ],
)
def test_a_level_can_be_required(verdict: str, level: str, code: int) -> None:
    decision = decide([view(PASSING | {"ACC-12": verdict})], level)
    assert decision.code == code
    assert all("--require-level" in reason for reason in decision.reasons)


def test_only_what_has_become_worse_fails_against_a_baseline() -> None:
    old = view(PASSING | {"ACC-01": "FAIL", "ACC-02": "FAIL", "ACC-05": "KNOWN"})
    same = view(PASSING | {"ACC-01": "FAIL", "ACC-05": "FAIL"})
    worse = view(PASSING | {"DET-01": "FAIL", "DET-02": "UNSUPPORTED", "DET-03": "KNOWN"})
    assert decide([same], None, [Difference(old, same)]).code == 0
    decision = decide([worse], None, [Difference(old, worse)])
    assert decision.code == 1
    assert "2 laws regressed: DET-01 (PASS to FAIL), DET-02 (PASS to UNSUPPORTED)" in decision.reasons[0]


def test_differences_by_law() -> None:
    old = {law: v for law, v in PASSING.items() if law != "ACC-01"} | {"ACC-02": "FAIL", "ACC-05": "FAIL"}
    new = {law: v for law, v in PASSING.items() if law != "ACC-06"} | {"ACC-05": "KNOWN", "ACC-07": "CRASH"}
    difference = Difference(view(old), view(new, seed=1))
    kinds = {
        name: [c.law for c in getattr(difference, name)]
        for name in ("added", "deleted", "changed", "improved", "regressed")
    }
    assert kinds == {
        "added": ["ACC-01"],
        "deleted": ["ACC-06"],
        "changed": ["ACC-02", "ACC-05", "ACC-07"],
        "improved": ["ACC-02"],
        "regressed": ["ACC-07"],
    }
    assert "1 added, 1 deleted, 3 changed (1 improved, 1 regressed)" in difference.counts
    assert list(difference.notes) == ["seed: 0 in the old record, 1 in the new one"]
    for form in (as_text, as_markdown):
        assert "PASS → CRASH" in "\n".join(form([difference]))


def test_engines_are_paired_by_name() -> None:
    one, two = view(PASSING, backend=Engine("one")), view(PASSING, backend=Engine("two"))
    assert len(compare([one], [two])) == 1
    assert [d.old.engine.name for d in compare([two, one], [one])] == ["one"]
    with pytest.raises(RecordError, match="does not judge two; it judges one"):
        compare([one], [two, one])


# -- merging --------------------------------------------------------------------------------------------------


def shard(path: Path, number: int, count: int = 2, **more: Any) -> Path:
    part = Selection("full", shard=(number, count))
    verdicts = {law.id: "PASS" for law in (*part.laws(), *part.wholes())}
    return written(path, lines(verdicts, selection=part, **more))


def test_shards_make_a_whole(tmp_path: Path) -> None:
    parts = [load(shard(tmp_path / f"{k}.jsonl", k)) for k in (1, 2)]
    assert all(views([part])[0].reached is None for part in parts)
    text, whole = merged(parts)
    (tmp_path / "whole.jsonl").write_text(text)
    (seen,) = views([load(tmp_path / "whole.jsonl")])
    assert seen.reached is not None
    assert seen.reached.level == "full"
    assert decide([seen], "full").code == 0
    assert whole.tried == tuple(whole.laws)


def test_an_interrupted_part_leaves_the_whole_incomplete(tmp_path: Path) -> None:
    parts = [load(shard(tmp_path / f"{k}.jsonl", k, exit_code=2 * (k == 2))) for k in (1, 2)]
    assert not merged(parts)[1].finished
    _, some = merged([load(shard(tmp_path / f"{k}.jsonl", k, 3)) for k in (1, 2)])
    assert decide(views([some])).code == 0
    assert decide(views([some]), "full").code == 2


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"seed": 1}, "were drawn from different seeds: 0 and 1"),
        ({"gradlaws": "9.9"}, "different versions of gradlaws"),
        ({"examples": 3}, "different efforts: 10 and 3"),
        ({"backend": Engine("toy", "2.0")}, "different versions of toy: 1.0 and 2.0"),
        ({"judged": "torch"}, "judged in different ways"),
    ],
)
def test_records_that_do_not_belong_together_are_refused(
    tmp_path: Path, more: dict[str, Any], word: str
) -> None:
    first, other = load(shard(tmp_path / "1", 1)), load(shard(tmp_path / "2", 2, **more))
    with pytest.raises(RecordError, match=word) as raised:
        merged([first, other])
    assert str(tmp_path / "2") in str(raised.value)


def test_no_law_is_merged_twice(tmp_path: Path) -> None:
    first, again = load(shard(tmp_path / "1", 1)), load(shard(tmp_path / "again", 1))
    with pytest.raises(RecordError, match=r"both judge ACC-01 on toy"):
        merged([first, again])


def test_a_set_of_engines_is_decided_on_as_any_record_is(tmp_path: Path) -> None:
    """What is listed stops no release there either."""
    for verdict, code in (("KNOWN", 0), ("FAIL", 1)):
        record = written(tmp_path / f"{verdict}.jsonl", lines(PASSING | {"ACC-01": verdict}))
        assert engines._shown({"mine": record}, {}, interrupted=False) == code
    assert engines._shown({}, {"mine": "could not be judged"}, interrupted=False) == 2
