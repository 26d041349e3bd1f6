"""Soaks an engine in whole programs: as many as there is time for, each finding told once.

Program number n under a seed is always the same, so that a soak can be stopped, resumed, and split. What it
finds is appended to a file as it comes (`gradlaws.conformance.whole_programs.soak_file`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from time import monotonic, process_time
from typing import Any

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exception_containment import contained
from gradlaws.conformance.engines.exceptions import ReferenceBroke, described
from gradlaws.conformance.execution.garbage_collection import collected_later
from gradlaws.conformance.execution.judging_standard import LENIENT, Standard
from gradlaws.conformance.execution.trace import Trace
from gradlaws.conformance.execution.whole_program_run import watch, watchful
from gradlaws.conformance.judgement.finding import Finding
from gradlaws.conformance.judgement.finding_builder import blamed, failure_of, recurring
from gradlaws.conformance.judgement.fresh_processes import FreshProcesses
from gradlaws.conformance.judgement.replay_id import replay_id
from gradlaws.conformance.judgement.reruns import Small, reduced
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.known_failures.toml_parser import about
from gradlaws.conformance.language.derivative_orders import differentiated
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.laws.breach import Broken, symptom_of
from gradlaws.conformance.reach.possible import own
from gradlaws.conformance.reach.reached import Call, Reached
from gradlaws.conformance.whole_programs.judge import unlooked, verdict
from gradlaws.conformance.whole_programs.ledger import Found, Ledger, Settled, Tally
from gradlaws.conformance.whole_programs.listed_breaches import Containment
from gradlaws.conformance.whole_programs.shrinker import (
    WholeShrinker,
    WholeSubject,
    careful_shrinker,
    fresh_shrinker,
)
from gradlaws.conformance.whole_programs.trial import WholeTrial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.vocabulary import Vocabulary
from gradlaws.strategies.whole_programs import LEAST, MOST, steered

#: Programs that are drawn, run, predicted and compared together, so that caches stay warm.
BATCH = 50
#: Programs after which all garbage is collected, at a cost of some hundred programs.
FULL = 5000


def program_of(
    backend: Backend,
    seed: int,
    number: int,
    least: int = LEAST,
    most: int = MOST,
    known: KnownFailures | None = None,
) -> Program:
    """Program number `number` under a seed, of those that do without what a list keeps apart."""
    return _steered(seed, _vocabulary(backend, known or KnownFailures()), least, most).draft(number).program()


def _vocabulary(backend: Backend, known: KnownFailures, withheld: frozenset[str] = frozenset()) -> Vocabulary:
    """What whole programs may use: what the engine has, but for what a list keeps apart and what is withheld."""
    return Vocabulary.of(backend).less(known.apart() | withheld, known.apart_calls())


#: Asked for one after the other, programs need not be drawn again and again.
_steered = lru_cache(maxsize=4)(steered)


class Soak:
    """Whole programs, one after another, on one engine."""

    def __init__(
        self,
        backend: Backend,
        seed: int = 0,
        known: KnownFailures | None = None,
        standard: Standard = LENIENT,
        shrink: float = 2.0,
        lengths: tuple[int, int] = (LEAST, MOST),
        fresh: FreshProcesses | None = None,
        withheld: frozenset[str] = frozenset(),
        one_in: int = 4,
        first: int | None = None,
    ) -> None:
        """Begin.

        first:    the first program, of a soak that is part of another one; None for one that is whole.
        fresh:    where what is found is run again, too.
        withheld: ops that programs shall not use.
        one_in:   what is reached is counted in one of so many programs.
        """
        self.backend = backend
        self.seed = seed
        self.known = about(backend, known)
        self.standard = standard
        self.lengths = lengths
        self.fresh = fresh
        self.subject = WholeSubject(backend, standard, self.known)
        self.shrinker = WholeShrinker(backend, shrink, standard, self.known)
        self._careful = careful_shrinker(backend, shrink, standard, self.known)
        self.auditor = WholeShrinker(backend, shrink, standard)
        self.first = first
        self.ledger = Ledger()
        self.tally.number = first or 0
        self.one_in = one_in
        self.reached = Reached()
        #: Called before each program runs, with its number: what a crash leaves behind.
        self.journal: Callable[[int], None] = lambda number: None
        self._vocabulary = _vocabulary(backend, self.known, withheld)
        self._steering = steered(seed, self._vocabulary, *lengths)

    @property
    def tally(self) -> Tally:
        """How far it has come."""
        return self.ledger.tally

    @property
    def found(self) -> dict[str, Found]:
        """What it has found, by id."""
        return self.ledger.found

    def heading(self) -> dict[str, Any]:
        """What it is about, as data."""
        head = {
            "backend": self.backend.name, "given": self.backend.given, "version": self.backend.version(),
            "seed": self.seed, "strict": self.standard.strict, "least": self.lengths[0], "most": self.lengths[1],
        }  # fmt: skip
        return head if self.first is None else {**head, "first": self.first}

    def has(self) -> dict[str, Any]:
        """What the engine has, of which programs may have reached some."""
        engine = self.backend
        has = {"ops": sorted(engine.repertoire), "capabilities": sorted(engine.capabilities)}
        return {**has, "own": own(engine.own, engine.capabilities)} if engine.own else has

    def run(
        self,
        programs: int | None = None,
        seconds: float | None = None,
        progress: Callable[[Tally], None] = lambda tally: None,
        enough: int | None = None,
    ) -> Tally:
        """Go on until `programs` in all, or for so many seconds, or until interrupted; returns the tally.

        enough: stop once there are so many findings.

        A KeyboardInterrupt is passed on, with the tally and the findings of all complete batches kept.
        """
        start = last = monotonic()
        with self.backend.session():
            while (programs is None or self.tally.number < programs) and (
                seconds is None or last - start < seconds
            ):
                if enough is not None and len(self.found) >= enough:
                    break
                size = BATCH if programs is None else min(BATCH, programs - self.tally.number)
                self._batch(range(self.tally.number, self.tally.number + size), enough)
                self.tally.wall += monotonic() - last
                last = monotonic()
                progress(self.tally)
        return self.tally

    def again(self, programs: Sequence[Program]) -> None:
        """Judge programs that failed before; they are numbered from the last, -1, backwards."""
        with self.backend.session():
            for number, program in enumerate(programs, -len(programs)):
                error = self._compare(self._predict(program, self._watch(number, program)))
                if error is not None:
                    self.settle(number, program, error)

    def _batch(self, numbers: range, enough: int | None) -> None:
        # Whatever outlived a batch is looked at now and then: between batches there is hardly time for it.
        with collected_later(1 if numbers.stop // FULL == numbers.start // FULL else 2):
            steps = self._judged([n for n in numbers if n not in self.tally.passed], enough)
            clock = process_time()
        self._spent("free", clock)
        self.tally.number = numbers.stop
        self.tally.passed = [n for n in self.tally.passed if n >= numbers.stop]
        self.tally.programs += len(numbers)
        self.tally.steps += steps

    def _judged(self, numbers: Sequence[int], enough: int | None) -> int:
        """Draw, run, predict and compare; how many steps there were."""
        clock = process_time()
        drafts = [self._draw(n) for n in numbers]
        drawn = [draft.program() for draft in drafts]
        clock = self._spent("draw", clock)
        if (elsewhere := self.backend.elsewhere) is None:
            seen = [self._watch(n, program) for n, program in zip(numbers, drawn, strict=True)]
        else:
            seen = elsewhere.many(drawn, True, lambda k: self.journal(numbers[k]))
        clock = self._spent("run", clock)
        for number, draft, program, got in zip(numbers, drafts, drawn, seen, strict=True):
            if not number % self.one_in:
                self._reached(draft.calls, program, got)
        drafts.clear()
        clock = self._spent("count", clock)
        trials = [self._predict(program, got) for program, got in zip(drawn, seen, strict=True)]
        clock = self._spent("predict", clock)
        breaches = [
            (n, program, error)
            for n, program, trial in zip(numbers, drawn, trials, strict=True)
            if (error := self._compare(trial)) is not None
        ]
        clock = self._spent("compare", clock)
        for n, program, error in breaches:
            if enough is None or len(self.found) < enough:
                self.settle(n, program, error)
        self._spent("reduce", clock)
        return sum(map(len, drawn))

    def _spent(self, part: str, since: float) -> float:
        now = process_time()
        self.tally.seconds[part] = self.tally.seconds.get(part, 0.0) + now - since
        return now

    def _draw(self, number: int) -> Builder:
        return self._steering.draft(number)

    def _reached(self, calls: list[Call], program: Program, got: Trace | Exception) -> None:
        if isinstance(got, Exception):
            return
        failed = [moment.raised is not None or moment.skipped for moment in got.moments]
        orders = differentiated(step for step, wrong in zip(program, failed, strict=True) if not wrong)
        self.reached.note(program.steps, calls, failed, orders, watched=False)

    def _watch(self, number: int, program: Program) -> Trace | Exception:
        self.journal(number)
        try:
            with contained():
                return watch(program, self.backend)
        except Exception as error:
            return unlooked(error).with_traceback(None)

    def _predict(self, program: Program, got: Trace | Exception) -> WholeTrial | Exception:
        if isinstance(got, Exception):
            return got
        try:
            return WholeTrial(program, self.backend, got, self.standard)
        except ReferenceBroke as error:
            return error.with_traceback(None)

    def _compare(self, trial: WholeTrial | Exception) -> Exception | None:
        if isinstance(trial, Exception):
            return trial
        try:
            error = verdict(trial)
        except Exception as broken:
            error = ReferenceBroke(f"the comparison itself broke: {described(broken)}")
        if error is not None:
            error = error.with_traceback(None)  # whose frames hold the trial, in a cycle
        self.tally.assertions += trial.assertions
        self.tally.worst = max(self.tally.worst, trial.worst)
        return error

    # -- findings ---------------------------------------------------------------------------------------------

    def settle(self, number: int, program: Program, error: Exception) -> None:
        """Go past breaches that are listed; make any other small, and keep it unless it is there already."""
        self.journal(number)
        past = Containment(self.known)
        located = self.subject.error(watchful(program), past)
        if located is None and not past.laws:
            # Looked at after every step, the program shows nothing.
            past = self._unlocated(program, error)
            located = None if past.laws else error
        if located is None:
            found = self._audit(number, program, error) if self.ledger.audits(number, past.laws) else None
            self.ledger.take(Settled(number, tuple(past.laws), past.ended, found=found))
            return
        law = blamed(located)
        if self.ledger.full(law):
            self.ledger.take(Settled(number, law=law))
            return
        fresh = None
        if self.fresh is not None and self.fresh.know(self.backend):
            fresh = fresh_shrinker(self.backend, self.shrinker.seconds, self.standard, self.known, self.fresh)
        small = reduced(program, located, self.shrinker, self._careful, fresh)
        self.ledger.take(Settled(number, law=law, found=self.left(number, small)))

    def _unlocated(self, program: Program, error: Exception) -> Containment:
        """What is listed of a breach that shows only where the program itself looks."""
        past = Containment(self.known)
        if isinstance(error, ReferenceBroke) or (self.subject.error(program, past) is None and past.laws):
            return past
        past = Containment(self.known)
        end = error.index if isinstance(error, Broken) else None
        start = program if end is None else Program(program.steps[: end + 1])
        if self.known.excuse(blamed(error), start, symptom_of(error)) is not None:
            past.laws, past.ended = [blamed(error)], True
        return past

    def _audit(self, number: int, program: Program, error: Exception) -> Found | None:
        """Make a program small of which all breaches are listed: what is left, where that is not."""
        small = self.auditor.reduce(program, error)
        listed = self.known.excuse(blamed(small.error), small.program, symptom_of(small.error)) is not None
        shown = not listed and self.subject.error(small.program) is not None
        return self.left(number, small) if shown else None

    def left(self, number: int, small: Small) -> Found:
        """What is left of a program, as a finding."""
        failure = failure_of(small.error, small.program, self.backend)
        return found_by(number, small.program, recurring(failure, small.recurrence).finding)


def found_by(number: int, program: Program, finding: Finding) -> Found:
    """The finding that a program with a number has led to; negative where it was given."""
    return Found(replay_id(finding.law, program), finding, number if number >= 0 else None)
