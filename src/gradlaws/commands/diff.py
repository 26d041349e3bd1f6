"""Compare two records law by law: what was added, deleted, changed, and what has become better or worse.

Exit code 0 if nothing has become worse, 1 if something has, 2 if the new record is incomplete.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.record import load
from gradlaws.reports.record_difference import as_markdown, as_text, compare
from gradlaws.reports.view import views

EXAMPLE = """
gradlaws diff last-release.jsonl gradlaws.jsonl
gradlaws diff tinygrad-0.13.0.jsonl tinygrad-0.14.0.jsonl --format markdown"""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("old", type=Path, metavar="OLD", help="the record to compare with")
    add("new", type=Path, metavar="NEW", help="the record of what is to be judged")
    add("--format", choices=("text", "markdown"), default="text", help="default: text")


def execute(options: Namespace) -> int:
    """Print the differences."""
    old, new = (views([load(path)]) for path in (options.old, options.new))
    differences = compare(old, new)
    print("\n".join((as_text if options.format == "text" else as_markdown)(differences)))
    if any(change.new is not Verdict.KNOWN for d in differences for change in d.regressed):
        return Exit.FAILS
    return Exit.CONFORMS if all(view.record.finished for view in new) else Exit.UNKNOWN
