"""Exit codes: what a run, the gate and every subcommand say to the shell."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The same of all subcommands; `gradlaws.reports.gate` decides on that of a release."""

    CONFORMS = 0
    FAILS = 1
    #: Nothing is known, or not all: an interrupted or truncated run, no assertion.
    UNKNOWN = 2
    #: The suite itself broke.
    INTERNAL = 3
    USAGE = 4
