"""The record of a run: JSON lines, streamed, from which all reports derive.

Line 1 is a `header` (schema, versions, backend, capabilities, seed, effort), then one line per `result` (a law
on a backend) and per `example` (a documented example), as they come, and a `footer` with the counts. A record
without a footer is truncated. Under pytest-xdist the order of results follows completion.

Schema 2 (1 had no ops in its footer, and no conventions, judged and waived), by line type and key:

    header:  schema, gradlaws, backends [{name, version, capabilities, ops, conventions {convention: value}}],
             seed, profile, examples, level, judged (by the dialect `declared`, or as `torch`),
             laws {law: level} (all that the level has), tried [law] (null: all of them), python, platform,
             started
    result:  law, backend, given (how it was asked for), verdict, family, level, sentence, source, programs,
             assertions, discarded, worst, seconds, missing, message, known, excused
             {law: programs}, entries {listed entry: programs} (left out by earlier versions), waived
             [convention], after, finding
    example: name, backend, verdict, message, waived
    finding: law (which may be another one), sentence, source, thing, got, expected, step, program (source),
             steps (data), script (source that stands alone), replay
    footer:  results, verdicts {verdict: count}, exit (pytest's exit code; 2 if it was interrupted), seconds,
             ops {op: {programs, dtypes {dtype: programs}}} (of what the op gave; op by op, all backends together)
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

SCHEMA = 2


class RecordError(Exception):
    """A record cannot be read or written; the message says why."""


def headed(header: dict[str, Any]) -> dict[str, Any]:
    """The first line of a record."""
    return {"type": "header", "schema": SCHEMA, **header}


def footer(
    lines: Iterable[dict[str, Any]], exit_code: int, seconds: float, ops: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The last line; with pytest's exit code 0 or 1 the run came to its end."""
    verdicts = dict(sorted(Counter(line["verdict"] for line in lines).items()))
    return {
        "type": "footer",
        "results": sum(verdicts.values()),
        "verdicts": verdicts,
        "exit": exit_code,
        "seconds": seconds,
        "ops": ops or {},
    }


class Recorder:
    """Writes a record line by line."""

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("w", encoding="utf-8")
        except OSError as error:
            raise RecordError(f"record {path}: {error.strerror}") from error
        self.add(header)

    def add(self, line: dict[str, Any]) -> None:
        """Any line."""
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self, footer: dict[str, Any]) -> None:
        """Complete the record."""
        self.add(footer)
        self._file.close()


def read(path: Path, partial: bool = False) -> Iterator[dict[str, Any]]:
    """The lines of a record; raises RecordError for a file that is none, is newer, or is truncated.

    partial: be content with a truncated record; a last line that was cut short is left out.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise RecordError(f"record {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecordError(f"record {path}: is no text, so it is not a record") from error
    lines = text.split("\n")
    if not text.strip():
        raise RecordError(f"record {path}: is empty, so the run was cut short before it began")
    last = ""
    for number, line in enumerate(lines, 1):
        if not line and number == len(lines):
            break
        try:
            data = json.loads(line)
            last = data["type"]
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines) and number > 1:  # no line end: it was being written
                last = ""
                break
            raise RecordError(f"record {path}: line {number} is not a line of a record") from error
        if number == 1:
            _first(data, path)
        elif last == "header":
            raise RecordError(
                f"record {path}: line {number} is a second header; join records by `gradlaws merge`"
            )
        yield data
    if last != "footer" and not partial:
        raise RecordError(
            f"record {path}: has no footer, so the run was cut short; `--partial` reports what there is"
        )


def _first(data: dict[str, Any], path: Path) -> None:
    if data["type"] != "header":
        raise RecordError(f"record {path}: does not begin with a header")
    schema = data.get("schema")
    if not isinstance(schema, int) or schema < 1:
        raise RecordError(f"record {path}: schema {schema!r} is none of gradlaws")
    if schema > SCHEMA:
        raise RecordError(
            f"record {path}: schema {schema} is newer than this version reads ({SCHEMA}); update gradlaws"
        )
