"""The record of a run: JSON lines, streamed, from which all reports derive.

Line 1 is a `header` (schema, versions, backend, capabilities, seed, effort), then one line per `result` (a law
on a backend) and per `example` (a documented example), as they come, and a `footer` with the counts. A record
without a footer is truncated. Under pytest-xdist the order of results follows completion.

The footer is a seal: it carries a digest of all that stands before it, so that a record of which a byte was changed or
lost is refused. Records of schema 1 and 2 have none; they are read, and said not to be sealed.

Schema 3, by line type and key (2 had no seal; 1 had no ops in its footer either, and no conventions, judged and
waived):

    header:  schema, gradlaws, backends [{name, version, capabilities, ops, conventions {convention: value},
             own {row that the adapter added: cells that it can reach, as bits} (left out where there are none)}],
             seed, profile, examples, level, judged (by the dialect `declared`, or as `torch`),
             laws {law: level} (all that the level has), wordings {law: which wording it has; left out by earlier
             versions}, laws_of {release, gone [law], reworded [law]} (by which laws of an earlier release; null for
             all that there are, left out by earlier versions), tried [law] (null: all of them), python, platform,
             started
    result:  law, backend, given (how it was asked for), verdict, family, level, undocumented (no documentation
             promises it; left out by earlier versions), sentence, source, programs, assertions, discarded, worst,
             seconds, missing, message, known, excused {law: programs}, entries {listed entry: programs} (left out by
             earlier versions), waived [convention], after, finding, more [finding] (what else breaks the law without
             the ops that the findings before belong to; left out by earlier versions)
    example: name, backend, verdict, message, waived
    finding: law (which may be another one), sentence, source, thing, got, expected, step, program (source),
             steps (data), script (source that stands alone), replay, recurrence {seen, tries, fresh_seen,
             fresh_tries} (how often it failed when it was run again; null, or left out by earlier versions), cause
             {key (the same for what comes from the same), title, finding (the smallest program that is wrong in any
             way)} (left out where it is not known)
    footer:  results, verdicts {verdict: count}, exit (pytest's exit code; 2 if it was interrupted), seconds,
             ops {op: {programs, dtypes {dtype: programs} (of what the op gave), orders {highest order of a derivative
             through it: programs}}} (op by op, all backends together; no orders in earlier versions),
             reach {backend: what its programs reached} (as in `gradlaws.conformance.reach.reached`, which is empty
             where nothing was counted; left out by earlier versions),
             seal (SHA-256 of all bytes before the footer, and of the footer's line without seal)
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from gradlaws.reports.output_paths import check_file

SCHEMA = 3
#: The first schema with a seal.
SEALED = 3


class RecordError(Exception):
    """A record cannot be read or written; the message says why."""


def headed(header: dict[str, Any]) -> dict[str, Any]:
    """The first line of a record."""
    return {"type": "header", "schema": SCHEMA, **header}


def footer(
    lines: Iterable[dict[str, Any]],
    exit_code: int,
    seconds: float,
    ops: dict[str, Any] | None = None,
    reach: dict[str, Any] | None = None,
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
        "reach": reach or {},
    }


class Seal:
    """Digests the lines of a record, one after the other."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def line(self, line: dict[str, Any]) -> str:
        """A line as it stands in the file; a footer comes with the seal on all that was before it."""
        text = written(line)
        self.add(text)
        return written({**line, "seal": self._digest.hexdigest()}) if line["type"] == "footer" else text

    def add(self, text: str) -> None:
        """Whatever stands in the file."""
        self._digest.update(text.encode())

    def fits(self, footer: dict[str, Any], text: str) -> bool:
        """Whether a footer, which stands in the file as `text`, is the seal on all that was added."""
        body = {key: value for key, value in footer.items() if key != "seal"}
        digest = self._digest.copy()
        digest.update(written(body).encode())
        return footer.get("seal") == digest.hexdigest() and written(footer) == text


def written(line: dict[str, Any]) -> str:
    """A line as text, its end included."""
    text = json.dumps(line, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode()  # lone surrogates as JSON's escapes


def sealed(lines: Iterable[dict[str, Any]]) -> str:
    """The text of a whole record."""
    seal = Seal()
    return "".join(seal.line(line) for line in lines)


class Recorder:
    """Writes a record line by line."""

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        check_file(path, "record")
        try:
            self._file: IO[str] = path.open("w", encoding="utf-8")
        except OSError as error:
            raise RecordError(f"record {path}: {error.strerror}") from error
        self._seal = Seal()
        self.add(header)

    def add(self, line: dict[str, Any]) -> None:
        """Any line."""
        self._file.write(self._seal.line(line))
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
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise RecordError(f"record {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecordError(f"record {path}: is no text, so it is not a record") from error
    lines = text.split("\n")
    if not text.strip():
        raise RecordError(f"record {path}: is empty, so the run was cut short before it began")
    last, seal, schema = "", Seal(), SCHEMA
    for number, line in enumerate(lines, 1):
        if not line and number == len(lines):
            break
        before = last
        try:
            data = json.loads(line)
            last = data["type"]
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines) and number > 1:  # no line end: it was being written
                last = ""
                break
            raise RecordError(f"record {path}: line {number} is not a line of a record") from error
        if number == 1:
            schema = _first(data, path)
        elif last == "header":
            raise RecordError(
                f"record {path}: line {number} is a second header; join records by `gradlaws merge`"
            )
        broken = before == "footer" and schema >= SEALED
        if last != "footer":
            seal.add(f"{line}\n")
        elif schema >= SEALED or "seal" in data:
            broken = broken or number == len(lines) or not seal.fits(data, f"{line}\n")
        if broken:
            raise RecordError(
                f"record {path}: is not what its seal was put on; it was changed, or damaged, since"
            )
        yield data
    if last != "footer" and not partial:
        raise RecordError(
            f"record {path}: has no footer, so the run was cut short; `--partial` reports what there is"
        )


def _first(data: dict[str, Any], path: Path) -> int:
    if data["type"] != "header":
        raise RecordError(f"record {path}: does not begin with a header")
    schema = data.get("schema")
    if not isinstance(schema, int) or schema < 1:
        raise RecordError(f"record {path}: schema {schema!r} is none of gradlaws")
    if schema > SCHEMA:
        raise RecordError(
            f"record {path}: schema {schema} is newer than this version reads ({SCHEMA}); update gradlaws"
        )
    return schema
