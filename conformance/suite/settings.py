"""The options of a run, made sense of: engines found and checked, lists read, laws selected, effort settled."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from gradlaws.conformance.engines.adapter_check import complaint
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.discovery import BackendError, default, find
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.profiles import PROFILES, USUAL
from gradlaws.conformance.known_failures.entry import KnownFailuresError
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.known_failures.toml_parser import about, load
from gradlaws.conformance.laws.whole_program_laws import LISTABLE
from gradlaws.conformance.suite.program_store import ProgramStore, StoreError
from gradlaws.conformance.suite.replay import Replay, ReplayError
from gradlaws.conformance.suite.selection import Selection, SelectionError

#: Options that choose what is tried and how, and mean nothing to a replay.
CHOOSING = (
    "level",
    "laws",
    "laws_of",
    "shard",
    "dialect",
    "profile",
    "max_examples",
    "seed",
    "known_failures",
)


class SettingsError(Exception):
    """The options make no sense; the message says what to do."""


@dataclass(frozen=True)
class Settings:
    """What a run is about.

    known:     what each engine is known to break, by its name.
    profile:   its name.
    replay:    the one program that is run instead of all.
    timeout:   seconds that a law may take; 0 for as long as it likes.
    memory:    MiB that a process may take beyond what it has once the engine is loaded; 0 for any.
    store:     where failing programs are kept; None for nowhere.
    workers:   worker processes of pytest-xdist; 0 where this process judges.
    is_worker: whether this is a worker process of pytest-xdist.
    """

    backends: list[Backend]
    known: dict[str, KnownFailures]
    selection: Selection
    effort: Effort
    profile: str
    replay: Replay | None
    timeout: float
    memory: int
    store: ProgramStore | None
    workers: int
    is_worker: bool

    @classmethod
    def of(cls, config: pytest.Config) -> Settings:
        """What the options of pytest say; raises SettingsError."""
        option = config.option
        try:
            names = option.backend or [default()]
            _consistent(config, names)
            backends = [find(name) for name in names]
            _told_apart(names, backends)
            for backend in backends:
                if wrong := complaint(backend):
                    raise SettingsError(wrong)
            level, profile = option.level or "full", option.profile or USUAL
            worker = getattr(config, "workerinput", None)
            return cls(
                backends,
                _known(config, backends),
                Selection.of(level, option.laws, option.shard, option.laws_of),
                Effort(
                    option.max_examples or PROFILES[profile].examples,
                    seed_of(profile, option.seed) if worker is None else worker["gradlaws_seed"],
                    strict=level == "torch",
                    dialect=option.dialect or "declared",
                ),
                profile,
                Replay.of(option.replay, getattr(config, "cache", None))
                if option.replay is not None
                else None,
                option.law_timeout,
                option.memory_limit or 0,
                None if option.store is None else ProgramStore.of(option.store),
                len(getattr(option, "tx", None) or ()) if worker is None else 0,
                worker is not None,
            )
        except (BackendError, KnownFailuresError, ReplayError, SelectionError, StoreError) as error:
            raise SettingsError(str(error)) from error


def seed_of(profile: str, given: int | None) -> int:
    """The seed of a run: the one that is given, or what its profile has."""
    if given is not None:
        return given
    return random.randrange(2**31) if PROFILES[profile].roving else 0


def _consistent(config: pytest.Config, names: list[str]) -> None:
    option = config.option
    if len(set(names)) < len(names):
        raise SettingsError(f"--backend {max(names, key=names.count)} is given twice")
    if option.replay is not None:
        idle = ["--" + name.replace("_", "-") for name in CHOOSING if getattr(option, name) is not None]
        if idle:
            raise SettingsError(
                f"--replay runs one remembered program, so {', '.join(idle)} can have no effect: leave it out"
            )
        if len(names) > 1:
            raise SettingsError("--replay runs on one backend; give --backend once")


def _told_apart(given: list[str], backends: list[Backend]) -> None:
    """Results are by the name of a backend."""
    by_name: dict[str, str] = {}
    for said, backend in zip(given, backends, strict=True):
        other = by_name.setdefault(backend.name, said)
        if other != said:
            raise SettingsError(
                f"--backend {other} and --backend {said} are both named {backend.name!r}: "
                f"change the `name` of one, or judge them in runs of their own"
            )


def _known(config: pytest.Config, backends: list[Backend]) -> dict[str, KnownFailures]:
    paths = config.option.known_failures
    if not paths:
        return {backend.name: about(backend) for backend in backends}
    if len(paths) > 1 and len(backends) != len(paths):
        raise SettingsError(
            f"{len(backends)} backends and {len(paths)} files of known failures: give one file a backend, in order"
        )
    found = [load(path, LISTABLE) for path in paths]
    return {
        backend.name: about(backend, found[k if len(found) > 1 else 0]) for k, backend in enumerate(backends)
    }
