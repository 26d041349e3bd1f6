"""What a second worker of a Dask cluster is worth: the same soak over one local worker and over two, in turns.

    pip install "gradlaws[cluster]"
    python benchmarks/cluster.py --backend torch --programs 6000 --rounds 3

What is told is the ratio of the wall times, medians over the rounds; it means something only on a machine with two idle
cores, so the load that others put on it is told along. That both come to the same is tested in tests/test_cluster.py.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median


def wall(backend: str, programs: int, workers: int) -> float:
    """Seconds of a soak, the start of the cluster included."""
    with tempfile.TemporaryDirectory() as folder:
        given = ["--backend", backend, "--programs", str(programs), "--dask", str(workers)]
        command = [
            sys.executable,
            "-m",
            "gradlaws",
            "soak",
            *given,
            "--file",
            str(Path(folder, "soak.jsonl")),
        ]
        start = time.perf_counter()
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backend", default="reference")
    parser.add_argument("--programs", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(options.rounds):
        for workers, taken in times.items():
            taken.append(wall(options.backend, options.programs, workers))
    one, two = median(times[1]), median(times[2])
    print(f"one worker {one:.1f} s, two {two:.1f} s: {one / two:.2f} times as fast", end="; ")
    print(f"{os.cpu_count()} cores, load before {load:.1f}")


if __name__ == "__main__":
    main()
