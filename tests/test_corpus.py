"""The corpus of programs that have shown a defect once: sound, and asked of engines that can take them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gradlaws
from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.suite import corpus
from gradlaws.conformance.suite.corpus import Corpus, shipped, sound

LISTED = sorted({entry.law for entry in shipped().entries})


def test_it_is_data_of_this_version() -> None:
    assert len(shipped().entries) > 250
    assert len(LISTED) > 100
    assert len({entry.engine for entry in shipped().entries}) >= 6
    assert {entry.engine for entry in shipped().entries} <= shipped().engines.keys()
    assert corpus.PLACE.stat().st_size < 300_000


def test_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus").write_text('{"type": "corpus", "version": 0, "engines": {}}\n')
    with pytest.raises(ValueError, match="no corpus of version"):
        Corpus.read(tmp_path / "corpus")


def test_the_reference_keeps_every_law_on_it() -> None:
    wrong = [(entry.law, entry.engine) for entry in shipped().entries[::10] if not sound(entry)]
    assert wrong == []


def test_programs_are_asked_of_engines_that_can_take_them() -> None:
    class Lacking(ReferenceBackend):
        """It has less than any engine that a program is from."""

        name = "lacking"
        capabilities = frozenset({"stored"})

    class Same(Lacking):
        """A release of one of them, with its conventions; an earlier one can less."""

        name = "mygrad"
        capabilities = shipped().engines["mygrad"]
        dialect = Dialect(accumulation="overwrites")

    class Earlier(Same):
        capabilities = shipped().engines["mygrad"] - {"inplace", "views"}

    everything = [shipped().programs(ReferenceBackend(), law) for law in LISTED]
    assert sum(map(len, everything)) == len(shipped().entries)
    assert not any(shipped().programs(Lacking(), law) for law in LISTED)
    assert any(shipped().programs(Same(), law) for law in LISTED)
    assert not any(shipped().programs(Earlier(), law) for law in LISTED)


def test_it_is_judged_from_python_too() -> None:
    engine, few = ReferenceBackend(), 2
    (result,) = gradlaws.verify(engine, laws="VAL-06", examples=few).results
    there = len(shipped().programs(engine, "VAL-06"))
    assert there
    assert result.programs == few + there


def test_it_grows_by_the_findings_of_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head, *lines = corpus.PLACE.read_text("utf-8").splitlines()
    place, record = tmp_path / "corpus.jsonl", tmp_path / "record.jsonl"
    place.write_text("\n".join([head, *lines[1:]]) + "\n")
    monkeypatch.setattr(corpus, "PLACE", place)
    monkeypatch.setattr(corpus, "shipped", lambda: Corpus.read(place))
    entry = json.loads(lines[0])
    engine = {"name": entry["engine"], "version": entry["release"], "capabilities": []}
    finding = {"steps": entry["steps"]}
    result = {"type": "result", "law": entry["law"], "backend": entry["engine"], "finding": finding}
    told = [{"backends": [engine]}, result, {"type": "footer"}]
    record.write_text("\n".join(map(json.dumps, told)) + "\n")
    assert sorted(corpus._grown([record, record]))[1:] == sorted([head, *lines])[1:]
