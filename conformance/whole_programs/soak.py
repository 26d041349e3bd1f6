"""Soaks an engine in whole programs: as many as there is time for, each finding told once.

Program number n under a seed is always the same, so that a soak can be stopped, resumed, and split. What it
finds is appended to a file as it comes (`gradlaws.conformance.whole_programs.soak_file`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from time import monotonic, process_time

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exception_containment import contained
from gradlaws.conformance.engines.exceptions import ReferenceBroke, described
from gradlaws.conformance.execution.garbage_collection import collected_later
from gradlaws.conformance.execution.standard import LENIENT, Standard
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
from gradlaws.conformance.reach.reached import Call, Reached
from gradlaws.conformance.whole_programs.judge import unlooked, verdict
from gradlaws.conformance.whole_programs.likeness import skeleton
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
#: How many different minimal programs are kept per law; what comes after is counted.
MOST_PER_LAW = 12
#: Of the programs excused by a known failure, the first so many per law, and one in so many of the rest, are made
#: small all the same, to see whether it is that failure.
AUDITED, ONE_IN = 3, 50


def program_of(backend: Backend, seed: int, number: int, least: int = LEAST, most: int = MOST) -> Program:
    """Program number `number` under a seed."""
    return _steered(seed, Vocabulary.of(backend), least, most).draft(number).program()


#: Asked for one after the other, programs need not be drawn again and again.
_steered = lru_cache(maxsize=4)(steered)


@dataclass
class Found:
    """One finding: a law, or an error of the engine, and the smallest program that shows it.

    number: of the first program that showed it, where that is known.
    times:  how many did.
    """

    id: str
    finding: Finding
    number: int | None = None
    times: int = 1


@dataclass
class Tally:
    """How far a soak has come.

    number:   the next program.
    listed:   programs that showed known failures, and nothing else.
    ended:    those of them that were not judged to their end.
    excused:  programs that showed a known failure, by law.
    crashes:  programs that ended the process, or did not end.
    passed:   those of them that are still to come, by number: they are passed over.
    seconds:  processor seconds by part: draw, run, predict, compare, reduce.
    """

    number: int = 0
    programs: int = 0
    steps: int = 0
    assertions: int = 0
    worst: float = 0.0
    listed: int = 0
    ended: int = 0
    crashes: int = 0
    passed: list[int] = field(default_factory=list)
    excused: Counter[str] = field(default_factory=Counter)
    unreduced: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    wall: float = 0.0


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
    ) -> None:
        """Begin.

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
        self.tally = Tally()
        self.one_in = one_in
        self.reached = Reached()
        self.found: dict[str, Found] = {}
        #: Called before each program runs, with its number: what a crash leaves behind.
        self.journal: Callable[[int], None] = lambda number: None
        #: Called with each new finding.
        self.tell: Callable[[Found], None] = lambda found: None
        self._vocabulary = Vocabulary.of(backend, frozenset(backend.ops()) - withheld if withheld else None)
        self._steering = steered(seed, self._vocabulary, *lengths)
        #: By law and skeleton: the finding that is like it.
        self._like: dict[tuple[str, tuple[str, ...]], str] = {}

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
            self.tally.excused.update(dict.fromkeys(past.laws, 1))
            self.tally.listed += 1
            self.tally.ended += past.ended
            times = max(self.tally.excused[law] for law in past.laws)
            if times <= AUDITED or times % ONE_IN == 0:
                self._audit(number, program, error)
            return
        if sum(found.finding.law == blamed(located) for found in self.found.values()) >= MOST_PER_LAW:
            self.tally.unreduced[blamed(located)] += 1
            return
        fresh = None
        if self.fresh is not None and self.fresh.know(self.backend):
            fresh = fresh_shrinker(self.backend, self.shrinker.seconds, self.standard, self.known, self.fresh)
        self.keep(number, reduced(program, located, self.shrinker, self._careful, fresh))

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

    def _audit(self, number: int, program: Program, error: Exception) -> None:
        """Make a program small of which all breaches are listed, to see whether what is left is."""
        small = self.auditor.reduce(program, error)
        listed = self.known.excuse(blamed(small.error), small.program, symptom_of(small.error)) is not None
        if not listed and self.subject.error(small.program) is not None:
            self.keep(number, small)

    def keep(self, number: int, small: Small) -> None:
        """Keep what is left of a program as a finding."""
        failure = failure_of(small.error, small.program, self.backend)
        self.keep_finding(number, small.program, recurring(failure, small.recurrence).finding)

    def keep_finding(self, number: int, program: Program, finding: Finding) -> None:
        """Keep a finding, or count it where its like is there."""
        like = self._like.get((finding.law, skeleton(program)))
        if like is not None:
            self.found[like].times += 1
            return
        found = Found(replay_id(finding.law, program), finding, number if number >= 0 else None)
        self.add(found)
        self.tell(found)

    def add(self, found: Found) -> None:
        """Take up a finding, of this soak or of an earlier one."""
        self.found[found.id] = found
        if found.finding.steps is not None:
            self._like[found.finding.law, skeleton(found.finding.steps)] = found.id
