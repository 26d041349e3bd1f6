"""Judge an engine by all laws, and write the record from which reports are made.

Every law is tried on random programs, beside an executable specification of what PyTorch documents. Failures are
shown as they come, with the smallest program found. Ctrl-C ends the run and leaves a valid record.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gradlaws.commands import CommandError, cluster, gate_options, pytest_driver, run_cluster
from gradlaws.conformance.judgement.profiles import HELP, PROFILES
from gradlaws.conformance.suite.option_types import count

EXAMPLE = """
gradlaws run --backend my_adapter:MyBackend --record gradlaws.jsonl
gradlaws run --backend torch --level core --laws ACC,RET-13 --max-examples 1000"""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    pytest_driver.declare(parser)
    gate_options.declare(parser)
    add = parser.add_argument
    add("--level", choices=("core", "full", "torch"), help="the claim to check (default: full)")
    add("--profile", choices=tuple(PROFILES), help=HELP)
    add(
        "--max-examples",
        type=count,
        metavar="N",
        help="programs a law, instead of the profile's",
    )
    add(
        "--shard", metavar="I/N", help="only every N-th law from the I-th; `gradlaws merge` joins the records"
    )
    add("--dask", metavar="N|ADDRESS", help=cluster.HELP)
    add(
        "--record",
        type=Path,
        default=Path("gradlaws.jsonl"),
        metavar="FILE",
        help="where the record goes (default: gradlaws.jsonl)",
    )


def execute(options: Namespace) -> int:
    """Run the suite, show what came of it, decide."""
    before = gate_options.baseline(options)
    if options.baseline is not None and options.baseline.resolve() == options.record.resolve():
        raise CommandError(
            f"--baseline {options.baseline} is the file that this run would write; name another by --record"
        )
    if options.dask:
        done = run_cluster.run(options)
        return done if isinstance(done, int) else gate_options.conclude(done, before, options)
    shown = pytest_driver.drive(pytest_driver.arguments(options), options.record)
    return shown if isinstance(shown, int) else gate_options.conclude(shown, before, options)
