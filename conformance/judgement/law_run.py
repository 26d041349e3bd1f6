"""The programs of one law on one engine: drawn, run, believed, asked about, excused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exception_containment import contained
from gradlaws.conformance.execution.garbage_collection import collected_later
from gradlaws.conformance.execution.interpreter import run
from gradlaws.conformance.execution.op_coverage import Coverage
from gradlaws.conformance.execution.trace import Trace
from gradlaws.conformance.judgement.draws import BATCHED, built, draw, standing_for, start_of, vocabulary_of
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.examination import ask, show, trial_of
from gradlaws.conformance.judgement.excuses import Excuses
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.laws.registry import Law
from gradlaws.conformance.laws.trial import Judge, Trial
from gradlaws.conformance.reach.reached import Call, Reached
from gradlaws.strategies.builder import DeadEnd

#: Programs per test case of Hypothesis: after each change of phase the first few cost several times what others do.
BATCH = 100
FEW = 10  # of these are judged before all others are drawn
MORE = 10  # are judged beyond the budget, as long as there was nothing for the law to look at
#: Of so many programs, in one it is counted which steps came together.
COUNTED = 8
#: Called with the law's id and each draw before it runs, so that a crash can be traced.
Journal = Callable[[str, bytes], None]


class Drawn(NamedTuple):
    """A program, what it was drawn from, and its ops as they were drawn."""

    data: bytes
    program: Program
    calls: list[Call]


class Failing(NamedTuple):
    """A program, or a scene of an exhibit (without program), that fails, what it was drawn from, and how it fails."""

    program: Program | None
    data: bytes
    error: Exception


@dataclass
class Count:
    """How far the programs of a law have come.

    tally:     assertions, and the worst ratio of error to bound.
    discarded: draws that led to no program.
    """

    tally: Judge
    excuses: Excuses
    programs: int = 0
    discarded: int = 0
    coverage: Coverage = field(default_factory=Coverage)
    reached: Reached = field(default_factory=lambda: Reached(COUNTED))


class LawRun:
    """All programs of one law on one engine.

    count:    how far they have come.
    failure:  what fails first and is not listed.
    """

    def __init__(
        self,
        law: Law,
        backend: Backend,
        effort: Effort,
        known: KnownFailures,
        journal: Journal | None = None,
        withheld: frozenset[str] = frozenset(),
        first: Sequence[Program] = (),
    ) -> None:
        """Begin; `first`: programs that are judged before any is drawn."""
        self.law = law
        self.backend = backend
        self.effort = effort
        self.known = known
        self.journal: Journal = journal or (lambda law, draw: None)
        self.vocabulary = vocabulary_of(law, backend, known).less(withheld)
        self.first = first
        self.examples = min(effort.examples, max(FEW, effort.examples // law.thrift))
        self.start = start_of(law.id, effort.seed)
        self.count = self._nothing()
        self.failure: Failing | None = None

    def _nothing(self) -> Count:
        return Count(Judge(self.law.id), Excuses(self.law, self.backend, self.effort, self.known))

    def go(self) -> None:
        """Judge program after program, until the effort is spent or one fails."""
        if self._fails_again():
            return
        test = given(st.binary(min_size=BATCHED, max_size=BATCHED))(lambda data: self.batch(data))
        test = seed(self.start)(test)
        test = settings(
            max_examples=-(-self.examples // BATCH),
            phases=[Phase.generate],
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )(test)
        try:
            test()
        except Exception:  # what Hypothesis thinks of a case that does not fail twice included
            if self.failure is None:
                raise

    def _fails_again(self) -> bool:
        """Judge what was given; whether a program of it fails."""
        try:
            self._in_stages([Drawn(standing_for(p), p, []) for p in self.first], self.count)
        except Exception:
            if self.failure is None:
                raise
        return self.failure is not None

    def batch(self, data: bytes) -> None:
        """One test case of Hypothesis: several programs."""
        if self.failure is None:
            count, most = self.count, self.examples + len(self.first)
            wanted = min(BATCH, most - count.programs)
        else:  # Hypothesis runs a failing case once more, to see if it is stable: that counts for nothing
            count, most, wanted = self._nothing(), 0, BATCH
        with collected_later():
            if self.law.leaning is None:
                for number in range(wanted):
                    bits = draw(data, self.start, number)
                    self._settle(None, bits, self._shown(bits, count), count)
                return
            numbers, few = iter(range(3 * BATCH)), min(FEW, wanted)
            for some in (few, wanted - few):  # what fails often need not wait for all of them
                self._in_stages(self._drawn(data, numbers, some, count), count)
            while not count.tally.assertions and count.programs < most + MORE:
                more = self._drawn(data, numbers, 1, count)
                if not more or not most:
                    break
                self._in_stages(more, count)

    # -- the stages -------------------------------------------------------------------------------------------

    def _in_stages(self, programs: list[Drawn], count: Count) -> None:
        """Run, believe, ask and excuse: each for all programs, so that caches stay warm."""
        seen = self._all_observed(programs)
        for (_, program, calls), trace in zip(programs, seen, strict=True):
            if not isinstance(trace, Exception):
                orders = count.coverage.note(trace)
                failed = [moment.raised is not None or moment.skipped for moment in trace.moments]
                count.reached.note(program.steps, calls, failed, orders, watched=True)
        trials = [self._believed(drawn.program, got) for drawn, got in zip(programs, seen, strict=True)]
        seen.clear()
        while programs:  # each is let go of while it is at hand
            (data, program, _), trial = programs.pop(0), trials.pop(0)
            self.journal(self.law.id, data)  # a law may run its program again
            self._settle(program, data, self._asked(trial, count), count)

    def _drawn(self, data: bytes, numbers: Iterator[int], wanted: int, count: Count) -> list[Drawn]:
        """The next programs of a batch."""
        programs: list[Drawn] = []
        while len(programs) < wanted and (number := next(numbers, None)) is not None:
            bits = draw(data, self.start, number)
            try:
                builder = built(self.law, self.vocabulary, bits)
                programs.append(Drawn(bits, builder.program(), builder.calls))
            except DeadEnd:
                count.discarded += 1
        return programs

    def _all_observed(self, programs: list[Drawn]) -> list[Trace | Exception]:
        """The traces of programs: sent at once, where they run in another process."""
        if (elsewhere := self.backend.elsewhere) is None:
            return [self._observed(data, program) for data, program, _ in programs]
        return elsewhere.many(
            [drawn.program for drawn in programs],
            False,
            lambda k: self.journal(self.law.id, programs[k].data),
        )

    def _observed(self, data: bytes, program: Program) -> Trace | Exception:
        """The trace of a program, or how running it ended."""
        self.journal(self.law.id, data)
        try:
            with contained():
                return run(program, self.backend)
        except Exception as error:
            return error

    def _believed(self, program: Program, got: Trace | Exception) -> Trial | Exception:
        """The observed trace beside the expected one."""
        if isinstance(got, Exception):
            return got
        try:
            return trial_of(self.law.id, program, self.backend, got, self.effort)
        except Exception as error:
            return error

    def _asked(self, trial: Trial | Exception, count: Count) -> Exception | None:
        """What the law says of a program."""
        if isinstance(trial, Exception):
            return trial
        try:
            with contained():
                ask(self.law, trial, count.tally)
        except Broken as error:
            return error.with_traceback(None)  # whose frames would hold the trial in a cycle
        except Exception as error:
            return error
        return None

    def _shown(self, data: bytes, count: Count) -> Exception | None:
        """What the law says of one scene of an exhibit."""
        self.journal(self.law.id, data)
        try:
            with contained():
                show(self.law, self.backend, data, count.tally, self.effort)
        except Exception as error:
            return error
        return None

    def _settle(self, program: Program | None, data: bytes, error: Exception | None, count: Count) -> None:
        """Count the program; raise what is neither lawful nor listed."""
        count.programs += 1
        if error is not None and not count.excuses.cover(program, error, data):
            self.failure = self.failure or Failing(program, data, error)
            raise error
