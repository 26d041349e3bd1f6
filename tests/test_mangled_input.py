"""Whatever is done to a list, a replay id or an option: it is as before, or refused in one line.

Records have their own test, in `test_broken_records`.
"""

from __future__ import annotations

import random
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_records import PASSING, Engine, lines, result, written

from gradlaws.commands.parser import main
from gradlaws.conformance.known_failures.entry import KnownFailuresError
from gradlaws.conformance.known_failures.toml_parser import load
from gradlaws.conformance.laws.whole_program_laws import LISTABLE
from gradlaws.conformance.suite.option_types import count, seconds, time_limit
from gradlaws.conformance.suite.replay import Replay, ReplayError
from gradlaws.conformance.suite.selection import Selection, SelectionError
from gradlaws.reports.record_file import read

THOUSAND = settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck), database=None)
LIST = """\
[[known]]
law = "VAL-11"
reason = "a gradient that reaches a leaf through a view is stored without a copy"
link = "https://github.com/pytorch/pytorch/issues/34082"
seen = ["shared"]
steps = ["Backward"]
ops = ["view", "transpose"]
versions = ">=2.8"
until = 2031-12-31

[[known]]
law = "HO-12"
reason = "it has a history"
link = "https://github.com/pytorch/pytorch/issues/1"
seen = ["requires_grad True"]
steps = ["create_graph"]
script = "assert False"
"""


def mutated(data: st.DataObject, text: str) -> str:
    """A text with something in it dropped, put in, exchanged, or said twice."""
    at = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(at, min(at + 12, len(text))))
    new = data.draw(
        st.sampled_from(["", text[at:end] * 2, "\n", '"', "]", "=", "-", "0", "*", "\x00", "é", "ACC-01"])
    )
    return text[:at] + new + text[end:]


@THOUSAND
@given(st.data())
def test_a_list_is_read_or_refused_in_one_message(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = tmp_path_factory.getbasetemp() / "list.toml"
    place.write_text(mutated(data, LIST), "utf-8")
    said = ""
    try:
        load(place, LISTABLE)
    except KnownFailuresError as refused:
        said = str(refused)
    assert not said or ("list.toml" in said and len(said.splitlines()) == 1), said
    place.write_text(LIST, "utf-8")
    assert load(place, LISTABLE)


@THOUSAND
@given(st.data())
def test_a_replay_id_is_known_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = tmp_path_factory.getbasetemp() / "replay.jsonl"
    if not place.exists():
        written(place, lines({"ACC-01": result("ACC-01", "FAIL", "toy", "VAL-01", ("exp",))}, Engine()))
    with pytest.raises(ReplayError) as refused:
        Replay.recorded(place, "no such id")
    key = str(refused.value).rpartition("it has ")[2]
    assert Replay.recorded(place, key).law.id == "ACC-01"
    other = mutated(data, key)
    if other != key:
        with pytest.raises(ReplayError) as refused:
            Replay.recorded(place, other)
        assert len(str(refused.value).replace(other, "").splitlines()) == 1


@THOUSAND
@given(st.data())
def test_an_option_is_taken_or_refused_in_one_line(data: st.DataObject) -> None:
    readers: dict[str, tuple[Callable[[str], object], str]] = {
        "--max-examples": (count, "100"),
        "--seconds": (seconds, "2.5"),
        "--law-timeout": (time_limit, "300"),
        "--laws": (lambda text: Selection.of("full", text, None), "ACC,RET-13"),
        "--shard": (lambda text: Selection.of("full", None, text), "1/4"),
    }
    read, value = readers[data.draw(st.sampled_from(sorted(readers)))]
    read(value)
    said, other = "", mutated(data, value)
    try:
        read(other)
    except (ArgumentTypeError, SelectionError) as refused:
        said = str(refused)
    assert len(said.replace(other, "").splitlines()) <= 1, said


def changed(kind: str, text: str, refused: Callable[[str], bool]) -> list[str]:
    """Ten changes of a text that are refused."""
    chance, found = random.Random(kind), dict[str, None]()
    while len(found) < 10:
        at = chance.randrange(len(text))
        end = min(at + chance.randrange(8), len(text))
        other = text[:at] + chance.choice(["", text[at:end] * 2, '"', "]", "=", "-", "x", "é"]) + text[end:]
        if other != text and refused(other):
            found[other] = None
    return list(found)


def refuses(read: Callable[[str], object], *errors: type[Exception]) -> Callable[[str], bool]:
    def refused(text: str) -> bool:
        try:
            read(text)
        except errors:
            return True
        return False

    return refused


@pytest.mark.parametrize("kind", ["record", "baseline", "other record", "list", "replay id", "option"])
def test_the_command_line_takes_the_unchanged_and_refuses_the_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    sound = written(tmp_path / "sound.jsonl", lines(PASSING, Engine()))
    place, text = tmp_path / "it.jsonl", sound.read_text("utf-8")
    refused: Callable[[str], bool] = lambda _: True  # noqa: E731
    run = ["run", "--workers=0", "--backend=reference", "--laws=ACC-01", "--record=new.jsonl"]
    command = {
        "record": ["report", "it.jsonl"],
        "baseline": ["report", "sound.jsonl", "--fail-on=regressed", "--baseline=it.jsonl"],
        "other record": ["diff", "sound.jsonl", "it.jsonl"],
        "list": [*run, "--max-examples=1", "--known-failures=it.toml"],
        "replay id": ["replay", "{}", "--record=failed.jsonl", "--backend=reference"],
        "option": [*run, "--max-examples={}"],
    }[kind]
    if kind == "list":
        place, text = tmp_path / "it.toml", LIST
        refused = refuses(
            lambda other: place.write_text(other, "utf-8") and load(place, LISTABLE), KnownFailuresError
        )
    elif kind == "replay id":
        failed = written(
            tmp_path / "failed.jsonl",
            lines({"VAL-01": result("VAL-01", "FAIL", "toy", "VAL-01", ("exp",))}, Engine()),
        )
        text = str(next(line["finding"]["replay"] for line in read(failed) if line["type"] == "result"))
        refused = lambda other: other.strip() == other and not other.startswith("-")  # noqa: E731
    elif kind == "option":
        text, refused = "10", refuses(count, ArgumentTypeError)
    for other in [text, *changed(kind, text, refused)]:
        place.write_text(other, "utf-8")
        try:
            code = main([word.replace("{}", other) for word in command])
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        if other is text:
            assert code == 0, said
            continue
        errors = [line for line in said.err.splitlines() if line.strip() and "--help" not in line]
        assert (code, len(errors)) == (4, 1), f"{other!r}: {said}"
        assert errors[0].lower().startswith("error: ")
        assert "Traceback" not in said.out + said.err
    assert kind in ("list", "option") or not (tmp_path / "new.jsonl").exists()
