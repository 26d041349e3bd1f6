"""Join the records of a run, or the files of a soak, that was split over several machines into one.

The parts must belong together: the same suite, engine, seed and effort, and no law judged twice. Otherwise nothing
is written.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gradlaws.commands import CommandError
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.formats import write
from gradlaws.reports.output_paths import check_file
from gradlaws.reports.record import load
from gradlaws.reports.record_merge import merged
from gradlaws.reports.wording import plural

EXAMPLE = """
gradlaws merge 1.jsonl 2.jsonl --output gradlaws.jsonl

where the parts come from two machines:
gradlaws run --shard 1/2 --record 1.jsonl
gradlaws run --shard 2/2 --record 2.jsonl
or, of a soak:
gradlaws soak --first 0 --programs 5000 --file 1.jsonl
gradlaws soak --first 5000 --programs 10000 --file 2.jsonl"""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("records", nargs="+", type=Path, metavar="RECORD", help="the parts")
    add(
        "--output",
        type=Path,
        default=Path("gradlaws.jsonl"),
        metavar="FILE",
        help="where the whole goes (default: gradlaws.jsonl)",
    )


def execute(options: Namespace) -> int:
    """Join and write."""
    if len(options.records) < 2:
        raise CommandError("merge needs two records or more")
    check_file(options.output, "--output")
    if _of_soak(options.records[0]):
        return _joined(options)
    text, whole = merged([load(path) for path in options.records])
    write(options.output, text)
    missing = len(whole.tried) - len({result.law for result in whole.results})
    rest = f"; {plural(missing, 'law')} still to come" if missing else ""
    print(f"{options.output}: {plural(len(whole.results), 'result')} of {len(options.records)} records{rest}")
    return Exit.CONFORMS if whole.finished and not missing else Exit.UNKNOWN


def _of_soak(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.readline(200).startswith(b'{"type": "soak"')
    except OSError:
        return False  # of which the reader of records tells


def _joined(options: Namespace) -> int:
    """Join the parts of a soak; findings that are alike are one."""
    from gradlaws.conformance.whole_programs.soak_file import SoakFile, SoakFileError, read
    from gradlaws.conformance.whole_programs.soak_parts import joined
    from gradlaws.conformance.whole_programs.soak_report import lines

    try:
        whole = joined((path.name, read(path)) for path in options.records)
        options.output.unlink(missing_ok=True)
        SoakFile(options.output).write(whole)
    except SoakFileError as error:
        raise CommandError(str(error)) from error
    print("\n".join(lines(whole)))
    print(f"{options.output}: {plural(len(options.records), 'part')} joined")
    if whole.ledger.found:
        return Exit.FAILS
    return Exit.UNKNOWN if whole.ledger.tally.lost else Exit.CONFORMS
