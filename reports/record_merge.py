"""Joins the records of a split run into one; refuses records that do not belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gradlaws.conformance.reach.reached import joined
from gradlaws.reports.record import Record, parsed
from gradlaws.reports.record_file import SCHEMA, RecordError, footer, sealed

#: What must be the same in all parts, and what is the matter if it is not.
SAME = {
    "schema": "were written by different versions of gradlaws",
    "gradlaws": "were written by different versions of gradlaws",
    "seed": "were drawn from different seeds",
    "examples": "were run with different efforts",
    "profile": "were run with different profiles",
    "level": "were judged at different levels",
    "laws": "know different laws",
    "laws_of": "were made by the laws of different releases",
    "judged": "were judged in different ways",
}


def merged(records: Sequence[Record]) -> tuple[str, Record]:
    """The text of the whole, and the whole; raises RecordError where the parts contradict each other."""
    heads = [record.lines[0] for record in records]
    first = heads[0]
    for record, head in zip(records[1:], heads[1:], strict=True):
        for key, what in SAME.items():
            if first.get(key) != head.get(key):
                values = "" if key == "laws" else f": {first.get(key)} and {head.get(key)}"
                raise RecordError(f"{records[0].name} and {record.name} {what}{values}")
    engines = _engines(records, heads)
    body = [line for record in records for line in record.lines if line["type"] in ("result", "example")]
    tried = sorted({law for record in records for law in record.tried})
    whole = set(tried) == set(first.get("laws", ()))
    head = {
        **first,
        "schema": SCHEMA,
        "backends": engines,
        "tried": None if whole else tried,
        "python": ", ".join(dict.fromkeys(record.python for record in records)),
        "platform": ", ".join(dict.fromkeys(record.platform for record in records)),
        "started": min(record.started for record in records),
    }
    codes = [line["exit"] for record in records for line in record.lines if line["type"] == "footer"]
    end = footer(
        body,
        max(codes, default=2),
        round(sum(record.seconds for record in records), 3),
        summed(r.ops for r in records),
        reached({e["name"]: [r.reach.get(e["name"], {}) for r in records] for e in engines}),
    )
    lines = [head, *body, end]
    return sealed(lines), parsed(lines, "the merged record")


def _engines(records: Sequence[Record], heads: Sequence[dict[str, Any]]) -> list[Any]:
    found: dict[str, tuple[Record, Any]] = {}
    judged: dict[tuple[str, str], Record] = {}
    for record, head in zip(records, heads, strict=True):
        for engine in head["backends"]:
            before, same = found.setdefault(engine["name"], (record, engine))
            if same["version"] != engine["version"]:
                raise RecordError(
                    f"{before.name} and {record.name} judge different versions of {engine['name']}: "
                    f"{same['version']} and {engine['version']}"
                )
            if same != engine:
                raise RecordError(
                    f"{before.name} and {record.name} judge {engine['name']} through different adapters: "
                    f"capabilities, ops or conventions differ"
                )
        for name, backend in [
            *((result.law, result.backend) for result in record.results),
            *((example.name, example.backend) for example in record.documented),
        ]:
            other = judged.setdefault((name, backend), record)
            if other is not record:
                raise RecordError(f"{other.name} and {record.name} both judge {name} on {backend}")
    return [engine for _, engine in found.values()]


def reached(parts: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[str, Any]:
    """What all parts of a run have reached, by engine; engines of which nothing is known are left out."""
    whole = {name: joined(some) for name, some in parts.items()}
    return {name: one for name, one in whole.items() if one}


def summed(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of several counts by op: {op: {"programs": n, "dtypes": {dtype: n}, "orders": {order: n}}}."""
    whole: dict[str, Any] = {}
    for part in parts:
        for op, said in part.items():
            one = whole.setdefault(op, {"programs": 0, "dtypes": {}, "orders": {}})
            one["programs"] += said.get("programs", 0)
            for kind in ("dtypes", "orders"):
                for key, count in said.get(kind, {}).items():
                    one[kind][key] = one[kind].get(key, 0) + count
    return dict(sorted(whole.items()))
