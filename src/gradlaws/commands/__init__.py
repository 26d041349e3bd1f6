"""The command line: a module for each subcommand, and a line for each in `COMMANDS` (`parser.py`).

A module has `EXAMPLE` (a command line that works), `options(parser)` (declares its options) and
`execute(options)` (does it, and returns the exit code). Only the module that is asked for is imported.
"""

from __future__ import annotations


class CommandError(Exception):
    """What was asked for cannot be done; the message says what to do. Ends the command with exit code 4."""
