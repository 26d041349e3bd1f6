"""Makes a whole program that shows a difference small, and finds out which law it is about.

Looked at after every step, the program says at which step the difference arises; only where that hides the
difference do the program's own looks stay. Whole runs of steps are dropped first, then the passes of the shrinker
take over, and in the end shapes are made smaller.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.execution.judging_standard import LENIENT, Standard
from gradlaws.conformance.execution.whole_program_run import watch, watchful
from gradlaws.conformance.judgement.definedness import Contents, contents, sound
from gradlaws.conformance.judgement.finding_builder import blamed
from gradlaws.conformance.judgement.fresh_processes import FreshProcesses, FreshSubject, possible
from gradlaws.conformance.judgement.reruns import Small, Steadily
from gradlaws.conformance.judgement.shrink_passes import DETAIL, STRUCTURE
from gradlaws.conformance.judgement.shrinker import Shrinker, Subject, same_failure
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Look
from gradlaws.conformance.laws.breach import Broken, symptom_of
from gradlaws.conformance.whole_programs.judge import WHOLE_PROGRAMS, breach
from gradlaws.conformance.whole_programs.listed_breaches import Containment

#: Puts looks into a program before it is compared.
Form = Callable[[Program], Program]


class WholeSubject:
    """Whole programs that differ, on one engine, in the form in which they are looked at.

    known: what is passed over.
    form:  puts looks into a program before it is compared.
    """

    def __init__(
        self,
        backend: Backend,
        standard: Standard = LENIENT,
        known: KnownFailures | None = None,
        form: Form = lambda program: program,
    ) -> None:
        self.backend = backend
        self.standard = standard
        self.known = known
        self.form = form

    def error(self, program: Program, past: Containment | None = None) -> Exception | None:
        """What is wrong with a program, if anything, past what is listed."""
        if past is None and self.known is not None:
            past = Containment(self.known)
        try:
            return breach(self.form(program), self.backend, self.standard, past)
        except Exception:
            return None  # not even the reference can make sense of it

    def sound(self, program: Program) -> bool:
        """Whether a program can be looked at, and asks for nothing that is nowhere defined."""
        return sound(self.form(program), self.backend, watch)

    def contents(self, program: Program) -> Contents:
        """What the tensors of a program hold when they are made."""
        return contents(watchful(program), self.backend, watch)

    def possible(self, program: Program) -> bool:
        """Whether each op has a result."""
        return possible(program, self.backend, self.standard)


class WholeShrinker:
    """Makes whole programs small on one engine.

    seconds: the time for one program.
    known:   what is passed over.
    subject: makes subjects of a form; by default those that are looked at on the engine, here.
    """

    def __init__(
        self,
        backend: Backend,
        seconds: float = 2.0,
        standard: Standard = LENIENT,
        known: KnownFailures | None = None,
        subject: Callable[[Form], Subject] | None = None,
    ) -> None:
        self.seconds = seconds
        made = subject or partial(WholeSubject, backend, standard, known)
        self._asis, self._watchful = made(lambda program: program), made(watchful)

    def error(self, program: Program) -> Exception | None:
        """What is wrong with a program, if anything, past what is listed."""
        return self._asis.error(program)

    def reduce(self, program: Program, error: Exception) -> Small:
        """The smallest program found in time that fails as this one does."""
        whole, found = program, self._watchful.error(program)
        dense = found is not None
        known = found or error
        subject = self._watchful if dense else self._asis
        if dense:
            program = Program(tuple(s for s in program if not isinstance(s, Look)))
        program = _truncated(program, known, dense)
        shrinker = Shrinker(subject, self.seconds, (STRUCTURE, DETAIL))
        small, minimal = shrinker.shrink(program, known, runs=True)
        shown = small
        if dense:
            once = Program((*small.steps, Look()))
            again = self._asis.error(once)
            shown = once if again is not None and same_failure(again, known) else watchful(small)
        again = self._asis.error(shown)
        return Small(shown, again, minimal) if again is not None else Small(whole, error, False)


def _truncated(program: Program, error: Exception, dense: bool) -> Program:
    """Without the steps after the one that shows it; in a watchful program every other step is a look."""
    if not isinstance(error, Broken) or error.index is None:
        return program
    return Program(program.steps[: error.index // 2 + 1 if dense else error.index + 1])


def careful_shrinker(
    backend: Backend, seconds: float, standard: Standard, known: KnownFailures
) -> WholeShrinker:
    """What takes nothing for smaller that does not differ several times."""
    subject = partial(WholeSubject, backend, standard, known)
    return WholeShrinker(backend, seconds, subject=lambda form: Steadily(subject(form)))


def fresh_shrinker(
    backend: Backend, seconds: float, standard: Standard, known: KnownFailures, processes: FreshProcesses
) -> WholeShrinker:
    """What makes whole programs small in processes of their own."""

    def listed(program: Program, error: Exception) -> bool:
        return known.excuse(blamed(error), program, symptom_of(error)) is not None

    subject = partial(FreshSubject, WHOLE_PROGRAMS, backend, standard, processes, listed)
    return WholeShrinker(backend, seconds, subject=subject)
