"""Makes a whole program that shows a discrepancy small, and finds out which law it is about.

Looked at after every step, the program says at which step the difference arises; only where that hides the
difference do the program's own looks stay. Whole runs of steps are dropped first, then the structural
minimiser takes over, and in the end shapes are made smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import monotonic

import numpy as np

from gradlaws.conformance.backend import Backend
from gradlaws.conformance.backends.reference import ReferenceBackend
from gradlaws.conformance.comparing import breach
from gradlaws.conformance.containing import Passing
from gradlaws.conformance.dialect import Dialect
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.examining import contents, sound
from gradlaws.conformance.interpreter import run
from gradlaws.conformance.known import KnownFailures
from gradlaws.conformance.laws.trial import Broken
from gradlaws.conformance.minimise import Contents, descended, minimised
from gradlaws.conformance.observe import described
from gradlaws.conformance.program import Program
from gradlaws.conformance.reference.engine import MustRaise
from gradlaws.conformance.steps import Apply, Backward, Grad, Hook, InPlace, Leaf, Literal, Look, Step
from gradlaws.conformance.watching import watch, watchful


@dataclass(frozen=True)
class Reduced:
    """A small program, and what is wrong with it.

    minimal: whether nothing that the reducer knows makes it smaller; False where the time was up before.
    """

    program: Program
    error: Exception
    minimal: bool = True


class Reducer:
    """Reduces programs on one engine."""

    def __init__(
        self,
        backend: Backend,
        seconds: float = 2.0,
        strict: bool = False,
        dialect: Dialect | None = None,
        known: KnownFailures | None = None,
    ) -> None:
        self.backend = backend
        #: What is passed over.
        self.known = known
        self.seconds = seconds
        self.strict = strict
        self.dialect = dialect

    def error(self, program: Program, past: Passing | None = None) -> Exception | None:
        """What is wrong with a program, if anything, past what is listed."""
        if past is None and self.known is not None:
            past = Passing(self.known)
        try:
            return breach(program, self.backend, self.strict, self.dialect, past)
        except Exception:
            return None  # not even the reference can make sense of it

    def reduce(self, program: Program, error: Exception) -> Reduced:
        """The smallest program found in time that breaks the law that this one breaks."""
        found = self.error(watchful(program))
        dense = found is not None
        known = found or error
        form = watchful if dense else _as_it_is
        sound = self._sound(form(program))

        def fails(candidate: Program) -> bool:
            whole = form(candidate)
            again = self.error(whole)
            return again is not None and alike(again, known) and (not sound or self._sound(whole))

        if dense:
            program = Program(tuple(s for s in program if not isinstance(s, Look)))
        deadline = monotonic() + self.seconds
        program = _truncated(program, known, dense)
        program = _in_runs(program, fails, deadline)
        larger: Program | None = None
        while program is not larger and monotonic() < deadline:
            larger = program
            program = minimised(program, fails, self._contents, max(0.0, deadline - monotonic()))
            program = descended(program, lambda p: self._possible(p) and fails(p), _narrower, deadline)
        minimal = monotonic() < deadline
        shown = program
        if dense:
            once = Program((*program.steps, Look()))
            again = self.error(once)
            shown = once if again is not None and alike(again, known) else watchful(program)
        return Reduced(shown, self.error(shown) or known, minimal)

    def _possible(self, program: Program) -> bool:
        """Whether each op has a result: cut down, an operand may have become too small, and an engine die of it."""
        trace = run(program, ReferenceBackend(self.dialect or self.backend.dialect))
        ops = (moment.raised for moment in trace if isinstance(moment.step, Apply | InPlace))
        return all(raised is None or isinstance(raised, MustRaise) for raised in ops)

    def _sound(self, program: Program) -> bool:
        return sound(program, self.backend, watch)

    def _contents(self, program: Program) -> Contents:
        return contents(watchful(program), self.backend, watch)


def alike(error: Exception, other: Exception) -> bool:
    """Whether two programs are wrong in the same way: they break one law, or the engine with the same words."""
    if isinstance(error, Broken) or isinstance(other, Broken):
        return isinstance(error, Broken) and isinstance(other, Broken) and error.law == other.law
    return described(error).split()[:2] == described(other).split()[:2]


def _as_it_is(program: Program) -> Program:
    return program


def _truncated(program: Program, error: Exception, dense: bool) -> Program:
    """Without the steps after the one that shows it; in a watchful program every other step is a look."""
    if not isinstance(error, Broken) or error.index is None:
        return program
    return Program(program.steps[: error.index // 2 + 1 if dense else error.index + 1])


def dropped(program: Program, first: int, last: int) -> Program:
    """The program without steps `first` to `last` (exclusive) and whatever needs the variables they make."""
    gone = {v for step in program.steps[first:last] for v in step.outs}
    kept = list(program.steps[:first])
    for step in program.steps[last:]:
        if gone.isdisjoint(step.uses()):
            kept.append(step)
        else:
            gone.update(step.outs)
    return Program(tuple(kept))


def _in_runs(program: Program, fails: Callable[[Program], bool], deadline: float) -> Program:
    """Runs of steps dropped, long ones first."""
    size = max(len(program) // 2, 1)
    while size:
        last = len(program)
        while last > 0 and monotonic() < deadline:
            candidate = dropped(program, max(last - size, 0), last)
            if len(candidate) < len(program) and fails(candidate):
                program = candidate
                last = min(last - size, len(program))
            else:
                last -= size
        size //= 2
    return program


def _narrower(program: Program) -> tuple[Program, ...]:
    """Smaller shapes, and options and effects left out."""
    return *_smaller_shapes(program), *_plainer(program)


def _smaller_shapes(program: Program) -> Iterator[Program]:
    """All leaves cut down alike, the most radical way first; then one leaf at a time."""
    leaves = [k for k, step in enumerate(program) if isinstance(step, Leaf)]
    shapes = {k: step.value.array.shape for k, step in enumerate(program) if isinstance(step, Leaf)}
    for cut in _CUTS:
        for chosen in (leaves, *([k] for k in leaves)):
            steps = list(program.steps)
            smaller = False
            for k in chosen:
                step = steps[k]
                assert isinstance(step, Leaf)
                array = cut(step.value.array)
                if array.shape != shapes[k] and array.size:
                    smaller = True
                    steps[k] = replace(step, value=Literal(np.array(array)))
            if smaller:
                yield Program(tuple(steps))


_CUTS: tuple[Callable[[Array], Array], ...] = (
    lambda a: a.ravel()[:1].reshape(()),
    lambda a: a.ravel()[:1] if a.size > 1 or a.ndim > 1 else a,
    lambda a: a.ravel()[:2] if a.size > 2 or (a.size == 2 and a.ndim > 1) else a,
    lambda a: a[0] if a.ndim else a,
    lambda a: a[:1] if a.ndim and a.shape[0] > 1 else a,
    lambda a: a[..., :1] if a.ndim and a.shape[-1] > 1 else a,
)


def _plainer(program: Program) -> Iterator[Program]:
    """Effects of hooks and options of backwards left out, one at a time."""
    for k, step in enumerate(program):
        simpler: list[Step] = []
        if isinstance(step, Hook) and step.effect != "none":
            simpler.append(replace(step, effect="none"))
        if isinstance(step, Backward):
            simpler += [replace(step, inputs=None), replace(step, create_graph=False)]
            simpler += [replace(step, inputs=(v,)) for v in step.inputs or ()]
        if isinstance(step, Grad):
            simpler += [replace(step, retain_graph=None), replace(step, create_graph=False)]
            simpler += [replace(step, materialize_grads=False), replace(step, allow_unused=False)]
            simpler += [replace(step, gradients=None)]
            simpler += [
                replace(step, inputs=(x,), outs=(out,))
                for x, out in zip(step.inputs, step.outs, strict=False)
            ]
        for other in (s for s in simpler if s != step):
            yield Program((*program.steps[:k], other, *program.steps[k + 1 :]))
