"""Makes a whole program that shows a difference small, and finds out which law it is about.

Looked at after every step, the program says at which step the difference arises; only where that hides the
difference do the program's own looks stay. Whole runs of steps are dropped first, then the passes of the shrinker
take over, and in the end shapes are made smaller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.execution.oracle import by_itself
from gradlaws.conformance.execution.strictness import LENIENT, Standard
from gradlaws.conformance.execution.whole_program_run import watch, watchful
from gradlaws.conformance.judgement.definedness import Contents, contents, sound
from gradlaws.conformance.judgement.shrink_passes import DETAIL, STRUCTURE
from gradlaws.conformance.judgement.shrinker import Shrinker, same_failure
from gradlaws.conformance.known_failures.entry import KnownFailures
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, InPlace, Look
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.reference.outcomes import MustRaise
from gradlaws.conformance.whole_programs.judge import breach
from gradlaws.conformance.whole_programs.listed_breaches import Containment


@dataclass(frozen=True)
class SmallWhole:
    """A small whole program, and what is wrong with it.

    minimal: whether nothing that the shrinker knows makes it smaller; False where the time was up before.
    """

    program: Program
    error: Exception
    minimal: bool = True


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
        form: Callable[[Program], Program] = lambda program: program,
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
        trace = by_itself(program, self.standard.conventions(self.backend))
        ops = (moment.raised for moment in trace if isinstance(moment.step, Apply | InPlace))
        return all(raised is None or isinstance(raised, MustRaise) for raised in ops)


class WholeShrinker:
    """Makes whole programs small on one engine.

    seconds: the time for one program.
    known:   what is passed over.
    """

    def __init__(
        self,
        backend: Backend,
        seconds: float = 2.0,
        standard: Standard = LENIENT,
        known: KnownFailures | None = None,
    ) -> None:
        self.seconds = seconds
        self._asis = WholeSubject(backend, standard, known)
        self._watchful = WholeSubject(backend, standard, known, watchful)

    def error(self, program: Program, past: Containment | None = None) -> Exception | None:
        """What is wrong with a program, if anything, past what is listed."""
        return self._asis.error(program, past)

    def reduce(self, program: Program, error: Exception) -> SmallWhole:
        """The smallest program found in time that fails as this one does."""
        found = self._watchful.error(program)
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
        return SmallWhole(shown, self._asis.error(shown) or known, minimal)


def _truncated(program: Program, error: Exception, dense: bool) -> Program:
    """Without the steps after the one that shows it; in a watchful program every other step is a look."""
    if not isinstance(error, Broken) or error.index is None:
        return program
    return Program(program.steps[: error.index // 2 + 1 if dense else error.index + 1])
