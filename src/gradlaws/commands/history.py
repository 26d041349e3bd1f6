"""What changed from release to release: law by law and defect by defect, of all records in a folder.

Each record is a run on one release of an engine, as `gradlaws run` and `gradlaws engines` write them. With --site the
history becomes pages for a browser, with addresses that stay.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gradlaws.commands import CommandError
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.history import as_text, histories
from gradlaws.reports.history_site import write
from gradlaws.reports.output_paths import check_folder
from gradlaws.reports.record import load
from gradlaws.reports.wording import plural

EXAMPLE = """
gradlaws history records --site public
gradlaws engines torch-2.4 torch-2.8 torch torch-2.14 && gradlaws history engines"""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="where the records are, in folders below it too (*.jsonl)")
    add("--site", type=Path, metavar="OUT", help="write the history as a static site into this folder")


def execute(options: Namespace) -> int:
    """Read all records; print what changed, and write the site."""
    if not options.folder.is_dir():
        raise CommandError(f"{options.folder}: is no folder; give the one that holds the records")
    places = sorted(options.folder.rglob("*.jsonl"))
    if not places:
        raise CommandError(
            f"{options.folder}: holds no record (*.jsonl); `gradlaws run --record FILE` writes one"
        )
    if options.site is not None:
        check_folder(options.site, "--site")
    found = histories(load(place, partial=True) for place in places)
    print("\n".join(as_text(found)))
    if options.site is not None:
        try:
            count = write(found, options.site)
        except OSError as error:
            raise CommandError(f"--site {options.site}: cannot be written: {error.strerror}") from error
        print(f"{plural(count, 'page')} in {options.site}, from {plural(len(places), 'record')}")
    return Exit.CONFORMS
