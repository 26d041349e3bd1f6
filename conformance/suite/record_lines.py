"""The lines of a record, made from what was judged; their schema is in `gradlaws.reports.record_file`."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import gradlaws
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exceptions import EngineBroke
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.finding import Finding
from gradlaws.conformance.judgement.finding_builder import BROKE
from gradlaws.conformance.judgement.replay_id import replay_id
from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.language.serialization import dumped
from gradlaws.conformance.laws import Law
from gradlaws.conformance.laws.whole_program_laws import promise
from gradlaws.conformance.reach.possible import own
from gradlaws.conformance.suite.earlier_laws import frozen
from gradlaws.conformance.suite.selection import Selection
from gradlaws.conformance.whole_programs.run_item import law_of
from gradlaws.reports.record_file import footer, sealed
from gradlaws.reports.record_merge import reached, summed

#: What is broken, and where that is said, where an op computes something else: no law in particular.
COMPUTED = (
    "What an op computes, writes and shares is what is documented of it, within its error bound.",
    "https://docs.pytorch.org/docs/2.13/torch.html",
)


def header(backends: Sequence[Backend], selection: Selection, effort: Effort, profile: str) -> dict[str, Any]:
    """What is known before anything is judged."""
    by = frozen((*selection.of_level(), *selection.wholes_of_level()))
    return {
        "gradlaws": gradlaws.__version__,
        "backends": [
            {
                "name": b.name,
                "version": b.version(),
                "capabilities": sorted(b.capabilities),
                "ops": sorted(b.repertoire),
                "conventions": b.dialect.departures,
                **({"own": own(b.own, b.capabilities)} if b.own else {}),
            }
            for b in backends
        ],
        "seed": effort.seed,
        "profile": profile,
        "examples": effort.examples,
        "level": selection.level,
        "judged": effort.dialect,
        **{key: value for key, value in by.items() if key != "gradlaws"},
        "laws_of": None if selection.earlier is None else selection.earlier.told(by["laws"]),
        "tried": None if selection.whole else [law.id for law in (*selection.laws(), *selection.wholes())],
        "python": platform.python_version(),
        "platform": sys.platform,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


class RecordLines:
    """The lines of a run so far; what is told in sum, in the footer, is kept apart."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self._covered: list[dict[str, Any]] = []
        self._reached: dict[str, list[dict[str, Any]]] = {}

    def add(self, line: dict[str, Any]) -> None:
        """Take a line, which from here on is as it is recorded."""
        self._covered.append(line.pop("covered", {}))
        self._reached.setdefault(line["backend"], []).append(line.pop("reached", {}))
        self.lines.append(line)

    def footer(self, exit_code: int, start: float) -> dict[str, Any]:
        """The last line; `start`: when the run began, by `time.perf_counter`."""
        seconds = round(time.perf_counter() - start, 3)
        return footer(self.lines, exit_code, seconds, summed(self._covered), reached(self._reached))


def result_line(result: Result, backend: Backend) -> dict[str, Any]:
    """The verdict on a law."""
    return line_of(result, backend.given or backend.name)


def line_of(result: Result, given: str) -> dict[str, Any]:
    """The verdict on a law, of an engine that was asked for as `given`."""
    law = law_of(result.law)
    assert law is not None, f"there is no law {result.law}"
    # `asdict` would copy thousands of counts.
    data = {one.name: getattr(result, one.name) for one in fields(result)}
    data["finding"] = None if result.finding is None else _finding(result.finding, law)
    data["more"] = [_finding(finding, law) for finding in result.more]
    return {
        "type": "result",
        **data,
        "given": given,
        "verdict": str(result.verdict),
        "family": law.family,
        "level": law.level,
        "undocumented": law.undocumented,
        "sentence": law.sentence,
        "source": law.source,
        "after": list(law.after),
        "missing": list(result.missing),
        "waived": list(result.waived),
    }


def _finding(finding: Finding, law: Law) -> dict[str, Any]:
    """A finding, with what it comes from, where that is known."""
    program, cause = finding.steps, finding.cause
    data = asdict(replace(finding, steps=None, wrong=None, cause=None))
    del data["wrong"]
    if finding.law == EngineBroke.law:  # which breaks no law in particular
        data["law"] = law.id
        if finding.thing not in BROKE:
            data["sentence"], data["source"] = COMPUTED
    sentence, link = promise(finding.law)
    if sentence:
        data["sentence"], data["source"] = sentence, link
    data["steps"] = None if program is None else dumped(program)
    data["replay"] = None if program is None else replay_id(law.id, program)
    if cause is not None:
        data["cause"] = {"key": cause.key, "title": cause.title, "finding": _finding(cause.finding, law)}
    return data


def part_without(head: dict[str, Any], laws: Sequence[str], given: dict[str, str], lost: str) -> str:
    """The record of a part of a run of which nothing is known.

    head:  the header of another part of this run.
    given: how each engine was asked for, by name.
    lost:  why every law of it is UNKNOWN; empty for a part that was not begun when the run was interrupted.
    """
    engines = [str(engine["name"]) for engine in head["backends"]] if lost else []
    results = [Result(law, name, Verdict.UNKNOWN, message=lost) for name in engines for law in laws]
    lines = [line_of(result, given.get(result.backend, result.backend)) for result in results]
    for line in lines:
        del line["covered"], line["reached"]
    return sealed([{**head, "tried": list(laws)}, *lines, footer(lines, 1 if lost else 2, 0.0)])


def example_line(result: Result) -> dict[str, Any]:
    """The verdict on a documented example."""
    message = f"needs {', '.join(result.missing)}" if result.missing else result.message
    return {
        "type": "example",
        "name": result.law,
        "backend": result.backend,
        "verdict": str(result.verdict),
        "message": result.known if result.verdict is Verdict.KNOWN else message,
        "waived": list(result.waived),
    }
