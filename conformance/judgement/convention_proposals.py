"""Which declarations fit what an engine was seen to do.

A convention is proposed where failing programs are right by it, and no law that it touches fails that did not fail
before. Whether the engine does so on purpose is for its people to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from time import monotonic

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.conventions import Dialect, conventions, meaning, touched
from gradlaws.conformance.judgement.applicability import lacking
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.examination import raised_by
from gradlaws.conformance.judgement.law_run import LawRun
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, InPlace
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.ops import INPLACE
from gradlaws.conformance.ops.kinks import KINKS

_NOTHING = KnownFailures()
KINKS_OF = "kinks of "


@dataclass(frozen=True)
class Proposal:
    """A convention and the value that fits; `laws` failed on programs that are right by it."""

    name: str
    value: str
    laws: tuple[str, ...]

    @property
    def declaration(self) -> str:
        """What the adapter would have to say, as an argument of `Dialect`."""
        op = self.name.removeprefix(KINKS_OF)
        return f'{self.name}="{self.value}"' if op == self.name else f'kinks={{"{op}": "{self.value}"}}'

    @property
    def meaning(self) -> str:
        """What it means, in a sentence."""
        return meaning(self.name, self.value)


def declaring(dialect: Dialect, name: str, value: str) -> Dialect:
    """The dialect with one more declaration."""
    op = name.removeprefix(KINKS_OF)
    if op != name:
        return replace(dialect, kinks={**dict(dialect.kinks), op: value})
    return replace(dialect, **{name: value})  # type: ignore[arg-type]


def declaration(dialect: Dialect, found: Iterable[Proposal] = ()) -> str:
    """The dialect with what is proposed, as the adapter has to write it."""
    for proposal in found:
        dialect = declaring(dialect, proposal.name, proposal.value)
    said = {name: value for name, value in dialect.departures.items() if not name.startswith(KINKS_OF)}
    parts = [f'{name}="{value}"' for name, value in said.items()]
    kinks = ", ".join(f'"{op}": "{element}"' for op, element in dict(dialect.kinks).items())
    return f"Dialect({', '.join([*parts, *([f'kinks={{{kinks}}}'] if kinks else [])])})"


def proposals(
    backend: Backend, laws: Iterable[str], effort: Effort, seconds: float = float("inf")
) -> list[Proposal]:
    """What to declare, the one that explains most first; `laws` are those that failed.

    Programs of these laws are run again, in this process, for so many seconds.
    """
    found: list[Proposal] = []
    effort, end = replace(effort, shrink=0.0, dialect="declared"), monotonic() + seconds
    with backend.session(), _as(backend, backend.dialect):
        failing = _failing(backend, dict.fromkeys(laws), effort)
        while failing and monotonic() < end:
            best = _best(backend, failing, effort, end)
            if best is None:
                break
            found.append(best)
            backend.dialect = declaring(backend.dialect, best.name, best.value)
            failing = _failing(backend, failing, effort)
    return found


@contextmanager
def _as(backend: Backend, dialect: Dialect) -> Iterator[None]:
    """A block in which the adapter declares this."""
    before = backend.dialect
    backend.dialect = dialect
    try:
        yield
    finally:
        backend.dialect = before


def _failing(backend: Backend, laws: Mapping[str, Program | None], effort: Effort) -> dict[str, Program]:
    """By law, a program of it that fails: the one that did, or the first that does now."""
    programs: dict[str, Program] = {}
    for identity, program in laws.items():
        law = LAWS.get(identity)
        if law is None or law.leaning is None or lacking(law, backend, effort):
            continue
        if program is not None and raised_by(law, program, backend, effort) is not None:
            programs[identity] = program
            continue
        run = LawRun(law, backend, effort, _NOTHING)
        run.go()
        if run.failure is not None and run.failure.program is not None:
            programs[identity] = run.failure.program
    return programs


def _candidates(backend: Backend, programs: Iterable[Program]) -> Iterator[tuple[str, str]]:
    """All that might be declared: conventions that are not, and kinks of ops that the programs use."""
    for name, values in conventions().items():
        now = getattr(backend.dialect, name)
        yield from ((name, value) for value in values if value != now and now == values[0])
    ops = set[str]().union(*map(_ops, programs))
    for op in sorted(ops & KINKS.keys() - dict(backend.dialect.kinks).keys()):
        yield from ((KINKS_OF + op, element) for element in KINKS[op].elements[1:])


def _best(backend: Backend, failing: dict[str, Program], effort: Effort, end: float) -> Proposal | None:
    """The declaration by which most of the failing programs are right, if any is by some."""
    order = count()
    ranked: list[tuple[int, int, Proposal]] = []
    for name, value in _candidates(backend, failing.values()):
        if monotonic() > end:
            break
        with _as(backend, declaring(backend.dialect, name, value)):
            laws = tuple(
                law
                for law, program in failing.items()
                if not lacking(LAWS[law], backend, effort)
                and raised_by(LAWS[law], program, backend, effort) is None
            )
        if laws:
            ranked.append((-len(laws), next(order), Proposal(name, value, laws)))
    return next((p for _, _, p in sorted(ranked) if _fits(backend, p, failing, effort)), None)


def _fits(backend: Backend, proposal: Proposal, failing: dict[str, Program], effort: Effort) -> bool:
    """Whether by the convention a law that it changes holds that failed, and none fails that held."""
    mended, came = False, list[str]()
    with _as(backend, declaring(backend.dialect, proposal.name, proposal.value)):
        for law in sorted(touched(proposal.name, proposal.value)):
            if lacking(LAWS[law], backend, effort):
                continue
            run = LawRun(LAWS[law], backend, effort, _NOTHING)
            run.go()
            if run.failure is None:
                mended |= law in failing
            elif law not in failing:
                came.append(law)
            elif proposal.name.startswith(KINKS_OF) and run.failure.program is not None:
                # Ops share the law about their kinks: what fails now may be another.
                mended |= proposal.name.removeprefix(KINKS_OF) not in _ops(run.failure.program)
    return mended and _failing(backend, dict.fromkeys(came), effort).keys() == {*came}


def _ops(program: Program) -> set[str]:
    """The rows that a program uses."""
    ops = {step.op for step in program if isinstance(step, Apply)}
    return ops | {INPLACE[step.op].row.name for step in program if isinstance(step, InPlace)}
