"""The command line: a module for each subcommand, and a line for each in `COMMANDS` (`parser.py`).

A module has `EXAMPLE` (a command line that works), `options(parser)` (declares its options) and
`execute(options)` (does it, and returns the exit code). Only the module that is asked for is imported.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of all subcommands."""

    CONFORMS = 0
    FAILS = 1
    #: Nothing is known, or not all: an interrupted or truncated run, no assertion.
    UNKNOWN = 2
    #: The suite itself broke.
    INTERNAL = 3
    USAGE = 4


class CommandError(Exception):
    """What was asked for cannot be done; the message says what to do. Ends the command with exit code 4."""
