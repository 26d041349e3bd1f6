"""Run random whole programs on an engine until the time is up, and tell each finding once.

A whole program mixes everything that a program can do in 20 to 40 steps; it is run on the engine and on the
reference engine, and compared wherever it looks. What is found is made small, named by the law that it breaks,
and appended to a file. Ctrl-C ends a soak with its results kept; the same command takes it up again.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
import traceback
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from gradlaws.commands import CommandError
from gradlaws.conformance.suite.option_types import count, seconds
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
    add("--in-process", action="store_true", help="not in a process of its own: a crash ends the soak")
    add(
        "--replay", metavar="ID", help="run just the program of a finding of --file, and print it as a script"
    )


def execute(options: Namespace) -> int:
    """Soak, or replay; 1 if there are findings."""
    from gradlaws.conformance.engines.discovery import default
    from gradlaws.conformance.whole_programs.soak_file import SoakFileError
    from gradlaws.strategies.whole_programs import MOST

    least, most = options.steps
    if least > most:
        raise CommandError(f"--steps {least} {most}: the lower number comes first")
    if most > MOST:
        raise CommandError(f"--steps {least} {most}: programs have at most {MOST} steps")
    try:
        if options.replay:
            return _replay(options)
        if not options.file.exists():  # else it is taken up
            check_file(options.file, "--file")
        options.backend = options.backend or default()
        if options.in_process:
            return _soak(options, None)
        return _supervised(options)
    except SoakFileError as error:
        raise CommandError(str(error)) from error


def _supervised(options: Namespace) -> int:
    """Soak in a process of its own, and start another one where a program kills it."""
    from gradlaws.conformance.whole_programs.soak import program_of
    from gradlaws.conformance.whole_programs.soak_file import SoakFile

    context = multiprocessing.get_context("spawn")
    number = context.Value("q", -1, lock=False)
    start, last = time.monotonic(), -1
    seconds = options.seconds
    while True:
        if seconds is not None:
            options.seconds = max(0.01, seconds - (time.monotonic() - start))
        child = context.Process(target=_child, args=(options, number))
        child.start()
        signal.signal(signal.SIGTERM, lambda *_, child=child: child.terminate())
        while child.is_alive():
            try:
                child.join()
            except KeyboardInterrupt:
                continue  # the child has been told, too, and ends in good order
        code = child.exitcode or 0
        if code in list(Exit):
            return code
        if number.value == last or number.value < 0:
            raise CommandError(
                f"the process that runs the programs died with exit code {code} before the first"
            )
        last = number.value
        soak = _made(options)
        program = program_of(soak.backend, options.seed, last, *options.steps)
        said = f"dead (exit code {code})"
        SoakFile(options.file).crash(last, program, soak.backend, said)
        print(
            f"\nCRASH: program {last:,} ended the process, exit code {code}; going on after it",
            file=sys.stderr,
        )


def _child(options: Namespace, number: Any) -> None:
    from gradlaws.conformance.whole_programs.soak_file import SoakFileError

    try:
        code = _soak(options, number)
    except (CommandError, SoakFileError) as error:
        print(f"error: {error}", file=sys.stderr)
        code = Exit.USAGE
    except Exception:
        traceback.print_exc()
        code = Exit.INTERNAL
    sys.exit(code)


def _made(options: Namespace) -> Any:
    from gradlaws.conformance.engines.adapter_check import complaint
    from gradlaws.conformance.engines.discovery import BackendError, find
    from gradlaws.conformance.execution.strictness import Standard
    from gradlaws.conformance.known_failures.entry import KnownFailuresError
    from gradlaws.conformance.known_failures.toml_parser import load
    from gradlaws.conformance.laws.promises import LISTABLE
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
    return Soak(backend, options.seed, known, Standard(strict=options.strict), lengths=tuple(options.steps))


def _soak(options: Namespace, number: Any) -> int:
    from gradlaws.conformance.whole_programs.soak import lines, told
    from gradlaws.conformance.whole_programs.soak_file import SoakFile

    soak = _made(options)
    soak.tell = lambda found: print(f"\n{told(found)}", file=sys.stderr, flush=True)
    file = SoakFile(options.file)
    file.begin(soak)
    if soak.tally.number:
        print(f"taken up at program {soak.tally.number:,} of {options.file}", file=sys.stderr)
    if number is not None:
        soak.journal = lambda n: setattr(number, "value", n)
    progress = _Progress(soak, file)
    ended = Exit.CONFORMS
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends in good order, as Ctrl-C does
    try:
        soak.run(options.programs, options.seconds, progress)
    except KeyboardInterrupt:
        ended = Exit.UNKNOWN
    progress.end()
    print("\n".join(lines(soak)))
    if ended:
        print(f"interrupted; the same command goes on at program {soak.tally.number:,}")
    if soak.found:
        print(f"findings are in {options.file}; `gradlaws soak --replay ID` runs one again")
        return Exit.FAILS
    return ended


class _Progress:
    """Shows how a soak goes, and notes it in the file."""

    def __init__(self, soak: Any, file: Any) -> None:
        self.soak = soak
        self.file = file
        self.terminal = sys.stderr.isatty()
        self.shown = self.noted = time.monotonic()
        self.first = soak.tally.programs, self.shown

    def __call__(self, tally: Any) -> None:
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
        self.file.progress(self.soak)
        if self.terminal:
            print(file=sys.stderr)


def _replay(options: Namespace) -> int:
    """Run the program of a finding once more."""
    from gradlaws.conformance.engines.discovery import BackendError, find
    from gradlaws.conformance.suite.replay import Replay, ReplayError
    from gradlaws.conformance.whole_programs.soak import Found, told

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
    if finding.script:
        print(f"\nstand-alone:\n\n{finding.script}")
    return Exit.FAILS
