"""A soak over a Dask cluster: ranges of programs side by side, joined to what one soak comes to."""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from gradlaws.commands import CommandError
from gradlaws.commands.cluster import Cluster, cluster
from gradlaws.commands.cluster_task import HERE, Done, Job
from gradlaws.conformance.whole_programs.soak_file import SoakFile, read
from gradlaws.conformance.whole_programs.soak_parts import Joined, Part, part_of, so_far
from gradlaws.conformance.whole_programs.soak_report import lines, told
from gradlaws.reports.exit_codes import Exit

#: Programs of a range, at most, and where a soak is to end by the clock; what they are a multiple of, since programs
#: are drawn in blocks.
MOST, TIMED, BLOCK = 5000, 1000, 200
#: Ranges that each slot gets of a soak that is not long, so that none waits long for another; ranges are not shorter
#: than `TIMED` for that, since each begins with loading the engine.
SHARES = 4


class _Ranges:
    """The ranges of a soak, handed out one by one and joined in order."""

    def __init__(self, options: Namespace, pool: Cluster) -> None:
        self.options = options
        self.pool = pool
        self.whole = Joined()
        self.whole.ledger.tell = lambda found: print(f"\n{told(found)}", file=sys.stderr, flush=True)
        self.file = SoakFile(options.file)
        self.start = time.monotonic()
        self._shown = 0.0
        self._terminal = sys.stderr.isatty()
        if options.file.exists() and options.file.stat().st_size:
            head = {k: v for k, v in read(options.file)[0].items() if k not in ("type", "schema")}
            asked = {"seed": options.seed, "least": options.steps[0], "most": options.steps[1]}
            asked |= {"given": options.backend, "strict": options.strict}
            self.whole.head = {**head, **asked}  # of which the file says whether that is what it is of
            self._begin()
        self.first = self.next = self.whole.ledger.tally.number
        self._before = self.whole.ledger.tally.programs
        #: What is done, by first program, as long as something before it is not; None for what is lost.
        self._done: dict[int, tuple[Part | None, int]] = {}

    def _begin(self) -> None:
        self.file.begin(self.whole)
        if self.file.deaths:
            raise CommandError(
                f"{self.options.file}: a program that ended the process is still to be looked into; take the soak up "
                f"once without --dask"
            )

    def jobs(self) -> Iterator[Job]:
        """The ranges, as long as there is time."""
        o = self.options
        left = o.programs and o.programs - self.first
        size = TIMED if o.seconds else MOST
        if left:
            slots = self.pool.slots
            size = min(size, _blocks(max(left // (SHARES * slots), min(TIMED, -(-left // slots)))))
        while (o.programs is None or self.next < o.programs) and (
            o.seconds is None or time.monotonic() - self.start < o.seconds
        ):
            end = self.next - self.next % BLOCK + size
            end = end if o.programs is None else min(end, o.programs)
            yield self._job(self.next, end)
            self.next = end

    def _job(self, first: int, end: int) -> Job:
        o = self.options
        given = [
            "soak", "--backend", o.backend, "--first", str(first), "--programs", str(end), "--seed", str(o.seed),
            "--steps", str(o.steps[0]), str(o.steps[1]), "--program-timeout", str(o.program_timeout),
            "--file", f"{HERE}/part.jsonl",
        ]  # fmt: skip
        given += ["--strict"] if o.strict else []
        if o.store is not None:
            given += ["--store", o.store if "://" in o.store else os.path.abspath(o.store)]
        files = {}
        if before := so_far(self.whole, first):
            files["part.jsonl"] = "".join(json.dumps(line) + "\n" for line in before)
        if o.known_failures is not None:
            given += ["--known-failures", f"{HERE}/known.toml"]
            files["known.toml"] = text_of(o.known_failures)
        what = f"programs {first:,} to {end - 1:,}"
        return Job(tuple(given), "part.jsonl", os.getcwd(), what, files)

    def took(self, job: Job, done: Done | None) -> None:
        """A range is done, or lost."""
        first, end = (int(job.arguments[job.arguments.index(name) + 1]) for name in ("--first", "--programs"))
        part = None
        if done is not None and done.text:
            part = part_of([json.loads(line) for line in done.text.splitlines()], job.what)
            if not self.whole.head:
                self.whole.belongs(part.head, job.what)
                self._begin()
        self._done[first] = part, end
        tally = self.whole.ledger.tally
        while tally.number in self._done:
            part, end = self._done.pop(tally.number)
            if part is not None:
                self.whole.take(part, f"programs from {part.first:,}")
            if part is not None and part.end < end:
                return  # interrupted: what comes after is to be done again
            if part is None and self.pool.interrupted:
                return
            if part is None:
                print(f"\nLOST: programs {tally.number:,} to {end - 1:,}", file=sys.stderr)
                self.whole.lose(end)
        self._time()
        if self.whole.head:
            self.file.progress(self.whole)

    def _time(self) -> None:
        self.whole.ledger.tally.wall = time.monotonic() - self.start

    def tick(self) -> None:
        """Show how it goes."""
        now, tally = time.monotonic(), self.whole.ledger.tally
        if now - self._shown >= (1.0 if self._terminal else 20.0):
            ahead = sum(part.tally.programs for part, _ in self._done.values() if part is not None)
            programs = tally.programs + ahead
            rate = (programs - self._before) / (now - self.start)
            text = f"{programs:,} programs, {rate:.0f} a second, {len(self.whole.ledger.found)} findings, "
            text += f"{tally.listed:,} excused, {self.pool.slots} at a time"
            start, stop = ("\r", "") if self._terminal else ("", "\n")
            print(f"{start}{text}", end=stop, file=sys.stderr, flush=True)
            self._shown = now

    def end(self) -> None:
        """Keep what was found ahead of what is done, too, and complete the file."""
        for part, _ in self._done.values():
            for settled in part.settled if part is not None else ():
                if settled.found is not None and not settled.excused:
                    self.whole.ledger.keep(settled.found)
        self._time()
        if self.whole.head:
            self.file.end(self.whole)
        if self._terminal:
            print(file=sys.stderr)


def _blocks(programs: int) -> int:
    return -(-programs // BLOCK) * BLOCK


def text_of(path: Any) -> str:
    """The text of a file that is sent along; raises CommandError."""
    try:
        return str(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: cannot be read: {error}") from error


def soak(options: Namespace) -> int:
    """Soak over a cluster; the exit code."""
    if options.in_process or options.first is not None:
        raise CommandError("--dask divides the programs itself: leave out --in-process and --first")
    with cluster(options.dask) as pool:
        ranges = _Ranges(options, pool)
        pool.spread(ranges.jobs(), ranges.took, ranges.tick)
        ranges.end()
    whole = ranges.whole
    if not whole.head:
        print("nothing is known: no range of programs came to its end", file=sys.stderr)
        return Exit.UNKNOWN
    print("\n".join(lines(whole)))
    if pool.interrupted:
        print(f"interrupted; the same command goes on at program {whole.ledger.tally.number:,}")
    if whole.ledger.found:
        print(f"findings are in {options.file}; `gradlaws soak --replay ID` runs one again")
        return Exit.FAILS
    return Exit.UNKNOWN if pool.interrupted or whole.ledger.tally.lost else Exit.CONFORMS
