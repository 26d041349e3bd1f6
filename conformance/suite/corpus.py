"""The corpus: small programs that have shown a defect in some engine once; judged first in every run.

`corpus.jsonl` beside this module is data, with a version: line 1 is a header (type `corpus`, version, and under
`engines` the capabilities of each engine that a program is from), then a line a program: law, engine, release, steps.
It grows by

    python -m gradlaws.conformance.suite.corpus RECORD ...
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.language.nested_steps import used_ops
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.serialization import loaded
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.whole_programs.likeness import skeleton
from gradlaws.conformance.whole_programs.run_item import judge_any, law_of

PLACE = Path(__file__).with_name("corpus.jsonl")
VERSION = 1
#: Characters of a line; longer programs are no small ones.
LONGEST = 2500


class Entry(NamedTuple):
    """A program, the law that it broke, and the engine that broke it."""

    law: str
    engine: str
    release: str
    program: Program

    @property
    def key(self) -> tuple[Any, ...]:
        """What two entries have in common if they are one."""
        return self.law, self.engine, used_ops(self.program), skeleton(self.program)


class Corpus:
    """Programs by law.

    engines: by engine, the capabilities that its programs are drawn with.
    """

    def __init__(self, engines: dict[str, frozenset[str]], entries: Iterable[Entry]) -> None:
        self.engines = engines
        self.entries = list(entries)

    @classmethod
    def read(cls, path: Path) -> Corpus:
        """The corpus in a file; raises ValueError where it is none."""
        head, *lines = (json.loads(line) for line in path.read_text("utf-8").splitlines())
        if head.get("type") != "corpus" or head.get("version") != VERSION:
            raise ValueError(f"{path}: is no corpus of version {VERSION}")
        engines = {name: frozenset(has) for name, has in head["engines"].items()}
        return cls(engines, (Entry(e["law"], e["engine"], e["release"], loaded(e["steps"])) for e in lines))

    def programs(self, backend: Backend, law: str) -> list[Program]:
        """What broke a law once and an engine can be asked for: it has all that the other one had."""
        has = backend.repertoire
        return [
            entry.program
            for entry in self.entries
            if entry.law == law and used_ops(entry.program) <= has and self._fits(entry, backend)
        ]

    def _fits(self, entry: Entry, backend: Backend) -> bool:
        same = entry.engine == backend.name  # if it can less in this release, it is asked for less
        alike = not backend.dialect.departures and type(backend).accepts is Backend.accepts
        return (same or alike) and self.engines[entry.engine] <= backend.capabilities


def sound(entry: Entry) -> bool:
    """Whether the reference engine keeps the law on a program: else the program is none of the law's any more."""
    law = law_of(entry.law)
    if law is None:
        return False
    result = judge_any(law, ReferenceBackend(), Effort(1, shrink=0.0), first=[entry.program])
    return result.verdict is Verdict.PASS


@cache
def shipped() -> Corpus:
    """The corpus that comes with the suite."""
    return Corpus.read(PLACE)


def _grown(paths: Iterable[Path]) -> Iterable[str]:
    """The lines of the corpus with the findings of records in it."""
    lines = PLACE.read_text("utf-8").splitlines() if PLACE.exists() else []
    fresh: dict[str, Any] = {"type": "corpus", "version": VERSION, "engines": {}}
    head = json.loads(lines[0]) if lines else fresh
    entries = lines[1:]
    there = {entry.key for entry in shipped().entries} if lines else set()
    for path in paths:
        first, *rest = map(json.loads, path.read_text("utf-8").splitlines())
        for engine in first["backends"]:
            head["engines"].setdefault(engine["name"], engine["capabilities"])
        releases = {engine["name"]: engine["version"] for engine in first["backends"]}
        for line in rest:
            law, engine = line.get("law"), line["backend"] if line["type"] == "result" else None
            if engine is None or (law in LAWS and LAWS[law].leaning is None):
                continue
            for finding in filter(None, (line["finding"], *line.get("more", ()))):
                if not finding["steps"]:
                    continue
                entry = Entry(law, engine, releases[engine], loaded(finding["steps"]))
                told = {"law": law, "engine": engine, "release": entry.release, "steps": finding["steps"]}
                text = json.dumps(told)
                if entry.key not in there and len(text) <= LONGEST and sound(entry):
                    there.add(entry.key)
                    entries.append(text)
    return [json.dumps(head), *sorted(entries)]


if __name__ == "__main__":
    text = "\n".join(_grown(map(Path, sys.argv[1:]))) + "\n"
    PLACE.write_text(text, "utf-8")
