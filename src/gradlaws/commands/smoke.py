"""Look at an adapter step by step, then judge every law on a few programs.

The first thing to run when an adapter is written: it says what can be found, what is right about the adapter,
what the adapter claims, and what ten programs a law show.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gradlaws.commands import CommandError, pytest_driver
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.gate import decide

EXAMPLE = """
gradlaws smoke --backend my_adapter:MyBackend"""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    pytest_driver.declare(parser)
    parser.add_argument(
        "--record",
        type=Path,
        default=Path("gradlaws-smoke.jsonl"),
        metavar="FILE",
        help="where the record goes (default: gradlaws-smoke.jsonl)",
    )


def execute(options: Namespace) -> int:
    """Look, then judge."""
    from gradlaws.conformance.engines.discovery import default

    for name in options.backend or [default()]:
        if not _looked_at(name):
            return Exit.USAGE
    options.profile = "smoke"
    shown = pytest_driver.drive(pytest_driver.arguments(options), options.record)
    if isinstance(shown, int):
        return shown
    decision = decide(shown)
    print(decision.sentence)
    return decision.code


def _looked_at(name: str) -> bool:
    from gradlaws.conformance.engines.adapter_check import check
    from gradlaws.conformance.engines.backend import CAPABILITIES
    from gradlaws.conformance.engines.discovery import BackendError, find
    from gradlaws.conformance.engines.op_check import troubles
    from gradlaws.conformance.ops import TABLE

    try:
        backend = find(name)
    except BackendError as error:
        raise CommandError(str(error)) from error
    print(f"1. found     {backend.name} {backend.version()}")
    problems = check(backend)
    for problem in problems:
        print(f"2. to mend   {problem}")
    if problems:
        print("             no law is tried before these methods return what they should")
        return False
    ops = sorted(set(backend.ops()))
    lacking = sorted(set(CAPABILITIES) - backend.capabilities)
    print("2. checked   every method that the adapter claims returns what it should")
    wrong = troubles(backend, tracked=True)
    for trouble in wrong:
        print(f"3. to mend   {trouble}")
    if wrong:
        print(
            "             mend these ops' spelling, or say in `ops()` (or `lacks`) that the engine has them not"
        )
    print(f"3. ops       {len(set(ops) & set(TABLE.names()))} of {len(list(TABLE.names()))} in the table")
    print(f"4. claims    {len(backend.capabilities)} of {len(CAPABILITIES)} capabilities")
    for capability in lacking:
        print(f"   without   {capability}: {CAPABILITIES[capability]}")
    print("5. judging   ten programs a law")
    return True
