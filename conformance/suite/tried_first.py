"""Which programs a law is tried with before any is drawn: what failed once, on this engine or on another."""

from __future__ import annotations

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.nested_steps import used_ops
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.suite.corpus import shipped
from gradlaws.conformance.suite.program_store import ProgramStore


def tried_first(
    backend: Backend, law: str, known: KnownFailures, store: ProgramStore | None = None
) -> list[Program]:
    """What a store has kept of an engine of this name, then what the corpus has of any that can no more than this one.

    Programs with ops that are listed as apart are none of this law's.
    """
    apart = known.apart(law) | {op for op, _ in known.apart_calls(law)}
    kept = [] if store is None else store.programs(backend, law)
    return [p for p in (*kept, *shipped().programs(backend, law)) if apart.isdisjoint(used_ops(p))]
