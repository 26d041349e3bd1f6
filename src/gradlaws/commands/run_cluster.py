"""A run over a Dask cluster: shards of the laws side by side, joined to the record of one run."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from gradlaws.commands import CommandError, pytest_driver
from gradlaws.commands.cluster import Cluster, cluster
from gradlaws.commands.cluster_task import HERE, Done, Job
from gradlaws.commands.progress import Progress
from gradlaws.commands.soak_cluster import text_of
from gradlaws.conformance.judgement.profiles import USUAL
from gradlaws.conformance.suite.record_lines import part_without
from gradlaws.conformance.suite.selection import Selection, SelectionError
from gradlaws.conformance.suite.settings import seed_of
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.formats import write
from gradlaws.reports.output_paths import check_file
from gradlaws.reports.record import Record, load
from gradlaws.reports.record_merge import merged
from gradlaws.reports.view import View

#: Shards that each slot gets, so that none waits long for another.
SHARES = 3
LOST = "the worker that judged it was lost, and so was that of another try"


class _Shards:
    """The shards of a run, and the records that come of them."""

    def __init__(self, options: Namespace, pool: Cluster, folder: Path) -> None:
        self.options = options
        self.folder = folder
        level = options.level or "full"
        whole = Selection.of(level, options.laws, None, options.laws_of)
        items = len(whole.laws()) + len(whole.wholes())
        self.count = min(SHARES * pool.slots, items)
        self.shards = [
            Selection.of(level, options.laws, f"{k}/{self.count}", options.laws_of) for k in self._numbers
        ]
        self.seed = seed_of(options.profile or USUAL, options.seed)
        self.progress = Progress(sys.stdout, options.record)
        self.progress.total = items * len(options.backend or [0])
        self.records: dict[int, Record] = {}

    @property
    def _numbers(self) -> range:
        return range(1, self.count + 1)

    def jobs(self) -> Iterator[Job]:
        """A job a shard."""
        options = Namespace(**vars(self.options))
        options.seed, options.workers = self.seed, "1"  # its process contains what an engine does
        files = {f"known-{k}.toml": text_of(path) for k, path in enumerate(options.known_failures or ())}
        options.known_failures = [f"{HERE}/{name}" for name in files] or None
        if options.laws_of is not None and Path(options.laws_of).is_file():
            files["earlier.jsonl"] = text_of(Path(options.laws_of)).partition("\n")[0]
            options.laws_of = f"{HERE}/earlier.jsonl"
        if options.store is not None and "://" not in options.store:
            options.store = os.path.abspath(options.store)
        for number in self._numbers:
            options.shard = f"{number}/{self.count}"
            *given, workers = pytest_driver.arguments(options)
            given = ["run", *given, f"--workers={workers.removeprefix('-n')}", f"--record={HERE}/part.jsonl"]
            yield Job(tuple(given), "part.jsonl", os.getcwd(), f"shard {options.shard}", files)

    def took(self, job: Job, done: Done | None) -> None:
        """A shard is done, or lost."""
        number = int(job.what.split()[1].partition("/")[0])
        if done is None or not done.text:
            print(f"\nLOST: {job.what}", file=sys.stderr)
            return
        record = self._kept(number, done.text)
        for line in record.lines:
            if line["type"] in ("result", "example"):
                self.progress.line(line)

    def _kept(self, number: int, text: str) -> Record:
        place = self.folder / f"{number}.jsonl"
        place.write_text(text, "utf-8")
        self.records[number] = load(place)
        return self.records[number]

    def tick(self) -> None:
        """Show how it goes."""
        if self.progress.live:
            self.progress.show("")

    def whole(self, interrupted: bool) -> str:
        """The text of the record of all shards; empty where there is none."""
        if not self.records:
            return ""
        head = next(iter(self.records.values())).lines[0]
        lines = [line for record in self.records.values() for line in record.lines]
        given = {line["backend"]: line["given"] for line in lines if line["type"] == "result"}
        for number in set(self._numbers) - self.records.keys():
            shard = self.shards[number - 1]
            laws = [law.id for law in (*shard.laws(), *shard.wholes())]
            self._kept(number, part_without(head, laws, given, "" if interrupted else LOST))
        return merged([self.records[number] for number in self._numbers])[0]


def run(options: Namespace) -> list[View] | int:
    """Judge over a cluster, and show the report.

    Returns the engines as the record has them, or the exit code of a run of which there is no record.
    """
    if options.shard is not None:
        raise CommandError("--dask divides the laws itself: leave out --shard")
    check_file(options.record, "--record")
    with cluster(options.dask) as pool, TemporaryDirectory(prefix="gradlaws-") as folder:
        try:
            shards = _Shards(options, pool, Path(folder))
        except SelectionError as error:
            raise CommandError(str(error)) from error
        pool.spread(shards.jobs(), shards.took, shards.tick)
        shards.progress.end()
        text = shards.whole(pool.interrupted)
    if not text:
        print("error: nothing was judged; there is no record", file=sys.stderr)
        return Exit.UNKNOWN
    write(options.record, text)
    return pytest_driver.told(options.record)
