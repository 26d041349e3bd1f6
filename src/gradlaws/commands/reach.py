"""Say how far the programs of a record, or of a soak, have reached, and what they have not.

For each op of the engine: orders of derivatives, numbers of elements, ranks, dtypes, broadcasting, memory of operands,
dimensions, special values. For steps: which kinds came together, in pairs and triples, on related tensors, and whether
anything was looked at in between. What an op is not defined for, and what the engine does not claim, is not counted.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from gradlaws.commands import CommandError
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.reach import Reach, text
from gradlaws.reports.record import load
from gradlaws.reports.view import views

EXAMPLE = """
gradlaws reach gradlaws.jsonl
gradlaws reach gradlaws-soak.jsonl --all
gradlaws reach gradlaws.jsonl --format json"""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("record", type=Path, metavar="RECORD", help="a record, or the file of a soak")
    add("--all", action="store_true", help="list all that was not reached")
    add("--format", choices=("text", "json"), default="text", help="default: text")


def execute(options: Namespace) -> int:
    """Print what was reached; exit code 2 where that was not counted."""
    found = _of_soak(options.record) if _is_soak(options.record) else _of_record(options.record)
    if options.format == "json":
        print(json.dumps({name: _data(reach) for name, reach in found.items()}, indent=1))
    else:
        for name, reach in found.items():
            print(f"{name}:")
            for line in text(reach, None if options.all else 12):
                print(f"  {line}")
    if not found:
        print(f"{options.record}: does not say what was reached; a run of this version does")
    return Exit.CONFORMS if found else Exit.UNKNOWN


def _is_soak(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b'"type": "soak"' in file.readline(200)
    except OSError as error:
        raise CommandError(f"{path}: cannot be read: {error.strerror}") from error


def _of_record(path: Path) -> dict[str, Reach]:
    found = {view.engine.name: Reach.of(view) for view in views([load(path, partial=True)])}
    return {name: reach for name, reach in found.items() if reach is not None}


def _of_soak(path: Path) -> dict[str, Reach]:
    from gradlaws.conformance.whole_programs.soak_file import SoakFileError, read

    try:
        head, *lines = read(path)
        last = next((line for line in reversed(lines) if line["type"] == "reach"), None)
        if last is None:
            return {}
        return {head["backend"]: Reach(last["reach"], last["ops"], last["capabilities"], last.get("own"))}
    except (SoakFileError, ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{path}: {error}") from error


def _data(reach: Reach) -> dict[str, Any]:
    return {
        "programs": reach.reached.programs,
        "counted": reach.reached.counted,
        "kinds": {
            share.kind: {
                "reached": share.met, "possible": share.there, "values": share.values, "left": share.left,
            }
            for share in reach.shares()
        },
    }  # fmt: skip
