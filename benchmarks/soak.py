"""What a soak costs, and on what the time is spent.

    python benchmarks/soak.py [--backend torch] [--programs 2000] [--steps 14 26] [--seed 1]

Programs per second of processor time on one core, findings included, and the parts of a soak: bytes to program
(draw), program to observed trace (run), observed to expected trace (predict), the comparison, making discrepancies
small (reduce), and giving memory back (free). Samples of the stack say whose code runs: the engine and its
adapter, the reference engine with the op table, the generator, or the rest of the suite.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections import Counter
from pathlib import Path
from time import process_time
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from gradlaws.conformance.loading import find  # noqa: E402 - the checkout's src goes first
from gradlaws.conformance.soaking import Soak  # noqa: E402

#: Whose time it is, by what stands in the path of a function on the stack; the first that applies.
OWNERS = (
    ("drawing", ("/strategies/",)),
    ("reference", ("/reference/", "/ops/", "/backends/reference.py")),
    ("engine", ("/backends/", "/torchlike.py", "/spelled.py", "/functional.py", "/torch/", "<string>")),
)
#: Seconds of processor time between two samples.
EVERY = 0.002


class Sampler:
    """Looks every few milliseconds where the program is; a call into C counts for the function that made it."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()

    def __enter__(self) -> Sampler:
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _sample(self, _: int, frame: FrameType | None) -> None:
        places = []
        while frame is not None:
            places.append(frame.f_code.co_filename)
            frame = frame.f_back
        for owner, marks in OWNERS:
            if any(mark in place for place in places for mark in marks):
                self.found[owner] += 1
                return
        self.found["suite"] += 1


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a soak costs, and on what the time is spent.")
    parser.add_argument("--backend", default="torch", metavar="NAME|module:attribute")
    parser.add_argument("--programs", type=int, default=2000, metavar="N")
    parser.add_argument("--steps", type=int, nargs=2, default=(14, 26), metavar=("LEAST", "MOST"))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    backend = find(options.backend)
    Soak(backend, seed=options.seed + 1, lengths=tuple(options.steps)).run(100)  # the first calls cost more
    soak = Soak(backend, seed=options.seed, lengths=tuple(options.steps))
    start = process_time()
    with Sampler() as sampler:
        tally = soak.run(options.programs)
    seconds = process_time() - start
    print(
        f"{backend.name} {backend.version()}: {tally.programs:,} programs of mean length "
        f"{tally.steps / tally.programs:.1f}, {tally.programs / seconds:.0f} a second of processor time "
        f"({tally.steps / seconds:,.0f} steps a second), {len(soak.found)} findings, "
        f"{tally.listed} excused, {tally.ended} of them cut short"
    )
    print("\nby part:")
    whole = sum(tally.seconds.values())
    for part, spent in sorted(tally.seconds.items(), key=lambda item: -item[1]):
        print(f"  {part:9} {1000 * spent / tally.programs:6.3f} ms a program {spent / whole:5.0%}")
    print("\nby whose code runs, or has called into C:")
    samples = sum(sampler.found.values())
    for owner, count in sampler.found.most_common():
        print(f"  {owner:9} {count / samples:5.0%}")
    inside = (sampler.found["engine"] + sampler.found["reference"]) / samples
    print(f"in the engine or in the reference: {inside:.0%}")


if __name__ == "__main__":
    main()
