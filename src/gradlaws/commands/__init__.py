"""The command line: a module for each subcommand, and a line for each in `COMMANDS`.

A module has `EXAMPLE` (a command line that works), `options(parser)` (declares its options) and
`execute(options)` (does it, and returns the exit code). Only the module that is asked for is imported.
"""

from __future__ import annotations

from enum import IntEnum

#: Subcommands, in the order in which people need them, with what each does. Dashes become underscores in modules.
COMMANDS = {
    "smoke": "look at an adapter step by step, then judge every law on a few programs",
    "run": "judge an engine by all laws, and write the record",
    "replay": "run just the program that an earlier failure was reported with",
    "report": "render a record, or several side by side, and decide on a release",
    "diff": "compare two records law by law",
    "merge": "join the records of a run that was split over several machines",
    "known-failures": "write a list of known failures from a record, or check one",
    "soak": "run random whole programs until the time is up, and tell each finding once",
    "engines": "judge a set of engines, each in its own virtual environment, and show a table of all",
    "laws": "list the laws, or show one with its source",
}


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
