"""What isolation costs: a ci run in a worker process, with all that contains an engine, beside a run without any of it.

    python benchmarks/isolation.py --backend torch --rounds 3

The two take turns, and what is told is the ratio of the medians, of processor time and of wall time.
Without isolation means: one process, nothing put back after a law, no watch over the command. `--workers 2` shows what
two cores make of it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from statistics import median

#: A run in this process, with what contains an engine left out.
BARE = """
from contextlib import contextmanager
from gradlaws.conformance.suite import campaign
from gradlaws.commands.parser import main

@contextmanager
def nothing(*_, **__):
    yield

campaign.kept = campaign.contained = campaign.listening = nothing
campaign.Campaign._watched = nothing
raise SystemExit(main({arguments!r}))
"""


def timed(command: list[str]) -> tuple[float, float]:
    """(processor seconds, wall seconds) of a command and of what it starts."""
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    after, wall = os.times(), time.perf_counter() - start
    if done.returncode > 1:
        raise SystemExit(f"{command} ended with exit code {done.returncode}")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, wall


def main() -> None:
    """Take turns, and print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--profile", default="ci")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", default="1")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = ["run", "--backend", options.backend, "--profile", options.profile, "--seed", "1",
               "--record", f"{folder}/it.jsonl"]  # fmt: skip
        bare = [sys.executable, "-c", BARE.format(arguments=[*run, "--workers", "0"])]
        isolated = [sys.executable, "-m", "gradlaws", *run, "--workers", options.workers]
        times = [(timed(bare), timed(isolated)) for _ in range(options.rounds)]
    for k, what in enumerate(("processor", "wall")):
        without, within = (median(pair[side][k] for pair in times) for side in (0, 1))
        print(f"{what} time: {without:.1f} s without, {within:.1f} s isolated: x {within / without:.3f}")


if __name__ == "__main__":
    main()
