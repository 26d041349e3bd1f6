"""Serve an adapter to a runner in another process: programs come in as lines of JSON, traces go out.

It is not started by hand, but by the runner: `--backend "exec:python -m gradlaws serve my_adapter:MyBackend"`. So
the adapter may live in another environment. docs/protocol.md says what is spoken.
"""

from __future__ import annotations

import os
import shutil
from argparse import ArgumentParser, Namespace
from pathlib import Path

from gradlaws.commands import CommandError

EXAMPLE = """
gradlaws serve my_adapter:MyBackend
gradlaws run --backend "exec:../other-env/bin/python -m gradlaws serve my_adapter:MyBackend"
gradlaws run --backend "exec:gradlaws serve --python python3.8 my_adapter:MyBackend\""""
#: What any Python runs by its path, with nothing of this environment.
HARNESS = Path(__file__).resolve().parent.parent / "harness.py"


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--python",
        metavar="PROGRAM",
        help="serve from this Python (3.8 or later, with NumPy), in which nothing of gradlaws need be installed",
    )
    parser.add_argument("adapter", metavar="NAME|MODULE:ATTRIBUTE", help="the adapter to serve")


def execute(options: Namespace) -> int:
    """Serve until standard input ends."""
    if options.python is not None:
        python = shutil.which(options.python)
        if python is None:
            raise CommandError(f"--python {options.python}: there is no such program")
        os.execv(python, [python, str(HARNESS), options.adapter])
    from gradlaws.conformance.remote.server import served

    return served(options.adapter)
