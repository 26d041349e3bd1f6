"""Messages of an engine's process that are wrong in any way: each costs a verdict at most; none breaks the run."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from loopback import looped
from thinning import every

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exceptions import EngineBroke
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.whole_programs.run_item import WHOLE, judge_any

#: Laws whose traces have all kinds of fields: values, gradients, hooks, identity, modes, memory, results that are None.
TRIED = [
    LAWS[law]
    for law in ("ACC-01", "NONE-01", "HOOK-01", "HOOK-09", "HO-02", "MODE-01", "SET-01", "ZERO-02", "VAL-11", "DET-02",
                "INP-08", "RET-01", "LEAF-01", "META-02", "FUN-01", "OPT-01", "MT-01", "CPLX-01", "REQ-06", "KINK-12")
] + [WHOLE]  # fmt: skip

#: What stands in the place of a value.
JUNK: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        7,
        10**30,
        1.5,
        -0.0,
        "",
        "all",
        "value",
        "float32",
        "complex64",
        "\ud800",
        "ff",
    ),
    *("zz" * 8, [], [[]], [0], ["value", 0], {}, {"grad": None}, {"class": "E", "text": "t"}),
    {"dtype": "bool", "shape": [], "hex": "02"},
    {"dtype": "float64", "shape": [], "hex": "000000000000f07f"},
    {"dtype": "float64", "shape": [0], "hex": ""},
    {"dtype": "int8", "shape": [2], "hex": "0001"},
    {"dtype": "float64", "shape": [10**9, 10**9], "hex": ""},
    {"dtype": "float64", "shape": [1.0], "hex": "0000000000000000"},
    {"dtype": ["float64"], "shape": [], "hex": ""},
)


def places(data: Any) -> list[tuple[Any, Any]]:
    """All places in a message: (container, key)."""
    found: list[tuple[Any, Any]] = []
    todo = [data]
    while todo:
        one = todo.pop()
        for key, value in one.items() if isinstance(one, dict) else enumerate(one):
            found.append((one, key))
            if isinstance(value, dict | list):
                todo.append(value)
    return found


def replaced(data: Any, by: random.Random) -> None:
    """Another value in one place; another place's, now and then."""
    some = places(data)
    holder, key = by.choice(some)
    other, its = by.choice(some)
    holder[key] = json.loads(json.dumps(other[its])) if by.random() < 0.3 else by.choice(JUNK)


def removed(data: Any, by: random.Random) -> None:
    """Something is not there."""
    holder, key = by.choice(places(data))
    del holder[key]


def renamed(data: Any, by: random.Random) -> None:
    """A field goes by another name."""
    holder, key = by.choice([(h, k) for h, k in places(data) if isinstance(h, dict)])
    holder[by.choice(("", "x", "99", "-1", "0", "1", "raised", "skipped", "error", "seen", "grad", "٣"))] = (
        holder.pop(key)
    )


def doubled(data: Any, by: random.Random) -> None:
    """An item of a list is there twice."""
    lists = [(h, k) for h, k in places(data) if isinstance(h, list)]
    if lists:
        holder, key = by.choice(lists)
        holder.insert(key, holder[key])


#: What a law may come to.
SANE = {Verdict.PASS, Verdict.FAIL, Verdict.ERROR, Verdict.UNKNOWN, Verdict.UNSUPPORTED, Verdict.DECLARED}
CHANGES: tuple[Callable[[Any, random.Random], None], ...] = (
    replaced,
    replaced,
    replaced,
    removed,
    renamed,
    doubled,
)


def mangled(line: bytes, by: random.Random) -> bytes:
    """The message, wrong in one way or two, as data or as text."""
    if by.random() < 0.15:
        at = by.randrange(len(line))
        how = by.randrange(4)
        return (line[:at], line[:at] + bytes([by.randrange(256)]) + line[at + 1 :],
                line[:at] + b"[" * 100_000, line.replace(b"null", b"NaN", 1))[how]  # fmt: skip
    data = json.loads(line)
    for _ in range(by.choice((1, 1, 2))):
        by.choice(CHANGES)(data, by)
    return json.dumps(data).encode()


@pytest.mark.parametrize("number", every(40, range(6000)))
def test_a_bad_message_costs_a_verdict_at_most(number: int) -> None:
    by = random.Random(number)
    at = by.randrange(3)
    seen = 0

    def tampered(line: bytes) -> bytes:
        nonlocal seen
        seen += 1
        return mangled(line, by) if seen > at else line

    law = TRIED[number % len(TRIED)]
    engine = looped(ReferenceBackend(), run=tampered)
    try:
        result = judge_any(law, engine, Effort(3, shrink=0.0), KnownFailures())
    except EngineBroke:  # as a run takes it: ERROR
        return
    assert result.verdict in SANE


@pytest.mark.parametrize("number", every(20, range(2000)))
def test_a_bad_introduction_is_refused_in_one_message(number: int) -> None:
    by = random.Random(number)
    engine, said = None, ""
    try:
        engine = looped(ReferenceBackend(), hello=lambda line: mangled(line, by))
    except (EngineBroke, ValueError) as error:  # told as `connected` tells it
        said = str(error)
    if engine is None:
        assert 0 < len(said) < 2000
        return
    law = LAWS["ACC-01"]
    assert judge_any(law, engine, Effort(1, shrink=0.0), KnownFailures()).verdict in SANE


def test_what_is_tried_is_there() -> None:
    backend: Backend = looped(ReferenceBackend())
    assert all(
        judge_any(law, backend, Effort(3), KnownFailures()).verdict is Verdict.PASS for law in TRIED[:3]
    )
