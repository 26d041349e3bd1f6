"""Whatever is done to a record by hand: it is refused with one message, or everything can still be rendered."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_records import Engine, lines, result, written

from gradlaws.reports.formats import FORMATS
from gradlaws.reports.gate import decide
from gradlaws.reports.record import LEVELS, load, parsed
from gradlaws.reports.record_difference import as_markdown, as_text, compare
from gradlaws.reports.record_file import RecordError
from gradlaws.reports.record_merge import merged
from gradlaws.reports.terminal import report
from gradlaws.reports.view import views

WHOLE = lines(
    {
        "ACC-01": result("ACC-01", "FAIL", "toy", "VAL-01", ("exp",)),
        "VAL-01": result("VAL-01", "ERROR", "toy"),
        "VAL-11": "KNOWN",
        "RET-13": "UNSUPPORTED",
        "DET-01": "UNKNOWN",
        "DET-02": "STALE",
        "ACC-02": "DECLARED",
    },
    Engine(accumulation="overwrites"),
)
WHOLE[-1]["ops"] = {"exp": {"programs": 3, "dtypes": {"float64": 3}}}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["FAIL", "ACC-xx", "core"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to everything in a JSON value."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        inner = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    return [(*path, key) for key, _ in inner] + [
        deep for key, item in inner for deep in places(item, (*path, key))
    ]


PLACES = [path for path in places(WHOLE) if len(path) > 1]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(PLACES), JSON, st.booleans())
def test_a_record_is_refused_or_rendered(path: tuple[Any, ...], value: Any, delete: bool) -> None:
    changed = copy.deepcopy(WHOLE)
    home: Any = changed
    for key in path[:-1]:
        home = home[key]
    if delete and isinstance(home, dict):
        del home[path[-1]]
    else:
        home[path[-1]] = value
    if not isinstance(changed[0], dict) or any("type" not in line for line in changed):
        return  # refused before, line by line
    changed = json.loads(json.dumps(changed))
    try:
        record = parsed(changed)
    except RecordError as refused:
        said = str(refused)
    else:
        said = ""
    if said:
        assert len(said.splitlines()) == 1
        return
    shown, sound = views([record]), views([parsed(WHOLE)])
    for render, _ in FORMATS.values():
        render(shown)
    for level in LEVELS:
        decide(shown, level)
    try:
        differences = compare(sound, shown)
        assert [*as_text(differences), *as_markdown(differences)]
        merged([record, record])
    except RecordError:
        pass


@pytest.fixture(scope="module")
def sealed_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("sealed") / "r.jsonl", WHOLE)


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.data())
def test_any_byte_that_is_changed_or_lost_is_noticed(sealed_record: Path, data: st.DataObject) -> None:
    raw = sealed_record.read_bytes()
    kind = data.draw(st.sampled_from(["flip", "cut", "drop", "insert", "swap lines"]))
    at = data.draw(st.integers(0, len(raw) - 1))
    changed = {
        "flip": raw[:at] + bytes([raw[at] ^ (1 << data.draw(st.integers(0, 7)))]) + raw[at + 1 :],
        "cut": raw[:at],
        "drop": raw[:at] + raw[at + 1 + data.draw(st.integers(0, 40)) :],
        "insert": raw[:at] + data.draw(st.binary(min_size=1, max_size=3)) + raw[at:],
        "swap lines": b"".join(data.draw(st.permutations(raw.splitlines(keepends=True)))),
    }[kind]
    place = sealed_record.with_name("changed.jsonl")
    place.write_bytes(changed)
    if changed == raw:
        load(place)
        return
    with pytest.raises(RecordError) as refused:
        load(place)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("schema", [1, 2])
def test_records_without_a_seal_are_read_and_said_to_be_so(tmp_path: Path, schema: int) -> None:
    old = copy.deepcopy(WHOLE)
    old[0]["schema"] = schema
    place = tmp_path / "old.jsonl"
    place.write_text("".join(json.dumps(line) + "\n" for line in old))
    record = load(place)
    assert not record.sealed
    assert "not sealed" in "\n".join(report(views([record])))
    assert "not sealed" not in "\n".join(report(views([parsed(WHOLE)])))
