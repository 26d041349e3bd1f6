"""Run just the program that an earlier failure was reported with.

The program is taken from the record of the run, which may come from another machine: download the record that
CI kept, and replay what failed there.
"""

from __future__ import annotations

import faulthandler
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from gradlaws.commands import CommandError
from gradlaws.reports.exit_codes import Exit

EXAMPLE = """
gradlaws replay ACC-01-e2fdc759
gradlaws replay ACC-01-e2fdc759 --record from-ci.jsonl --backend my_adapter:MyBackend"""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("id", metavar="ID", help="as printed with the failure, after `again:`")
    add(
        "--record",
        type=Path,
        default=Path("gradlaws.jsonl"),
        metavar="FILE",
        help="the record of the run (default: gradlaws.jsonl)",
    )
    add("--backend", metavar="NAME|module:attribute", help="another engine than the one that failed")


def execute(options: Namespace) -> int:
    """Run the program; 1 if it still breaks the law, 2 if it does not now, and did not always."""
    from gradlaws.conformance.engines.discovery import BackendError, find
    from gradlaws.conformance.judgement.verdict import Verdict
    from gradlaws.conformance.suite.record_lines import result_line
    from gradlaws.conformance.suite.replay import Replay, ReplayError
    from gradlaws.reports.record import result_of
    from gradlaws.reports.record_file import RecordError
    from gradlaws.reports.terminal import failure

    try:
        replay = Replay.recorded(options.record, options.id)
        backend = find(options.backend or replay.given)
    except (RecordError, ReplayError, BackendError) as error:
        raise CommandError(str(error)) from error
    faulthandler.enable(sys.__stderr__ or 2)
    line = result_line(replay.judged(backend), backend)
    if line["verdict"] == Verdict.PASS:
        law = replay.law
        tries = f"in each of {line['programs']} tries"
        print(
            f"PASS {law.id} on {backend.name}: {law.sentence}\nThe program of {options.id} keeps the law {tries}."
        )
        return Exit.CONFORMS
    print(failure(result_of(line)))
    return Exit.UNKNOWN if line["verdict"] == Verdict.UNKNOWN else Exit.FAILS
