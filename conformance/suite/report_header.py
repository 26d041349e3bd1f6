"""What a run says first: engines, what they claim and declare, how hard they are looked at."""

from __future__ import annotations

from collections.abc import Iterator

from gradlaws.conformance.engines.backend import CAPABILITIES, Backend
from gradlaws.conformance.judgement.profiles import PROFILES
from gradlaws.conformance.suite.cases import Cases
from gradlaws.conformance.suite.settings import Settings
from gradlaws.reports.wording import by_laws_of


def introduction(options: Settings, cases: Cases) -> Iterator[str]:
    """Lines for the top of a run."""
    for backend in options.backends:
        yield from _engine(backend, options)
    selection, effort = options.selection, options.effort
    count = len(cases.laws) // max(len(options.backends), 1)
    part = "" if selection.whole else f" of {len(selection.of_level())}"
    note = "" if effort.examples == PROFILES[options.profile].examples else " (--max-examples)"
    yield f"gradlaws: {isolation(options)}"
    if selection.earlier is not None:
        yield f"gradlaws: {by_laws_of(*selection.earlier.told([law.id for law in selection.of_level()]).values())}"
    yield (
        f"gradlaws: level {selection.level}, {count}{part} laws, profile {options.profile}: {effort.examples} "
        f"programs a law{note}, seed {effort.seed}"
    )


def isolation(options: Settings) -> str:
    """Whether worker processes contain what an engine does."""
    limits = [f"{options.timeout:g} s a law"] * bool(options.timeout)
    limits += [f"{options.memory:,} MiB"] * bool(options.memory)
    limited = f"; limits: {', '.join(limits)}" if limits else ""
    if options.workers:
        return f"isolated in {options.workers} worker processes: a crash or a hang costs the law that ran{limited}"
    return f"not isolated: a crash of the engine ends the run (-n 2, or `gradlaws run`, contains it){limited}"


def _engine(backend: Backend, options: Settings) -> Iterator[str]:
    lacking = sorted(set(CAPABILITIES) - backend.capabilities)
    has, listed = len(CAPABILITIES) - len(lacking), len(options.known[backend.name])
    yield (
        f"gradlaws: backend {backend.name} {backend.version()}, {has} of {len(CAPABILITIES)} capabilities"
        + (f" (without {', '.join(lacking)})" if lacking else "")
        + (f", {listed} known failures" if listed else "")
    )
    if backend.dialect.departures:
        declared = ", ".join(f"{name}={value}" for name, value in backend.dialect.departures.items())
        asked = " (judged as PyTorch all the same)" if options.effort.dialect == "torch" else ""
        yield f"gradlaws: {backend.name} declares {declared}{asked}"
