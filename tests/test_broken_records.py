"""Whatever is done to a record by hand: it is refused with one message, or everything can still be rendered."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_records import Engine, lines, result

from gradlaws.reports.formats import FORMATS
from gradlaws.reports.gate import decide
from gradlaws.reports.record import RecordError
from gradlaws.reports.record_difference import as_markdown, as_text, compare
from gradlaws.reports.record_merge import merged
from gradlaws.reports.record_reader import LEVELS, parsed
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
