"""Serve an adapter to a runner in another process: programs come in as lines of JSON, traces go out.

It is not started by hand, but by the runner: `--backend "exec:python -m gradlaws serve my_adapter:MyBackend"`. So
the adapter may live in another environment. docs/protocol.md says what is spoken.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from gradlaws.commands import CommandError
from gradlaws.reports.exit_codes import Exit

EXAMPLE = """
gradlaws serve my_adapter:MyBackend
gradlaws run --backend "exec:../other-env/bin/python -m gradlaws serve my_adapter:MyBackend\""""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("adapter", metavar="NAME|MODULE:ATTRIBUTE", help="the adapter to serve")


def execute(options: Namespace) -> int:
    """Serve until standard input ends."""
    from gradlaws.conformance.engines.discovery import BackendError, find
    from gradlaws.conformance.remote.server import own_streams, serve

    questions, answers = own_streams()
    try:
        backend = find(options.adapter)
    except BackendError as error:
        raise CommandError(str(error)) from error
    serve(backend, questions, answers)
    return Exit.CONFORMS
