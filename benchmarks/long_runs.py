"""Long runs: what programs of many steps cost, and soaks of many programs, in time and in memory.

    python benchmarks/long_runs.py                                              # a minute
    python benchmarks/long_runs.py --steps 10000 --programs 1000000 --backend torch      # hours

Lengths: a chain (each op on the result of the one before, one backward at the end) and episodes (three ops, a
backward, a look, and forgotten, again and again) of 1/10, 1/3 and all of so many steps, run, predicted and compared;
what is told is the time a step, beside that of the shortest: 1.0 throughout is linear. Numbers: one soak, with the rate
and the memory of the process in each tenth of it, beside those of the second tenth; the first has what is loaded and
cached once.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.discovery import find
from gradlaws.conformance.execution.whole_program_run import watch
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Backward, Forget, Leaf, Look, Step, literal
from gradlaws.conformance.whole_programs.judge import verdict
from gradlaws.conformance.whole_programs.soak import Soak
from gradlaws.conformance.whole_programs.trial import WholeTrial

LEAF = Leaf(literal([0.5, 0.25, 0.75]), True, outs=(0,))


def chain(length: int) -> Program:
    """Each op on the result of the one before."""
    ops: list[Step] = [Apply(("neg", "sin")[k % 2], (k,), outs=(k + 1,)) for k in range(length - 4)]
    total = Apply("sum", (len(ops),), params=(("dim", None), ("keepdim", False)), outs=(len(ops) + 1,))
    return Program((LEAF, *ops, total, Backward((len(ops) + 1,)), Look()))


def episodes(length: int) -> Program:
    """Forward, backward and a look, over and over."""
    steps: list[Step] = [LEAF]
    while len(steps) < length:
        at = len(steps)
        steps += [
            Apply("neg", (0,), outs=(at,)),
            Apply("sin", (at,), outs=(at + 1,)),
            Apply("sum", (at + 1,), params=(("dim", None), ("keepdim", False)), outs=(at + 2,)),
            Backward((at + 2,)),
            Look(),
            *(Forget(at + k) for k in range(3)),
        ]
    return Program(tuple(steps))


def resident() -> float:
    """Memory of this process in MiB (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def lengths(backend: Backend, most: int) -> None:
    """Time a step by length."""
    for shape in (chain, episodes):
        shape_times = []
        for length in (most // 10, most // 3, most):
            program = shape(length)
            start = time.process_time()
            with backend.session():
                error = verdict(WholeTrial(program, backend, watch(program, backend)))
            shape_times.append((time.process_time() - start) / len(program.steps))
            told = "" if error is None else f"; {type(error).__name__}: {str(error)[:80]}"
            ratio = shape_times[-1] / shape_times[0]
            cost = f"{1e6 * shape_times[-1]:.0f} us a step, {ratio:.2f}"
            print(f"{shape.__name__} of {length:,} steps: {cost}{told}", flush=True)


def numbers(backend: Backend, programs: int) -> None:
    """Rate and memory in each tenth of a soak."""
    soak = Soak(backend)
    base: tuple[float, float] | None = None
    for tenth in range(1, 11):
        start = time.process_time()
        soak.run(programs * tenth // 10)
        cost, memory = (time.process_time() - start) / (programs / 10), resident()
        base = (cost, memory) if tenth == 2 else base
        beside = "" if base is None else f", {cost / base[0]:.2f} and {memory - base[1]:+.0f} MiB"
        print(
            f"{soak.tally.number:,} programs: {1e3 * cost:.2f} ms each, {memory:.0f} MiB{beside}", flush=True
        )


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backend", default="reference")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--programs", type=int, default=5000)
    options = parser.parse_args()
    backend = find(options.backend)
    lengths(backend, options.steps)
    numbers(backend, options.programs)


if __name__ == "__main__":
    main()
