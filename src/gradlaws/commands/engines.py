"""Judge any set of engines, each in a virtual environment and a process of its own; a record each, a table of all.

The environments are made with pip when they are first needed, and kept. Which versions go into them, and how many
programs an engine gets through, says a file of environments; two releases of one engine are two entries.
"""

from __future__ import annotations

import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from difflib import get_close_matches
from pathlib import Path

from gradlaws.commands import CommandError
from gradlaws.commands.environments import Environment, default_home, load, prepare, shipped, variables
from gradlaws.conformance.suite.option_types import count
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.gate import decide
from gradlaws.reports.output_paths import check_folder
from gradlaws.reports.record import load as read_record
from gradlaws.reports.record_file import RecordError
from gradlaws.reports.terminal import columns, side_by_side
from gradlaws.reports.view import View, views

EXAMPLE = """
gradlaws engines --list
gradlaws engines mygrad autograd micrograd --examples 20
gradlaws engines tinygrad-0.13 tinygrad && gradlaws diff engines/tinygrad-0.13.jsonl engines/tinygrad.jsonl"""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("engines", nargs="*", metavar="ENGINE", help="which ones (default: all)")
    add("--list", action="store_true", help="list the engines, with what is installed for them")
    add("--environments", type=Path, metavar="FILE", help="another file of environments (TOML)")
    add("--home", type=Path, metavar="DIR", help="where environments are kept (default: in the user's cache)")
    add("--fresh", action="store_true", help="make the environments anew")
    add("--out", type=Path, default=Path("engines"), metavar="DIR", help="for the records (default: engines)")
    add("--examples", type=count, metavar="N", help="programs a law, instead of each engine's own number")
    add("--seed", type=int, default=0, metavar="N", help="chooses the programs (default: 0)")
    add("--laws", metavar="ID,...", help="only these laws or families")
    add("--level", choices=("core", "full", "torch"), default="full", help="the claim (default: full)")


def execute(options: Namespace) -> int:
    """Prepare, judge, show."""
    known = shipped() if options.environments is None else load(options.environments)
    home = (options.home or default_home()).resolve()
    if options.list:
        rows = [["engine", "backend", "programs", "there", "requirements"]]
        for env in known.values():
            there = "yes" if (env.place(home) / "gradlaws.json").exists() else "no"
            rows.append([env.name, env.backend, str(env.examples), there, " ".join(env.requirements)])
        print("\n".join(columns(rows)))
        return Exit.CONFORMS
    chosen = [_named(name, known) for name in options.engines or known]
    check_folder(options.out, "--out")
    out = options.out.resolve()
    records: dict[str, Path] = {}
    troubles: dict[str, str] = {}
    interrupted = False
    for env in chosen:
        try:
            records[env.name] = _judged(env, prepare(env, home, options.fresh), home, out, options)
        except (CommandError, RecordError) as error:
            troubles[env.name] = str(error)
            print(f"error: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            interrupted = True
            print(f"interrupted at {env.name}", file=sys.stderr)
            break
    return _shown(records, troubles, interrupted)


def _named(name: str, known: dict[str, Environment]) -> Environment:
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise CommandError(
            f"no environment {name!r}.{hint} There are {', '.join(known)}; add one by --environments FILE"
        )
    return known[name]


def _judged(env: Environment, python: Path, home: Path, out: Path, options: Namespace) -> Path:
    """Run the suite on one engine; its record. Raises CommandError where there is none."""
    out.mkdir(exist_ok=True)
    record, log = out / f"{env.name}.jsonl", out / f"{env.name}.log"
    record.unlink(missing_ok=True)
    command = [str(python), "-m", "gradlaws", "run", "--backend", env.backend, "--record", str(record)]
    command += ["--max-examples", str(options.examples or env.examples), "--workers", str(env.workers)]
    command += ["--law-timeout", str(env.timeout), "--seed", str(options.seed), "--level", options.level]
    command += ["--laws", options.laws] if options.laws else []
    start = time.perf_counter()
    print(f"{env.name}: judging, {options.examples or env.examples} programs a law; log: {log}", flush=True)
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command, cwd=out, env=variables(env, home), stdout=file, stderr=subprocess.STDOUT
        )
        try:
            process.wait()
        except KeyboardInterrupt:
            process.terminate()  # which leaves a valid record
            process.wait(30)
            raise
    if not record.exists():
        said = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
        listed = "\n".join(f"    {line[:150]}" for line in said[-6:])
        raise CommandError(f"{env.name}: the run did not begin; the last that it said ({log}):\n{listed}")
    print(f"{env.name}: {time.perf_counter() - start:.0f} s, {record}", flush=True)
    return record


def _shown(records: dict[str, Path], troubles: dict[str, str], interrupted: bool) -> int:
    """Print the table of all; the exit code."""
    shown: list[View] = []
    names: list[str] = []
    for name, path in records.items():
        for view in views([read_record(path, partial=True)]):
            shown.append(view)
            names.append(name)
    if shown:
        print("\n" + "\n".join(columns(_table(names, shown))))
    for name in troubles:
        print(f"{name}: not judged, see above")
    if interrupted or troubles:
        return Exit.UNKNOWN
    decision = decide(shown)
    print(f"\n{decision.sentence}")
    return decision.code


def _table(names: list[str], shown: list[View]) -> list[list[str]]:
    """Engines side by side, by the names of their environments; many are the rows, as in any table of several."""
    table = side_by_side(shown)
    said = [(name, v.engine.version, str(v.record.examples)) for name, v in zip(names, shown, strict=True)]
    if table[0][1:] == [view.name for view in shown]:
        heads, versions, programs = zip(*said, strict=True)
        return [["", *heads], ["version", *versions], ["programs a law", *programs], *table[1:]]
    rows = [[*own, *row[1:]] for own, row in zip(said, table[1:], strict=True)]
    return [["", "version", "programs a law", *table[0][1:]], *rows]
