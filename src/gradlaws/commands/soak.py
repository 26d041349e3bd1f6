"""Run random whole programs on an engine until the time is up, and tell each finding once.

A whole program mixes everything that a program can do in 20 to 40 steps; it is run on the engine and on the
reference engine, and compared wherever it looks. What is found is made small, named by the law that it breaks,
and appended to a file. Ctrl-C ends a soak with its results kept; the same command takes it up again.
"""

from __future__ import annotations

import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from gradlaws.commands import CommandError, cluster
from gradlaws.commands.soak_processes import Slate, supervised
from gradlaws.conformance.engines.exception_containment import interrupt, listening
from gradlaws.conformance.suite.option_types import count, number, seconds, time_limit
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.output_paths import check_file

EXAMPLE = """
gradlaws soak --seconds 600
gradlaws soak --backend my_adapter:MyBackend --programs 100000 --seed 7
gradlaws soak --replay HOOK-13-9b69f947      # again, with a stand-alone script"""

#: Seconds between two lines of progress, on a terminal and elsewhere.
EVERY = (1.0, 20.0)
#: Seconds between two notes of progress in the file.
NOTED = 10.0


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add(
        "--backend", metavar="NAME|module:attribute", help="the engine (default: torch where it is installed)"
    )
    add("--seconds", type=seconds, metavar="S", help="stop after so many seconds")
    add("--programs", type=count, metavar="N", help="stop at program number N")
    add(
        "--first",
        type=number,
        metavar="N",
        help="begin at program number N, as one part of a soak of many; `gradlaws merge` joins the parts",
    )
    add("--seed", type=int, default=0, metavar="N", help="chooses the programs (default: 0)")
    add("--steps", type=count, nargs=2, default=(20, 40), metavar=("LEAST", "MOST"), help="lengths (20 40)")
    add(
        "--strict",
        action="store_true",
        help="insist on the refusals that PyTorch documents, as --level torch",
    )
    add(
        "--known-failures",
        type=Path,
        metavar="FILE",
        help="what is known to fail, instead of the shipped list",
    )
    add(
        "--file",
        type=Path,
        default=Path("gradlaws-soak.jsonl"),
        metavar="FILE",
        help="where findings go, and where an earlier soak is taken up (default: gradlaws-soak.jsonl)",
    )
    add(
        "--program-timeout",
        type=time_limit,
        default=60.0,
        metavar="SECONDS",
        help="a program that takes longer, making it small included, is a TIMEOUT (default: 60; 0 for no limit)",
    )
    add(
        "--store",
        metavar="DIR|redis://HOST",
        help="keep failing programs there, and try first what failed before, here or elsewhere",
    )
    add("--dask", metavar="N|ADDRESS", help=cluster.HELP)
    add("--in-process", action="store_true", help="not in a process of its own: a crash ends the soak")
    add(
        "--replay", metavar="ID", help="run just the program of a finding of --file, and print it as a script"
    )


def execute(options: Namespace) -> int:
    """Soak, or replay; 1 if there are findings."""
    from gradlaws.commands import soak_cluster
    from gradlaws.conformance.engines.discovery import default
    from gradlaws.conformance.whole_programs.soak_file import SoakFileError
    from gradlaws.strategies.whole_programs import MOST

    least, most = options.steps
    if least > most:
        raise CommandError(f"--steps {least} {most}: the lower number comes first")
    if most > MOST:
        raise CommandError(f"--steps {least} {most}: programs have at most {MOST} steps")
    if options.first is not None and options.programs is not None and options.first >= options.programs:
        raise CommandError(
            f"--first {options.first} --programs {options.programs}: stops before it begins; both are numbers"
        )
    try:
        if options.replay:
            return _replay(options)
        if not options.file.exists():  # else it is taken up
            check_file(options.file, "--file")
        options.backend = options.backend or default()
        if options.dask:
            return soak_cluster.soak(options)
        if options.in_process:
            return soak(options, None)
        return supervised(soak, options)
    except SoakFileError as error:
        raise CommandError(str(error)) from error


def _made(options: Namespace) -> Any:
    from gradlaws.conformance.engines.adapter_check import complaint
    from gradlaws.conformance.engines.discovery import BackendError, find
    from gradlaws.conformance.execution.judging_standard import Standard
    from gradlaws.conformance.known_failures.entry import KnownFailuresError
    from gradlaws.conformance.known_failures.toml_parser import load
    from gradlaws.conformance.laws.whole_program_laws import LISTABLE
    from gradlaws.conformance.whole_programs.soak import Soak

    try:
        backend = find(options.backend)
        if wrong := complaint(backend):
            raise CommandError(wrong)
        if "stored" not in backend.capabilities:
            raise CommandError(
                f"the adapter {backend.name!r} stores gradients in its engine's stead, and whole programs are about "
                f"storing them; `gradlaws run --backend {backend.given}` judges what the engine computes"
            )
        known = load(options.known_failures, LISTABLE) if options.known_failures else None
    except (BackendError, KnownFailuresError) as error:
        raise CommandError(str(error)) from error
    standard, lengths = Standard(strict=options.strict), tuple(options.steps)
    return Soak(backend, options.seed, known, standard, lengths=lengths, first=options.first)


def soak(options: Namespace, slate: Slate | None) -> int:
    """Soak in this process, which may end: then the slate tells how far it came."""
    from gradlaws.conformance.whole_programs.judge import WHOLE_PROGRAMS
    from gradlaws.conformance.whole_programs.soak_file import SoakFile
    from gradlaws.conformance.whole_programs.soak_report import lines, told

    running = _made(options)
    running.ledger.tell = lambda found: print(f"\n{told(found)}", file=sys.stderr, flush=True)
    store = _store(options)
    file = SoakFile(options.file)
    file.begin(running)
    if store is not None:
        store.listen(running)
    if running.tally.number:
        print(f"taken up at program {running.tally.number:,} of {options.file}", file=sys.stderr)
    progress = _Progress(running, file, slate)
    ended = Exit.CONFORMS
    signal.signal(signal.SIGTERM, interrupt)  # ends in good order, as Ctrl-C does
    try:
        _look_into_deaths(running, file, options)
        if store is not None and not running.tally.number:  # of parts, the first does so
            running.again(store.programs(running.backend, WHOLE_PROGRAMS))
        if slate is not None:
            running.journal = lambda number: setattr(slate, "number", number)
        with listening(mortal=slate is not None):
            running.run(options.programs, options.seconds, progress)
    except KeyboardInterrupt:
        ended = Exit.UNKNOWN
    progress.end()
    print("\n".join(lines(running)))
    if ended:
        print(f"interrupted; the same command goes on at program {running.tally.number:,}")
    if running.found:
        print(f"findings are in {options.file}; `gradlaws soak --replay ID` runs one again")
        return Exit.FAILS
    return ended


def _store(options: Namespace) -> Any:
    from gradlaws.conformance.suite.program_store import ProgramStore, StoreError

    try:
        return None if options.store is None else ProgramStore.of(options.store)
    except StoreError as error:
        raise CommandError(str(error)) from error


def _look_into_deaths(soak: Any, file: Any, options: Namespace) -> None:
    """Make what ended an earlier process small, and note that this is done."""
    from gradlaws.conformance.judgement.fresh_processes import FreshProcesses
    from gradlaws.conformance.suite.crash_reduction import ALL, FORK_SERVER, PostMortem
    from gradlaws.conformance.suite.soak_deaths import keep_death

    if not file.deaths:
        return
    start, processes = time.monotonic(), FreshProcesses(FORK_SERVER)
    post_mortem = PostMortem(max(0.0, ALL - soak.tally.seconds.get("post-mortem", 0.0)))
    try:
        for death in file.deaths:
            keep_death(soak, death, post_mortem, processes, options.program_timeout)
    finally:
        processes.close()
    spent = soak.tally.seconds.get("post-mortem", 0.0) + time.monotonic() - start
    soak.tally.seconds["post-mortem"] = spent
    file.progress(soak)


class _Progress:
    """Shows how a soak goes, and notes it in the file."""

    def __init__(self, soak: Any, file: Any, slate: Slate | None) -> None:
        self.soak = soak
        self.slate = slate
        self.file = file
        self.terminal = sys.stderr.isatty()
        self.shown = self.noted = time.monotonic()
        self.first = soak.tally.programs, self.shown

    def __call__(self, tally: Any) -> None:
        from gradlaws.conformance.whole_programs.soak_file import reached

        if self.slate is not None:
            self.slate.tally = reached(tally)
        now = time.monotonic()
        if now - self.shown >= EVERY[not self.terminal]:
            rate = (tally.programs - self.first[0]) / (now - self.first[1])
            text = f"{tally.programs:,} programs, {rate:.0f} a second, {len(self.soak.found)} findings, "
            text += f"{tally.listed:,} excused"
            print(
                f"\r{text}" if self.terminal else text,
                end="" if self.terminal else "\n",
                file=sys.stderr,
                flush=True,
            )
            self.shown = now
        if now - self.noted >= NOTED:
            self.file.progress(self.soak)
            self.noted = now

    def end(self) -> None:
        """Note the last of it."""
        self.file.end(self.soak)
        if self.terminal:
            print(file=sys.stderr)


def _replay(options: Namespace) -> int:
    """Run the program of a finding once more."""
    from gradlaws.conformance.engines.discovery import BackendError, find
    from gradlaws.conformance.suite.replay import Replay, ReplayError
    from gradlaws.conformance.whole_programs.ledger import Found
    from gradlaws.conformance.whole_programs.soak_report import told

    try:
        replay = Replay.soaked(options.file, options.replay)
        backend = find(options.backend or replay.given)
    except (BackendError, ReplayError) as error:
        raise CommandError(str(error)) from error
    result = replay.judged(backend)
    finding = result.finding
    if finding is None and result.message:
        print(f"UNKNOWN: {options.replay} on {backend.name}: {result.message}")
        return Exit.UNKNOWN
    if finding is None:
        print(f"PASS: {options.replay} no longer shows on {backend.name}")
        return Exit.CONFORMS
    print(told(Found(options.replay, finding)))
    return Exit.FAILS
