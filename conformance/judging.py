"""Judges a law on a backend: draws programs, runs them, asks the law, makes what breaks small."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Literal

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from gradlaws.conformance.backend import Backend
from gradlaws.conformance.coverage import Coverage
from gradlaws.conformance.dialect import PYTORCH
from gradlaws.conformance.examining import (
    SIZE,
    ask,
    collected_later,
    contents,
    drawn,
    examine,
    show,
    sound,
    vocabulary_of,
)
from gradlaws.conformance.interpreter import run
from gradlaws.conformance.known import Known, KnownFailures, about
from gradlaws.conformance.laws.registry import Law
from gradlaws.conformance.laws.trial import Broken, EngineBroke, Judge, Trial
from gradlaws.conformance.minimise import minimised
from gradlaws.conformance.observe import Trace, described
from gradlaws.conformance.oracle import believe
from gradlaws.conformance.printing import source, statement
from gradlaws.conformance.program import Program
from gradlaws.conformance.standalone import script
from gradlaws.conformance.torchlike import TorchLike
from gradlaws.conformance.verdict import Finding, Result, Verdict
from gradlaws.strategies.builder import DeadEnd

#: Programs per test case of Hypothesis: after each change of phase the first few cost several times what others do.
BATCH = 100
FEW = 10  # of these are judged before all others are drawn
MORE = 10  # are judged beyond the budget, as long as there was nothing for the law to look at
Drawn = tuple[bytes, Program]
_DRAW = struct.Struct(">IH")


@dataclass(frozen=True)
class Effort:
    """How hard to look.

    examples: programs per law.
    seed:     chooses the programs; equal seeds give equal records.
    strict:   insist on the refusals that PyTorch documents where a right gradient would do as well.
    shrink:   seconds spent on making a failing program small.
    dialect:  judge by the conventions that the adapter has `declared`, or by PyTorch's (`torch`).
    """

    examples: int = 100
    seed: int = 0
    shrink: float = 2.0
    strict: bool = False
    dialect: Literal["declared", "torch"] = "declared"


def judge(
    law: Law,
    backend: Backend,
    effort: Effort | None = None,
    known: KnownFailures | None = None,
    journal: Callable[[str, bytes], None] | None = None,
) -> Result:
    """The verdict on one law.

    known:   the breaches that are listed; by default those shipped for an engine of this name.
    journal: called with each law id and draw before it runs, so that a crash can be traced.
    """
    effort = effort or Effort()
    result = Result(law.id, backend.name, Verdict.UNKNOWN)
    missing = sorted(law.needs - backend.capabilities - frozenset(backend.ops()))
    if effort.dialect == "declared":
        missing += backend.dialect.presupposing(law.id)
    if missing:
        result.verdict, result.missing = Verdict.UNSUPPORTED, tuple(missing)
        return result
    known = about(backend, known)
    touching = backend.dialect.touching(law.id) if effort.dialect == "declared" else ()
    start = perf_counter()
    with backend.session():
        _Run(law, backend, effort, known, journal).go(result)
        if touching and result.verdict is Verdict.PASS:
            promised = Result(law.id, backend.name, Verdict.UNKNOWN)
            _Run(law, backend, replace(effort, dialect="torch", shrink=0.0), known, journal).go(promised)
            if promised.verdict is not Verdict.PASS:
                result.verdict, result.waived = Verdict.DECLARED, touching
                declared = ", ".join(f"{name}={backend.dialect.deviations[name]}" for name in touching)
                result.message = f"as declared ({declared}), not as in PyTorch: {promised.message}"
    result.seconds = perf_counter() - start
    return result


def replayed(law: Law, program: Program, backend: Backend, effort: Effort | None = None) -> Result:
    """The verdict of a law on just one program."""
    result = Result(law.id, backend.name, Verdict.UNKNOWN)
    effort = replace(effort or Effort(), shrink=0.0)
    run_of_law = _Run(law, backend, effort, KnownFailures(), None)
    start = perf_counter()
    with backend.session():
        try:
            examine(law, program, backend, run_of_law.tally, effort.strict, run_of_law.dialect)
        except Exception as error:
            run_of_law.failure = (program, error)
        run_of_law.programs = 1
        run_of_law.conclude(result)
    result.seconds = perf_counter() - start
    return result


def _error(call: Callable[[], object]) -> Exception | None:
    """What a call raises."""
    try:
        call()
    except Exception as error:
        return error
    return None


class _Run:
    """All examples of one law on one backend."""

    def __init__(
        self,
        law: Law,
        backend: Backend,
        effort: Effort,
        known: KnownFailures,
        journal: Callable[[str, bytes], None] | None,
    ) -> None:
        self.law = law
        self.backend = backend
        self.effort = effort
        self.known = known
        self.journal = journal or (lambda law, draw: None)
        self.dialect = backend.dialect if effort.dialect == "declared" else PYTORCH
        self.vocabulary = vocabulary_of(backend)
        #: Part of each draw, for Hypothesis tries the same simplest bytes first whatever the seed.
        self.start = zlib.crc32(law.id.encode()) ^ (effort.seed & 0xFFFFFFFF)
        self.tally = Judge(law.id)
        self.coverage = Coverage()
        self.programs = self.discarded = 0
        #: Those that showed, in the order in which they did.
        self.listed: dict[Known, None] = {}
        self.excused, self.entries = Counter[str](), Counter[str]()
        self.failure: tuple[Program | None, Exception] | None = None

    def case(self, data: bytes) -> None:
        """One test case of Hypothesis: several programs."""
        again = self.failure is not None  # Hypothesis runs a failing case once more, to see if it is stable
        tally = Judge(self.law.id) if again else self.tally
        wanted = BATCH if again else min(BATCH, self.effort.examples - self.programs)
        with collected_later():
            if self.law.leaning is None:
                for number in range(wanted):
                    self.settle(None, self.shown(self.draw(data, number), tally), tally)
            else:
                self.batch(data, wanted, tally)

    def draw(self, data: bytes, number: int) -> bytes:
        """The bytes that one program of a test case is drawn from."""
        return data + _DRAW.pack(self.start, number)

    def batch(self, data: bytes, wanted: int, tally: Judge) -> None:
        """Judge a few programs, and then the rest: what fails often need not wait for all of them."""
        numbers, few = iter(range(3 * BATCH)), min(FEW, wanted)
        for some in (few, wanted - few):
            self.in_phases(self.programs_from(data, numbers, some, tally), tally)
        while tally is self.tally and not tally.assertions and self.programs < self.effort.examples + MORE:
            more = self.programs_from(data, numbers, 1, tally)
            if not more:
                break
            self.in_phases(more, tally)

    def programs_from(self, data: bytes, numbers: Iterator[int], wanted: int, tally: Judge) -> list[Drawn]:
        """The next programs of a test case."""
        programs: list[Drawn] = []
        while len(programs) < wanted and (number := next(numbers, None)) is not None:
            draw = self.draw(data, number)
            try:
                programs.append((draw, drawn(self.law, self.vocabulary, draw)))
            except DeadEnd:
                self.discarded += tally is self.tally
        return programs

    def in_phases(self, programs: list[Drawn], tally: Judge) -> None:
        """Run, predict and judge: each for all programs, so that caches stay warm."""
        seen = [self.observed(draw, program) for draw, program in programs]
        for trace in seen if tally is self.tally else ():
            if not isinstance(trace, Exception):
                self.coverage.note(trace)
        trials = [self.expected(program, got) for (_, program), got in zip(programs, seen, strict=True)]
        seen.clear()
        while programs:  # each is let go of while it is at hand
            (draw, program), trial = programs.pop(0), trials.pop(0)
            self.journal(self.law.id, draw)  # a law may run its program again
            self.settle(program, self.asked(trial, tally), tally)

    def shown(self, data: bytes, tally: Judge) -> Exception | None:
        """How one scene of an exhibit ended."""
        self.journal(self.law.id, data)
        return _error(lambda: show(self.law, self.backend, data, tally, self.dialect))

    def observed(self, draw: bytes, program: Program) -> Trace | Exception:
        """The trace of a program, or how running it ended."""
        self.journal(self.law.id, draw)
        try:
            return run(program, self.backend)
        except Exception as error:
            return error

    def expected(self, program: Program, got: Trace | Exception) -> Trial | Exception:
        """The observed trace beside the expected one."""
        if isinstance(got, Exception):
            return got
        try:
            want = believe(program, got, self.effort.strict, self.dialect)
            return Trial(self.law.id, program, self.backend, got, want)
        except Exception as error:
            return error

    def asked(self, trial: Trial | Exception, tally: Judge) -> Exception | None:
        """What the law says."""
        return trial if isinstance(trial, Exception) else _error(lambda: ask(self.law, trial, tally))

    def settle(self, program: Program | None, error: Exception | None, tally: Judge) -> None:
        """Count the program; raise what is neither lawful nor listed."""
        self.programs += tally is self.tally
        if error is None:
            return
        law, entry = self._listing(program, error)
        if entry is None:
            self.failure = (program, error)
            raise error
        if law == self.law.id:
            self.listed[entry] = None
        else:
            self.excused[law] += 1
        self.entries[entry.label] += 1

    def _listing(self, program: Program | None, error: Exception) -> tuple[str, Known | None]:
        """(the law that the entry is about, the entry that covers the failure, if one does)."""
        blamed = error.law if isinstance(error, Broken) else self.law.id
        found = ((law, self.known.excuse(law, program)) for law in (blamed, self.law.id))
        return next((pair for pair in found if pair[1] is not None), (blamed, None))

    def go(self, result: Result) -> None:
        """Run the examples and fill in the result."""
        size = SIZE - _DRAW.size
        test = given(st.binary(min_size=size, max_size=size))(lambda data: self.case(data))
        test = seed(self.start)(test)
        test = settings(
            max_examples=-(-self.effort.examples // BATCH),
            phases=[Phase.generate],
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )(test)
        unstable = ""
        try:
            test()
        except Exception as error:
            if self.failure is None:
                raise
            if isinstance(error, HypothesisException):
                unstable = "not the same when run again; "
        self.conclude(result, unstable)

    def conclude(self, result: Result, unstable: str = "") -> None:
        """Fill in what the examples showed."""
        result.programs, result.discarded = self.programs, self.discarded
        result.assertions, result.worst = self.tally.assertions, self.tally.worst
        result.excused, result.entries = dict(self.excused), dict(self.entries)
        result.covered = self.coverage.covered()
        if self.failure is not None:
            self._report(result, *self.failure, unstable)
        elif entries := list(dict.fromkeys([*self.known.of(self.law.id), *self.listed])):
            result.known = " and ".join(f"{entry.reason} ({entry.link})" for entry in entries)
            result.verdict, result.message = self._standing(entries)
        elif self.tally.assertions:
            result.verdict = Verdict.PASS
        else:
            result.message = "no assertion was executed: nothing is known of this law"

    def _standing(self, entries: list[Known]) -> tuple[Verdict, str]:
        """Whether the entries about this law, of which none was contradicted, still say what is true."""
        unseen = [entry for entry in entries if entry not in self.listed]
        gone = [entry for entry in unseen if entry.reproduces() is False]
        if not gone and (self.listed or any(entry.reproduces() for entry in unseen)):
            return Verdict.KNOWN, ""
        first = (gone or unseen)[0].reason
        return Verdict.STALE, f"listed as a known failure, but nothing fails: take it off the list ({first})"

    def _report(self, result: Result, program: Program | None, error: Exception, unstable: str) -> None:
        small = program
        if program is not None:
            defined = sound(program, self.backend)
            fails = lambda p: self._alike(p, error, defined)  # noqa: E731
            small = minimised(program, fails, lambda p: contents(p, self.backend), self.effort.shrink)
            error = self._outcome(small) or error
        if isinstance(error, Broken):
            result.verdict = Verdict.FAIL
            step = ""
            if small is not None and error.index is not None:
                step = statement(small.steps[error.index], self.backend.spellings)
            result.finding = Finding(error.law, error.thing, error.got, error.expected, step)
            result.message = f"{unstable}{error}"
        else:
            result.verdict = Verdict.ERROR
            result.message = unstable + (str(error) if isinstance(error, EngineBroke) else described(error))
            result.finding = Finding(self.law.id, "the engine", result.message, "no error")
        over = [entry.until for entry in self.known.of(self.law.id) if entry.expired]
        if over:
            result.message += f"; its entry in the list of known failures excuses nothing after {over[0]}"
        if small is not None:
            result.finding.program = source(small.steps, self.backend.spellings)
            result.finding.steps = small
        if small is not None and isinstance(error, Broken) and isinstance(self.backend, TorchLike):
            with suppress(Exception):  # a script is a courtesy: what breaks it must not hide the finding
                result.finding.script = script(small, error, self.backend)

    def _outcome(self, program: Program) -> Exception | None:
        tally, strict = Judge(self.law.id), self.effort.strict
        return _error(lambda: examine(self.law, program, self.backend, tally, strict, self.dialect))

    def _alike(self, program: Program, error: Exception, defined: bool) -> bool:
        if defined and not sound(program, self.backend):
            return False  # it would fail because it asks for what is nowhere defined
        again = self._outcome(program)
        if again is None or self._listing(program, again)[1] is not None:
            return False  # what is on the list is another failure
        if isinstance(error, Broken):
            return isinstance(again, Broken) and again.law == error.law
        return type(again) is type(error) and described(error).split()[:4] == described(again).split()[:4]
