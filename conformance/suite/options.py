"""The options that the suite adds to pytest's: names, values, defaults, and what help says of them.

What they mean together is settled in `settings`; imports nothing heavy, since every pytest run in an environment
that has the suite installed asks for them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlaws.conformance.judgement.profiles import HELP, PROFILES
from gradlaws.conformance.suite.option_types import count, time_limit

LAWS_OF = "only laws that this release of the suite had, or that this record was made by, as far as they exist still"


def add_options(parser: pytest.Parser) -> None:
    """The options of the suite."""
    group = parser.getgroup("gradlaws", "gradlaws: conformance of gradient access (.grad)")
    group.addoption(
        "--backend",
        action="append",
        metavar="NAME|module:attribute|exec:COMMAND",
        help="engine to verify; repeatable. Default: torch where it is installed, else reference",
    )
    group.addoption(
        "--level",
        choices=("core", "full", "torch"),
        help="the claim to check: core (the headline invariants), full (all portable laws, the default), "
        "torch (the same, insisting on every refusal that PyTorch documents)",
    )
    group.addoption(
        "--laws", metavar="ID,...", help="only these laws, by id (ACC-01) or family (ACC); comma-separated"
    )
    group.addoption("--laws-of", metavar="VERSION|RECORD", help=LAWS_OF)
    group.addoption(
        "--shard",
        metavar="I/N",
        help="only every N-th law, from the I-th; `gradlaws merge` joins the records",
    )
    group.addoption(
        "--dialect",
        choices=("declared", "torch"),
        help="judge by the conventions that the adapter declares (the default), or by PyTorch's alone",
    )
    group.addoption(
        "--profile",
        choices=tuple(PROFILES),
        help=HELP,
    )
    group.addoption(
        "--max-examples", type=count, metavar="N", help="programs per law, instead of the profile's"
    )
    group.addoption(
        "--seed", type=int, metavar="N", help="chooses the programs; equal seeds give equal records"
    )
    group.addoption("--record", type=Path, metavar="FILE", help="write the record of the run (JSON lines)")
    group.addoption(
        "--known-failures",
        action="append",
        type=Path,
        metavar="FILE",
        help="TOML list of what is known to fail, instead of the shipped one; repeatable",
    )
    group.addoption(
        "--store",
        metavar="DIR|redis://HOST",
        help="keep failing programs there, for this and other machines and releases, and try first what failed before",
    )
    group.addoption(
        "--law-timeout",
        type=time_limit,
        default=300.0,
        metavar="SECONDS",
        help="a law that takes longer is a TIMEOUT, and the run goes on; with worker processes (-n) its process is "
        "ended where nothing else helps; 0 for none",
    )
    group.addoption(
        "--memory-limit",
        type=count,
        metavar="MiB",
        help="memory that a process may take beyond what it has once the engine is loaded (Linux); more costs the law "
        "that ran. Default: no limit",
    )
    group.addoption(
        "--replay",
        metavar="ID",
        help="run again just the failing program that an earlier run reported under ID",
    )
