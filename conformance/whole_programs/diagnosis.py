"""What a failure comes from: the smallest program in it that is wrong in any way, and whose fault that is.

Programs that fail before many laws come down to the same few. A failure belongs to an op if it vanishes where another
of its kind takes its place; to a dtype, if it vanishes in double precision; else to the kinds of steps that are left,
none of which can be taken out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from time import monotonic
from weakref import WeakKeyDictionary

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exceptions import EngineBroke, ReferenceBroke
from gradlaws.conformance.execution.judging_standard import Standard
from gradlaws.conformance.execution.whole_program_run import watchful
from gradlaws.conformance.judgement.finding import RootCause
from gradlaws.conformance.judgement.finding_builder import blamed, failure_of, scripted
from gradlaws.conformance.judgement.shrink_passes import DETAIL, STRUCTURE
from gradlaws.conformance.judgement.shrinker import Shrinker
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import source
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    Grad,
    Hook,
    InPlace,
    Leaf,
    Look,
    Mode,
    Step,
)
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.whole_programs.difference import Aspect, Difference
from gradlaws.conformance.whole_programs.op_replacement import replacements
from gradlaws.conformance.whole_programs.plainer_programs import DOUBLE, PLAINER, doubled, renamed
from gradlaws.conformance.whole_programs.shrinker import WholeSubject

#: Steps with which any op can be tried; a failure that takes no other is the op's, or that of most ops.
PLAIN = (Leaf, Apply, Backward, Grad, Look)
#: What is wrong of an op, by what is seen.
WRONG = {Aspect.VALUE: "value", Aspect.GRAD: "backward", Aspect.CALLS: "backward", Aspect.MEMORY: "memory"}

#: By engine and small program: the ops that its failure belongs to. Many laws come down to few programs.
_FOUND: WeakKeyDictionary[Backend, dict[str, list[str]]] = WeakKeyDictionary()


class AnyWrong(WholeSubject):
    """Programs that are wrong in any way, looked at after every step; one is as good as another."""

    def error(self, program: Program, past: object = None) -> Exception | None:
        """That something is wrong, past what is listed."""
        return EngineBroke("wrong", kind=("wrong",)) if self.really(program) is not None else None

    def really(self, program: Program) -> Exception | None:
        """What is wrong."""
        error = super().error(program)
        return None if isinstance(error, ReferenceBroke) else error


class Diagnosis:
    """The cause of failures on one engine.

    seconds: that may be spent on one.
    """

    def __init__(
        self, backend: Backend, standard: Standard, known: KnownFailures | None, seconds: float
    ) -> None:
        self.backend = backend
        self.standard = standard
        self.seconds = seconds
        self._subject = AnyWrong(backend, standard, known, watchful)
        self._deadline = 0.0

    def of(self, program: Program) -> RootCause | None:
        """The cause of what a program shows; None where nothing is wrong with it but before its law."""
        subject, self._deadline = self._subject, monotonic() + self.seconds
        wrong = subject.error(program)
        if wrong is None:
            return None
        program = Program(tuple(step for step in program if not isinstance(step, Look)))
        double = "float64" in self.backend.capabilities
        plainer = [p for p in PLAINER if double or p is not doubled]
        small = (
            Shrinker(subject, self.seconds, ((*plainer, *STRUCTURE), DETAIL)).shrink(program, wrong).program
        )
        error = subject.really(small)
        if error is None:  # it does not recur
            return None
        found = _FOUND.setdefault(self.backend, {})
        if (text := source(renamed(small).steps)) not in found:
            found[text] = self._ops(small, error)
        ops = found[text]
        held = {str(s.value.array.dtype) for s in small if isinstance(s, Leaf)}
        dtypes = sorted(held & set(DOUBLE)) if double else []
        return self._named(small, error, ops, dtypes)

    # -- whose fault ------------------------------------------------------------------------------------------

    def _ops(self, program: Program, error: Exception) -> list[str]:
        """The ops that the failure belongs to."""
        held = self._subject.contents(program)
        found = []
        for index, step in enumerate(program):
            if isinstance(step, Apply | InPlace) and step.op not in found:
                plain = all(isinstance(s, PLAIN) or s is step for s in program)
                lenient = isinstance(error, Broken) and error.expected == "an error"
                others = replacements(program, index, held, self.backend.repertoire)
                if self._alone(others, plain and not lenient):
                    found.append(step.op)
        return found

    def _alone(self, others: Iterator[Program], plain: bool) -> bool:
        """Whether other ops do well where this one does not: all of them, or in a plain program most."""
        tried = failed = 0
        for other in others:
            if monotonic() > self._deadline:
                break
            if not self._subject.sound(other):
                continue
            tried += 1
            if self._subject.error(other) is not None and (plain or self._minimal(other)):
                failed += 1
                if not plain:
                    return False
        return 2 * failed <= tried

    def _minimal(self, program: Program) -> bool:
        """Whether it is wrong for the same reason: without a step, nothing is."""
        steps = range(len(program))
        return all(self._subject.error(program.without(index)) is None for index in steps)

    # -- in words ---------------------------------------------------------------------------------------------

    def _named(self, program: Program, error: Exception, ops: list[str], dtypes: list[str]) -> RootCause:
        shown = Program((*program.steps, Look()))
        failure = failure_of(error, shown, self.backend)
        failure.finding.script = scripted(
            replace(failure.finding, steps=watchful(program)), error, self.backend
        )
        plain = all(isinstance(step, PLAIN) for step in program)
        inside = f" in {' and '.join(dtypes)}" if dtypes else ""
        if ops:
            key, title = f"op {' '.join(sorted(ops))}", f"{' and '.join(ops)}{inside}: {_said(error)}"
        elif dtypes and plain:
            key, title = f"dtype {' '.join(dtypes)}", f"{' and '.join(dtypes)}: {_said(error)}"
        else:
            key, title = f"steps {' '.join([*_labels(program), *dtypes])} {_aspect(error)}", ""
            if blamed(error) == EngineBroke.law:  # no law says it
                kinds = " and ".join(
                    dict.fromkeys(type(s).__name__ for s in program if not isinstance(s, Leaf))
                )
                title = f"{kinds or 'a new tensor'}{inside}: {_said(error)}"
        return RootCause(key, title, failure.finding, frozenset(ops))


def _labels(program: Program) -> list[str]:
    """The kinds of steps that a program cannot do without, with their options; up to two of a kind."""
    counted = Counter(filter(None, map(_label, program)))
    return sorted(f"{label}*" if count > 1 else label for label, count in counted.items())


def _label(step: Step) -> str:
    if isinstance(step, Leaf | Apply | Look):
        return ""
    kind = type(step).__name__
    match step:
        case Hook() | Mode():
            return f"{kind}:{getattr(step, 'effect', '')}{step.kind}"
        case Backward() | Grad():
            options = ["create_graph"] * step.create_graph + ["inputs"] * (
                isinstance(step, Backward) and step.inputs is not None
            )
            return ":".join(["Backward", *options, *["roots"] * (len(step.roots) > 1)])
    return kind


def _aspect(error: Exception) -> str:
    difference = error.difference if isinstance(error, Broken | EngineBroke) else None
    return str(difference.aspect) if isinstance(difference, Difference) else ""


def _said(error: Exception) -> str:
    """What is wrong of an op or a dtype, in a few words."""
    if isinstance(error, EngineBroke) or (isinstance(error, Broken) and error.expected == "no error"):
        return "it is refused, or raises"
    if isinstance(error, Broken) and error.expected == "an error":
        return "it is not refused"
    aspect = _aspect(error)
    return f"its {WRONG[Aspect(aspect)]} is wrong" if aspect in WRONG else "what it leaves behind is wrong"
