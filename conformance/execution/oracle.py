"""What should have been observed: the reference engine, following a subject through a program.

The reference predicts each step from what the subject showed before it: after every step the oracle adopts
the gradients that were observed, so that each moment is judged on its own and a fault is blamed once. Where
an engine may refuse and the subject did, the reference refuses too. The expected trace ends with the first
unlawful outcome: an error where there must be none, or none where there must be one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.conventions import PYTORCH, Dialect
from gradlaws.conformance.engines.exceptions import guarded
from gradlaws.conformance.engines.time_limit import Endless
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.execution.hook_effects import Interruption
from gradlaws.conformance.execution.interpreter import Interpreter, run
from gradlaws.conformance.execution.trace import Moment, Seen, Trace
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Backward, Grad, Step, Var
from gradlaws.conformance.reference.engine import MayRaise, MustRaise
from gradlaws.conformance.reference.error_bounds import bound_of
from gradlaws.conformance.reference.node import Node, untracked
from gradlaws.conformance.reference.tensor import Tensor, fresh


@dataclass(slots=True)
class Expected(Trace):
    """An expected trace.

    derailed: the index of the first unlawful outcome, None if there is none.
    law:      the law that a missing error breaks; empty for an error where there must be none.
    """

    derailed: int | None = None
    law: str = ""


@np.errstate(all="ignore")
def believe(
    program: Program,
    observed: Trace,
    strict: bool = False,
    dialect: Dialect = PYTORCH,
    reference: ReferenceBackend | None = None,
) -> Expected:
    """The trace that the reference engine expects, given what the subject showed.

    strict: where PyTorch documents that a freed or overwritten value is refused, nothing else will do;
    otherwise the right gradient will, too.
    dialect: what the subject is expected to do differently.
    reference: speaks to the reference engine; by default a new one, of the dialect.

    Raises ReferenceBroke where the reference itself breaks: nobody else is to blame for that.
    """
    oracle = _Oracle(reference or ReferenceBackend(dialect), strict)
    expected = Expected()
    with guarded():
        try:
            for moment in observed:
                expected.moments.append(oracle.follow(moment))
                if oracle.derailed is not None:
                    expected.derailed, expected.law = moment.index, oracle.derailed
                    break
        finally:
            oracle.close()
    return expected


def by_itself(program: Program, dialect: Dialect = PYTORCH, refuses: bool = False) -> Trace:
    """What the reference engine does with a program that no subject has run; raises ReferenceBroke.

    refuses: whether it refuses whatever an engine may refuse.
    """
    reference = ReferenceBackend(dialect)
    reference.engine.refuses = refuses
    with guarded():
        return run(program, reference)


class _Oracle(Interpreter):
    #: Whatever else is raised is a fault of the reference, not of the subject.
    lawful = (MustRaise, MayRaise, Interruption)
    #: What threads that have nothing to do with each other do at once, they do one after the other.
    at_once = False

    def __init__(self, backend: ReferenceBackend, strict: bool) -> None:
        super().__init__(backend)
        self.strict = strict
        self.engine = backend.engine
        self.derailed: str | None = None
        #: What was looked at on the subject.
        self.seen: dict[Var, Seen] = {}
        #: By tensor: another gradient that is allowed after this step, and its bound.
        self.alternatives: dict[int, tuple[Array, Callable[[], Array]]] = {}

    def _nested(self, steps: tuple[Step, ...]) -> None:
        """Take steps within a backward, unless that is only tried out."""
        if not self.engine.rehearsing:
            super()._nested(steps)

    def _observe(self, moment: Moment) -> None:
        """Look at what the subject was looked at for, and go on from there; hooks and modes as always."""
        self._note(moment)
        env, seen, look, alternatives = self.env, moment.seen, self.look, self.alternatives
        for var, observed in self.seen.items():
            x = env.get(var)
            if x is not None:
                seen[var] = expected = look(x, observed.value is not None)
                if alternatives and id(x) in alternatives:
                    expected.also, expected.also_error = alternatives[id(x)]
                if expected.grad is not None or observed.grad is not None:
                    self._adopt(x, expected, observed.grad)

    def close(self) -> None:
        """Leave open modes; and undo the cycles that would keep the whole graph until garbage is collected."""
        held = [*self.env.values()]
        super().close()
        for x in held:
            x.release()

    def follow(self, observed: Moment) -> Moment:
        """The expected moment for an observed one."""
        hung = isinstance(observed.raised, Endless)
        engine, refused = self.engine, observed.raised is not None and not hung
        engine.refuses = refused
        engine.lenient = not refused and not self.strict
        self.alternatives = self._alternatives(observed.step) if refused else {}
        engine.tolerated = ""
        self.seen = observed.seen
        moment = self.do(observed.index, observed.step)
        if isinstance(observed.step, Grad) and moment.nothing != observed.nothing:
            self._follow_nothing(observed.step, observed, moment)
        moment.tolerated = engine.tolerated
        raised = moment.raised
        if hung or (raised is None) == refused or moment.skipped != observed.skipped:
            self.derailed = raised.law if isinstance(raised, MustRaise | Interruption) else moment.tolerated
        return moment

    def _follow_nothing(self, step: Grad, observed: Moment, expected: Moment) -> None:
        """Go on with None where the subject has it, and with a tensor where it has one.

        Where the derivative is zero, None is as good as zeros, unless the latter were asked for.
        """
        if observed.raised is not None or expected.raised is not None:
            return
        allowed = set(expected.nothing)
        for var in {*observed.nothing} - {*expected.nothing}:
            zero = not self.env[var].array.any()
            allowed |= {var} if zero and not step.materialize_grads else set()
            del self.env[var]
            expected.seen.pop(var, None)
        for var in {*expected.nothing} - {*observed.nothing}:
            self.env[var] = fresh(Node(np.zeros_like(self.env[step.asked(var)].array)))
        expected.nothing = tuple(v for v in step.outs if v in allowed)

    def look(self, x: Tensor, value: bool = True) -> Seen:
        """A snapshot with error bounds; without copies, since the reference never writes to an array."""
        node, grad, leaf = x.node, self._grad(x), self.engine.leaf_shown(x)
        retains = x.retains and not x.is_leaf
        array, error = (node.array, partial(_value_error, node)) if value else (None, None)
        if grad is None:
            return Seen(array, None, node.tracked, leaf, retains, None, x.error, error)
        held = grad.node
        return Seen(array, held.array, node.tracked, leaf, retains, held.tracked, x.error, error)

    @staticmethod
    def _adopt(x: Tensor, expected: Seen, observed: Array | None) -> None:
        if observed is not None and observed.shape != x.array.shape:
            return  # nothing can go on with that
        if observed is None or expected.grad is None:
            if (observed is None) != (expected.grad is None):
                x.grad = None if observed is None else fresh(Node(observed))
        elif x.grad is not None:
            maybe = expected.also is not None  # what a failed backward has added may have been added in place
            if x.grad.requires_grad:
                if maybe and _nearer(observed, expected):
                    # That is not recorded: the history stays that of what was there before.
                    x.grad.family.write(x.grad.within, Node(observed), recorded=False)
                    x.error = None
            else:
                if observed.tobytes() != expected.grad.tobytes():
                    x.grad = x.grad.adopted(observed)
                elif observed.dtype == expected.grad.dtype:
                    expected.grad = observed  # so that nobody need compare them again
                x.error = None
            x.grad.family.storage.version += maybe

    def _alternatives(self, step: Step) -> dict[int, tuple[Array, Callable[[], Array]]]:
        """After a backward that raised, a gradient may also have received its whole contribution."""
        if not isinstance(step, Backward | Grad) or any(v not in self.env for v in step.uses()):
            return {}
        roots = [self.env[v] for v in step.roots]
        seeds = None if step.gradients is None else [self._seed(v) for v in step.gradients]
        inputs = None if step.inputs is None else [self.env[v] for v in step.inputs]
        try:
            if isinstance(step, Grad):
                found = self.engine.grad_contributions(roots, seeds, inputs or [])
            else:
                found = self.engine.contributions(roots, seeds, inputs, hooked=True)
        except MustRaise:
            return {}
        finally:
            self.calls.clear()  # these calls of hooks are none of the program's
        whole: dict[int, Node] = {}
        earlier: dict[int, Callable[[], Array] | None] = {}
        for x, value in found:
            old = whole.get(id(x)) or (None if x.grad is None else untracked(x.grad.node))
            whole[id(x)], earlier[id(x)] = value if old is None else old + value, x.error
        return {x: (node.array, _sum_error(node, earlier[x])) for x, node in whole.items()}


def _nearer(observed: Array, expected: Seen) -> bool:
    """Whether a gradient is rather the other one that is allowed."""
    assert expected.grad is not None
    assert expected.also is not None
    return bool((abs(observed - expected.also) < abs(observed - expected.grad)).any())


def _value_error(node: Node) -> Array:
    return bound_of(node)


def _sum_error(node: Node, earlier: Callable[[], Array] | None) -> Callable[[], Array]:
    return lambda: bound_of(node) + (0.0 if earlier is None else earlier())
