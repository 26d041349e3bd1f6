"""Programs that failed, kept from run to run, and shared between machines and releases: they are tried first.

A store is a database of examples as Hypothesis has them: a folder, or a Redis server. Its values are programs as JSON,
under the name of the engine and the law before which they failed.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.language.nested_steps import used_ops
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.serialization import dumped, loaded
from gradlaws.conformance.whole_programs.judge import WHOLE_PROGRAMS
from gradlaws.conformance.whole_programs.ledger import Found
from gradlaws.conformance.whole_programs.soak import Soak
from gradlaws.reports.output_paths import check_folder

#: How long Redis keeps a program that no run has met again.
KEPT = timedelta(days=365)
#: So many are tried of one law; which, their digests decide, as good as by lot.
MOST = 100


class StoreError(Exception):
    """There is no such store; the message says what to do."""


class ProgramStore:
    """Failing programs by engine and law."""

    def __init__(self, database: ExampleDatabase) -> None:
        self.database = database

    @classmethod
    def of(cls, place: str) -> ProgramStore:
        """The store in a folder, which may be new, or at `redis://HOST:PORT/DB`.

        Raises StoreError, or OutputPathError for a folder that cannot be written.
        """
        if "://" in place:
            return cls(_redis(place))
        check_folder(Path(place), "--store")
        return cls(DirectoryBasedExampleDatabase(place))

    def programs(self, backend: Backend, law: str) -> list[Program]:
        """What failed before a law on an engine of this name, as far as this release can all of it."""
        has = backend.repertoire
        found: list[Program] = []
        for value in sorted(self.database.fetch(_key(backend.name, law))):
            try:
                kept = json.loads(value)
                program, had = loaded(kept["steps"]), kept["capabilities"]
            except (ValueError, TypeError, KeyError):
                continue  # of a version of the suite that wrote otherwise
            if used_ops(program) <= has and backend.capabilities.issuperset(had):
                found.append(program)
        return found[:MOST]

    def remember(self, backend: Backend, law: str, program: Program) -> None:
        """Keep a failing program, with what the engine that it was drawn for can do."""
        kept = {"capabilities": sorted(backend.capabilities), "steps": dumped(program)}
        self.database.save(_key(backend.name, law), json.dumps(kept, sort_keys=True).encode())

    def listen(self, soak: Soak) -> None:
        """Keep what a soak finds from here on; but not what ends its process, which would end every other one, too."""
        before = soak.ledger.tell

        def both(found: Found) -> None:
            before(found)
            finding = found.finding
            if finding.steps is not None and finding.law not in (Verdict.CRASH, Verdict.TIMEOUT):
                self.remember(soak.backend, WHOLE_PROGRAMS, finding.steps)

        soak.ledger.tell = both


def _key(backend: str, law: str) -> bytes:
    return f"gradlaws/{backend}/{law}".encode()


def _redis(place: str) -> ExampleDatabase:
    try:
        from hypothesis.extra.redis import RedisExampleDatabase
        from redis import Redis, RedisError
    except ImportError as error:
        raise StoreError(f"--store {place}: needs Redis' client: pip install redis") from error
    try:
        server = Redis.from_url(place)
        server.ping()
    except (RedisError, ValueError) as error:
        raise StoreError(f"--store {place}: cannot be reached: {error}") from error
    return RedisExampleDatabase(server, expire_after=KEPT)
