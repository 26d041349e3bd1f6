"""What judging costs, as ratios to what cannot be avoided.

    python benchmarks/speed.py [--backend torch] [--examples 200] [--law ACC-01] [--pytest]

For each law with a leaning, over the same number of programs, in milliseconds of processor time per program:

floor   Hypothesis draws the bytes of a program, and the test does nothing; measured beside each law.
raw     The engine runs the program, and those that the law compares it with, and nothing is looked at: source
        compiled beforehand for engines with PyTorch's names, the interpreter without observations for others.
draw, run, oracle, law, standing
        The parts of judging: bytes to program; program to observed trace; observed to expected trace; the
        law's own check; the checks made of every program. They do not add up to `judged`, which has
        Hypothesis around it.
judged  `judge`, as the suite calls it.
ratio   judged / (floor + raw): 1 would be free. The aim is 2.

Exhibits (laws without programs) have no raw time to compare with, and are listed at the end with their cost.
Laws that fail are left out of the ratios, since making a failure small is not what is measured here; one that
is listed as a known failure of the backend is judged as such. `--pytest` adds wall times of whole runs.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

import hypothesis  # noqa: E402 - the checkout's src goes first
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gradlaws.conformance.engines.backend import Backend  # noqa: E402
from gradlaws.conformance.engines.discovery import find  # noqa: E402
from gradlaws.conformance.engines.torch_like import TorchLike  # noqa: E402
from gradlaws.conformance.execution.interpreter import Interpreter, run  # noqa: E402
from gradlaws.conformance.execution.oracle import believe  # noqa: E402
from gradlaws.conformance.execution.trace import Moment, Trace  # noqa: E402
from gradlaws.conformance.judgement.draws import SIZE, drawn  # noqa: E402
from gradlaws.conformance.judgement.effort import Effort  # noqa: E402
from gradlaws.conformance.judgement.judge import judge  # noqa: E402
from gradlaws.conformance.judgement.verdict import Verdict  # noqa: E402
from gradlaws.conformance.known_failures.matching import KnownFailures  # noqa: E402
from gradlaws.conformance.known_failures.toml_parser import shipped  # noqa: E402
from gradlaws.conformance.language.program import Program  # noqa: E402
from gradlaws.conformance.language.source import statement  # noqa: E402
from gradlaws.conformance.language.steps import Look, Mode  # noqa: E402
from gradlaws.conformance.laws import LAWS, Broken, Law, Trial  # noqa: E402
from gradlaws.conformance.laws.invariants import stand  # noqa: E402
from gradlaws.strategies import DeadEnd, Vocabulary  # noqa: E402


@dataclass
class Cost:
    """Seconds spent on a number of programs, part by part."""

    laws: int = 0
    programs: int = 0
    discarded: int = 0
    floor: float = 0.0
    raw: float = 0.0
    draw: float = 0.0
    run: float = 0.0
    oracle: float = 0.0
    law: float = 0.0
    standing: float = 0.0
    judged: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def row(self, name: str) -> list[str]:
        """The line of the table."""
        parts = (self.floor, self.raw, self.draw, self.run, self.oracle, self.law, self.standing, self.judged)
        share = 100 * self.discarded / max(self.programs + self.discarded, 1)
        ratio = self.judged / max(self.floor + self.raw, 1e-9)
        times = (f"{1000 * part / max(self.programs, 1):.3f}" for part in parts)
        return [name, str(self.laws), str(self.programs), *times, f"{ratio:.2f}", f"{share:.1f} %"]


HEADER = ["family", "laws", "programs", *(f.name for f in fields(Cost)[3:]), "ratio", "discarded"]


class Silent(Interpreter):
    """Runs programs and looks at nothing."""

    def _observe(self, moment: Moment) -> None:
        pass


def timed(call: Callable[..., object], *args: object, **options: object) -> float:
    """Processor seconds of a call."""
    start = process_time()
    call(*args, **options)
    return process_time() - start


def in_turn(calls: list[Callable[[], None]]) -> None:
    """Call each."""
    for call in calls:
        call()


class Recorded(Trial):
    """A trial that writes down which other programs the law runs."""

    def __init__(self, others: list[Program], *args: Any) -> None:
        super().__init__(*args)
        self.ran = others

    def rerun(self, program: Program) -> Trace:
        """The trace of another program on the same engine."""
        self.ran.append(program)
        return super().rerun(program)


def examined(law: Law, program: Program, backend: Backend, cost: Cost, others: list[Program]) -> None:
    """Add what the parts of judging one program cost; known breaches do not end it."""
    start = process_time()
    got = run(program, backend)
    ran = process_time()
    want = believe(program, got)
    believed = process_time()
    trial = Recorded(others, law.id, program, backend, got, want)
    with suppress(Broken):
        law.check(trial)
    checked = process_time()
    with suppress(Broken):
        stand(trial)
    cost.run += ran - start
    cost.oracle += believed - ran
    cost.law += checked - believed
    cost.standing += process_time() - checked


def compiled(program: Program, backend: TorchLike) -> Callable[[], None]:
    """The program as one function of the engine's own API; a step that raises does not end it."""
    lines = ["def call(torch):", "  modes = []"]
    for step in program:
        if isinstance(step, Look):
            continue  # a comment
        if isinstance(step, Mode) and step.kind in ("exit", "raise"):
            text = "modes.pop().__exit__(None, None, None)"
        elif isinstance(step, Mode):
            text = f"modes.append(torch.{step.kind}()); modes[-1].__enter__()"
        else:
            text = statement(step, backend.spellings)
        said = [line for line in text.splitlines() if line and not line.startswith("#")]
        lines += ["  try:", *(f"    {line}" for line in said or ["pass"]), "  except Exception: pass"]
    lines += ["  while modes: modes.pop().__exit__(None, None, None)"]
    scope: dict[str, Any] = {}
    exec("\n".join(lines), scope)
    return lambda: scope["call"](backend.engine)


def silent(program: Program, backend: Backend) -> Callable[[], None]:
    """The program, interpreted without observing anything."""

    def call() -> None:
        interpreter = Silent(backend)
        try:
            for index, step in enumerate(program):
                interpreter.do(index, step)
        finally:
            interpreter.close()

    return call


def floor(examples: int) -> float:
    """What Hypothesis costs by itself."""
    test = given(st.binary(min_size=SIZE, max_size=SIZE))(lambda data: None)
    test = settings(
        max_examples=examples,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(hypothesis.seed(0)(test))
    return timed(test)


def programs_of(law: Law, backend: Backend, seeds: list[bytes]) -> Iterator[Program]:
    """The programs that the seeds lead to."""
    vocabulary = Vocabulary.of(backend)
    for seed in seeds:
        try:
            yield drawn(law, vocabulary, seed)
        except DeadEnd:
            continue


def measure(law: Law, backend: Backend, examples: int, known: KnownFailures) -> Cost | None:
    """The cost of a law; None where it does not pass."""
    cost = Cost(laws=1)
    start = process_time()
    result = judge(law, backend, Effort(examples=examples, shrink=0.0), known)
    cost.judged = process_time() - start
    if result.verdict not in (Verdict.PASS, Verdict.KNOWN):
        return None
    cost.programs, cost.discarded = result.programs, result.discarded
    cost.floor = floor(examples)
    source = random.Random(law.id)
    seeds = [source.randbytes(SIZE) for _ in range(examples)]
    with backend.session():
        programs: list[Program] = []
        cost.draw = timed(lambda: programs.extend(programs_of(law, backend, seeds)))
        others: list[Program] = []
        for program in programs:
            examined(law, program, backend, cost, others)
        ran = (*programs, *others)
        if isinstance(backend, TorchLike):
            calls = [compiled(program, backend) for program in ran]
        else:
            calls = [silent(program, backend) for program in ran]
        cost.raw = timed(in_turn, calls)
    return cost


def table(rows: list[list[str]]) -> str:
    """Aligned columns: names to the left, numbers to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if k == 0 else cell.rjust(w)
            for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def import_time() -> tuple[float, float]:
    """Wall milliseconds to import pytest, and then the plugin, best of five."""
    code = (
        "import time; t = time.perf_counter(); import pytest; m = time.perf_counter();"
        "import gradlaws.conformance.plugin; print(m - t, time.perf_counter() - m)"
    )
    command = [sys.executable, "-c", code]
    found = []
    for _ in range(5):
        done = subprocess.run(command, cwd=ROOT / "src", capture_output=True, text=True, check=True)
        found.append(tuple(1000 * float(part) for part in done.stdout.split()))
    return min(f[0] for f in found), min(f[1] for f in found)


def wall(profile: str, backend: str) -> tuple[float, str]:
    """Wall seconds of a run of the suite, and pytest's last line."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--profile",
        profile,
        "--backend",
        backend,
    ]
    start = perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return perf_counter() - start, (done.stdout.strip().splitlines() or ["no output"])[-1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What judging costs, as ratios to what cannot be avoided.")
    parser.add_argument("--backend", default="torch", metavar="NAME|module:attribute")
    parser.add_argument("--examples", type=int, default=200, metavar="N", help="programs per law")
    parser.add_argument("--law", action="append", metavar="ID", help="only this law; repeatable")
    parser.add_argument("--pytest", action="store_true", help="wall times of whole smoke and ci runs as well")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # programs provoke some on purpose
    backend = find(options.backend)
    families: dict[str, Cost] = {}
    failing, exhibits = [], []
    offered = backend.capabilities | frozenset(backend.ops())
    known = shipped(backend.name)
    # the first calls of an engine's backward cost more than all others
    judge(next(law for law in LAWS.values() if law.leaning), backend, Effort(examples=20, shrink=0.0))
    for law in LAWS.values():
        if (options.law and law.id not in options.law) or law.needs - offered:
            continue
        if law.leaning is None:
            seconds = timed(judge, law, backend, Effort(examples=options.examples, shrink=0.0))
            exhibits.append(f"{law.id} {1000 * seconds / options.examples:.2f}")
            continue
        cost = measure(law, backend, options.examples, known)
        if cost is None:
            failing.append(law.id)
        else:
            families[law.family] = families.get(law.family, Cost()) + cost
    total = sum(families.values(), Cost())
    title = f"{backend.name} {backend.version()}, {options.examples} programs per law"
    print(f"{title}, ms of processor time per program\n")
    print(table([HEADER, *(families[name].row(name) for name in sorted(families)), total.row("all")]))
    if exhibits:
        print("\nexhibits, ms per example: " + ", ".join(exhibits))
    if failing:
        print("\nleft out, since they do not pass: " + ", ".join(failing))
    base, plugin = import_time()
    print(f"\nimport: pytest {base:.0f} ms, then the plugin {plugin:.1f} ms")
    for profile in ("smoke", "ci") if options.pytest else ():
        seconds, last = wall(profile, options.backend)
        print(f"pytest --profile {profile}: {seconds:.1f} s wall ({last})")


if __name__ == "__main__":
    main()
