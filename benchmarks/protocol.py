"""What the protocol costs: laws on PyTorch in another process, against the same laws in this one.

    python benchmarks/protocol.py [--backend torch] [--examples 100] [--laws 40] [--rounds 3]

Both are run in turn, law by law, so that whatever else the machine does falls on both. Prints seconds of each (the best
of the rounds), of which processor time in this process, and the ratio of the sums.
"""

from __future__ import annotations

import argparse
import sys
import time

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.discovery import find
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.profiles import PROFILES
from gradlaws.conformance.known_failures.toml_parser import about
from gradlaws.conformance.laws import LAWS, Law
from gradlaws.conformance.whole_programs.run_item import WHOLE, judge_any


def spent(law: Law, backend: Backend, examples: int) -> tuple[float, float]:
    """(seconds, seconds of this process' processor) that a law takes."""
    wall, busy = time.perf_counter(), time.process_time()
    judge_any(law, backend, Effort(examples), about(backend))
    return time.perf_counter() - wall, time.process_time() - busy


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--examples", type=int, default=PROFILES["ci"].examples, help="programs a law")
    parser.add_argument(
        "--laws", type=int, default=len(LAWS), help="so many laws, evenly spread; default all"
    )
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    here, there = (
        find(options.backend),
        find(f"exec:{sys.executable} -m gradlaws serve {options.backend}"),
    )
    some = [law for law in LAWS.values() if law.leaning is not None]
    some = [*some[:: max(1, len(some) // options.laws)], WHOLE]
    totals = [0.0, 0.0, 0.0, 0.0]
    for law in some:
        best = [min(spent(law, b, options.examples) for _ in range(options.rounds)) for b in (here, there)]
        row = [*best[0], *best[1]]
        totals = [total + one for total, one in zip(totals, row, strict=True)]
        print(f"{law.id:10} here {row[0]:6.2f} s, there {row[2]:6.2f} s ({row[2] / row[0]:4.2f})", flush=True)
    print(f"all        here {totals[0]:6.2f} s, there {totals[2]:6.2f} s: ratio {totals[2] / totals[0]:.2f}")
    print(f"processor time of this process: here {totals[1]:.2f} s, there {totals[3]:.2f} s")


if __name__ == "__main__":
    main()
