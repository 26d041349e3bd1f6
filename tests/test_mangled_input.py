"""Whatever is done to a list, a replay id or an option: it is as before, or refused in one line.

Records have their own test, in `test_broken_records`.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_records import Engine, lines, result, written

from gradlaws.conformance.known_failures.entry import KnownFailuresError
from gradlaws.conformance.known_failures.toml_parser import load
from gradlaws.conformance.laws.whole_program_laws import LISTABLE
from gradlaws.conformance.suite.option_types import count, seconds, time_limit
from gradlaws.conformance.suite.replay import Replay, ReplayError
from gradlaws.conformance.suite.selection import Selection, SelectionError

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
