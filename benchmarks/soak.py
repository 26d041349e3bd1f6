"""What a soak costs, and on what the time is spent.

    python benchmarks/soak.py [--backend torch] [--programs 2000] [--steps 12 23] [--seed 1]
    python benchmarks/soak.py --reduce 100        # how small discrepancies are made, and how fast
    python benchmarks/soak.py --faults            # the same, one for each planted fault

Programs per second of processor time on one core, findings included, and the parts of a soak: bytes to program
(draw), program to observed trace (run), observed to expected trace (predict), the comparison, making discrepancies
small (reduce), and giving memory back (free). Samples of the stack say whose code runs: the engine and its
adapter, the reference engine with the op table, the generator, or the rest of the suite.

`--reduce` makes so many discrepancies small that the engine shows where nothing is listed as known to fail.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from statistics import median
from time import process_time
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from gradlaws.conformance.engines.backend import Backend  # noqa: E402 - the checkout's src goes first
from gradlaws.conformance.engines.discovery import find  # noqa: E402
from gradlaws.conformance.execution.judging_standard import Standard  # noqa: E402
from gradlaws.conformance.faults import FAULTS  # noqa: E402
from gradlaws.conformance.language.program import Program  # noqa: E402
from gradlaws.conformance.language.steps import Look  # noqa: E402
from gradlaws.conformance.whole_programs.shrinker import WholeShrinker  # noqa: E402
from gradlaws.conformance.whole_programs.soak import Soak, program_of  # noqa: E402

#: Whose time it is, by what stands in the path of a function on the stack; the first that applies.
OWNERS = (
    ("drawing", ("/strategies/",)),
    ("reference", ("/reference/", "/ops/", "/adapters/reference.py")),
    ("engine", ("/adapters/", "/conformance/engines/", "/torch/", "<string>")),
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


#: A discrepancy to be made small: on which engine, by what, and where it shows.
Task = tuple[WholeShrinker, Program, Exception]


def discrepancies(
    backend: Backend, seed: int, strict: bool = False, most: int | None = None
) -> Iterator[Task]:
    """What an engine shows in whole programs, if nothing is listed as known to fail."""
    reducer = WholeShrinker(backend, 60.0, Standard(strict=strict))
    for number in count() if most is None else range(most):
        program = program_of(backend, seed, number)
        error = reducer.error(program)
        if error is not None:
            yield reducer, program, error


def of_faults(seed: int) -> Iterator[Task]:
    """The first discrepancy of each engine with a planted fault, as far as whole programs show it."""
    for fault in FAULTS.values():
        yield from islice(discrepancies(fault.make(), seed, fault.strict, 150), 1)


def reduced(tasks: Iterator[Task]) -> None:
    """Make discrepancies small and print how small, and how long it took."""
    lengths, seconds, unfinished = [], [], 0
    for reducer, program, error in tasks:
        start = process_time()
        small = reducer.reduce(program, error)
        seconds.append(process_time() - start)
        lengths.append(sum(not isinstance(step, Look) for step in small.program))
        unfinished += not small.minimal
    print(
        f"{len(lengths)} discrepancies made small, {unfinished} of them not to a local minimum\n"
        f"steps: median {median(lengths):g}, at most {max(lengths)}\n"
        f"seconds of processor time: median {median(seconds):.2f}, at most {max(seconds):.2f}, "
        f"{sum(s < 2 for s in seconds) / len(seconds):.0%} under 2"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a soak costs, and on what the time is spent.")
    parser.add_argument("--backend", default="torch", metavar="NAME|module:attribute")
    parser.add_argument("--programs", type=int, default=2000, metavar="N")
    parser.add_argument("--steps", type=int, nargs=2, default=(12, 23), metavar=("LEAST", "MOST"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reduce", type=int, metavar="N", help="make N discrepancies small")
    parser.add_argument("--faults", action="store_true", help="make one small for each planted fault")
    options = parser.parse_args()
    if options.faults:
        reduced(of_faults(options.seed))
        return
    backend = find(options.backend)
    if options.reduce:
        with backend.session():
            reduced(islice(discrepancies(backend, options.seed), options.reduce))
        return
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
    for owner, number in sampler.found.most_common():
        print(f"  {owner:9} {number / samples:5.0%}")
    inside = (sampler.found["engine"] + sampler.found["reference"]) / samples
    print(f"in the engine or in the reference: {inside:.0%}")


if __name__ == "__main__":
    main()
