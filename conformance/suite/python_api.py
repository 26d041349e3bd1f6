"""Judging an engine from Python, without pytest: the report as data."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from gradlaws.conformance.documented.examples import EXAMPLES
from gradlaws.conformance.engines.adapter_check import complaint
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.discovery import BackendError, find
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.profiles import CI
from gradlaws.conformance.judgement.verdict import ACCEPTABLE
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.known_failures.toml_parser import about, load
from gradlaws.conformance.laws.whole_program_laws import LISTABLE
from gradlaws.conformance.suite.example_verdict import judge_example
from gradlaws.conformance.suite.record_lines import RecordLines, example_line, header, result_line
from gradlaws.conformance.suite.selection import Selection
from gradlaws.conformance.suite.tried_first import tried_first
from gradlaws.conformance.whole_programs.run_item import judge_any
from gradlaws.reports.record import parsed
from gradlaws.reports.record_file import headed
from gradlaws.reports.view import View, views


def verify(
    backend: str | Backend,
    *,
    level: str = "full",
    dialect: Literal["declared", "torch"] = "declared",
    laws: str | None = None,
    examples: int = CI.examples,
    seed: int = 0,
    known_failures: str | Path | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> View:
    """Judge an engine in this process, and return the report as data.

    backend:  a name, `module:attribute`, or an adapter.
    level:    `core`, `full` or `torch`.
    dialect:  judge by the conventions that the adapter has `declared`, or by PyTorch's (`torch`).
    laws:     ids and families, comma-separated; all of the level by default.
    examples: programs a law.
    seed:     chooses the programs; equal seeds give equal reports.
    known_failures: a list (TOML), instead of the one shipped for an engine of this name.
    progress: called with each line of the record as it comes.

    The result has `reached`, `claims`, `causes`, `families`, `results` and `record`; `gradlaws.reports.formats`
    renders a list of them, and `gradlaws.reports.gate.decide` decides on it. A crash of the engine ends this process:
    `gradlaws run` contains it. Raises BackendError for an adapter that cannot be had or is not right,
    SelectionError for laws that do not exist, KnownFailuresError for a list that cannot be used.
    """
    engine, known = prepared(backend, known_failures)
    selection = Selection.of(level, laws, None)
    effort = Effort(examples, seed, strict=level == "torch", dialect=dialect)
    start = time.perf_counter()
    head = headed(header([engine], selection, effort, "custom"))
    told = RecordLines()

    def took(line: dict[str, Any]) -> None:
        told.add(line)
        if progress is not None:
            progress(line)

    for example in EXAMPLES.values() if selection.whole else ():
        took(example_line(judge_example(example, engine, known, effort)))
    for law in (*selection.laws(), *selection.wholes()):
        first = tried_first(engine, law.id, known)
        took(result_line(judge_any(law, engine, effort, known, first=first), engine))
    failed = any(line["verdict"] not in ACCEPTABLE for line in told.lines)
    return views([parsed([head, *told.lines, told.footer(int(failed), start)])])[0]


def prepared(backend: str | Backend, known_failures: str | Path | None) -> tuple[Backend, KnownFailures]:
    """The adapter, checked, and what it is known to break; raises BackendError and KnownFailuresError."""
    engine = backend if isinstance(backend, Backend) else find(backend)
    if wrong := complaint(engine):
        raise BackendError(wrong)
    return engine, about(engine, load(Path(known_failures), LISTABLE) if known_failures else None)
