"""The record of a run: JSON lines, streamed, from which all reports derive.

Line 1 is a `header` (schema, versions, backend, capabilities, seed, effort), then one line per `result` (a law
on a backend) and per `example` (a documented example), as they come, and a `footer` with the counts. A record
without a footer is truncated. Under pytest-xdist the order of results follows completion.

Schema 1, by line type and key:

    header:  schema, gradlaws, backends [{name, version, capabilities, ops}], seed, profile, examples, level,
             laws {law: level} (all that the level has, tried or not), python, platform, started
    result:  law, backend, given (how it was asked for), verdict, family, level, sentence, source, programs,
             assertions, discarded, worst, seconds, missing, message, known, excused, after, finding
    example: name, backend, verdict, message
    finding: law (which may be another one), sentence, source, thing, got, expected, step, program (source),
             steps (data), replay
    footer:  results, verdicts {verdict: count}, exit (pytest's exit code; 2 if it was interrupted), seconds
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

SCHEMA = 1


class RecordError(Exception):
    """A record cannot be read or written; the message says why."""


class Recorder:
    """Writes a record line by line."""

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("w", encoding="utf-8")
        except OSError as error:
            raise RecordError(f"record {path}: {error.strerror}") from error
        self._verdicts: Counter[str] = Counter()
        self._write({"type": "header", "schema": SCHEMA, **header})

    def add(self, line: dict[str, Any]) -> None:
        """One `result` or `example`."""
        self._verdicts[line["verdict"]] += 1
        self._write(line)

    def close(self, seconds: float, exit_code: int) -> None:
        """Write the footer; with pytest's exit code 0 or 1 the record is complete."""
        verdicts = dict(sorted(self._verdicts.items()))
        footer = {
            "results": sum(verdicts.values()),
            "verdicts": verdicts,
            "exit": exit_code,
            "seconds": seconds,
        }
        self._write({"type": "footer", **footer})
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a record; raises RecordError for a file that is none, is newer, or is truncated."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise RecordError(f"record {path}: {error.strerror}") from error
    last = ""
    for number, line in enumerate(text.splitlines(), 1):
        try:
            data = json.loads(line)
            last = data["type"]
        except (ValueError, KeyError, TypeError) as error:
            raise RecordError(f"record {path}: line {number} is not a line of a record") from error
        if number == 1 and last != "header":
            raise RecordError(f"record {path}: does not begin with a header")
        if number == 1 and data.get("schema", 0) > SCHEMA:
            raise RecordError(
                f"record {path}: schema {data['schema']} is newer than this version reads ({SCHEMA})"
            )
        yield data
    if last != "footer":
        raise RecordError(f"record {path}: has no footer, so the run was cut short")
