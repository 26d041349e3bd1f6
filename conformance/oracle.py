"""What should have been observed: the reference engine, following a subject through a program.

The reference predicts each step from what the subject showed before it: after every step the oracle adopts
the gradients that were observed, so that each moment is judged on its own and a fault is blamed once. Where
an engine may refuse and the subject did, the reference refuses too. The expected trace ends with the first
unlawful outcome: an error where there must be none, or none where there must be one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gradlaws.conformance.backends.reference import ReferenceBackend
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.interpreter import Interpreter, Interruption
from gradlaws.conformance.observe import Moment, Seen, Trace
from gradlaws.conformance.program import Program
from gradlaws.conformance.reference.bounds import Bounds
from gradlaws.conformance.reference.engine import MayRaise, MustRaise
from gradlaws.conformance.reference.node import Node, untracked
from gradlaws.conformance.reference.tensor import Tensor, fresh
from gradlaws.conformance.steps import Backward, Step, Var


@dataclass(slots=True)
class Expected(Trace):
    """An expected trace.

    derailed: the index of the first unlawful outcome, None if there is none.
    law:      the law that a missing error breaks; empty for an error where there must be none.
    """

    derailed: int | None = None
    law: str = ""


def believe(
    program: Program, observed: Trace, strict: bool = False, reference: ReferenceBackend | None = None
) -> Expected:
    """The trace that the reference engine expects, given what the subject showed.

    strict: where PyTorch documents that a freed or overwritten value is refused, nothing else will do;
    otherwise the right gradient will, too.
    reference: speaks to the reference engine; a new one by default.
    """
    oracle = _Oracle(reference or ReferenceBackend(), strict)
    expected = Expected()
    try:
        for moment in observed:
            expected.moments.append(oracle.follow(moment))
            if oracle.derailed is not None:
                expected.derailed, expected.law = moment.index, oracle.derailed
                break
    finally:
        oracle.close()
    return expected


class _Oracle(Interpreter):
    def __init__(self, backend: ReferenceBackend, strict: bool) -> None:
        super().__init__(backend)
        self.strict = strict
        self.engine = backend.engine
        self.derailed: str | None = None
        self.seen: dict[Var, Seen] = {}

    def _observe(self, moment: Moment) -> None:
        """Look at what the subject was looked at for; hooks and modes as always."""
        if self.calls:
            moment.calls, self.calls = self.calls, []
        if self._same:
            moment.same, self._same = self._same, {}
        moment.mode = self.engine.modes.enabled
        for var, seen in self.seen.items():
            if var in self.env:
                moment.seen[var] = self.look(self.env[var], seen.value is not None)

    def follow(self, observed: Moment) -> Moment:
        """The expected moment for an observed one."""
        self.engine.refuses = observed.raised is not None
        self.engine.lenient = observed.raised is None and not self.strict
        alternatives = self._alternatives(observed.step) if observed.raised is not None else {}
        self.engine.tolerated = ""
        self.seen = observed.seen
        moment = self.do(observed.index, observed.step)
        moment.tolerated = self.engine.tolerated
        if moment.raised is not None and not isinstance(moment.raised, MustRaise | MayRaise | Interruption):
            raise moment.raised  # a fault of the reference, not of the subject
        if moment.skipped != observed.skipped or (moment.raised is None) != (observed.raised is None):
            self.derailed = moment.raised.law if isinstance(moment.raised, MustRaise) else ""
            return moment
        for var, seen in moment.seen.items():
            x = self.env[var]
            if id(x) in alternatives:
                seen.also, seen.also_error = alternatives[id(x)]
            self._adopt(x, seen, observed.seen.get(var))
        return moment

    def look(self, x: Tensor, value: bool = True, flags: bool = True) -> Seen:
        """A snapshot with error bounds; without copies, since the reference never writes to an array."""
        node, grad = x.node, x.grad
        leaf = x.is_leaf
        return Seen(
            node.array if value else None,
            None if grad is None else grad.array,
            node.tracked,
            leaf,
            x.retains and not leaf,
            None if grad is None else grad.requires_grad,
            x.error,
            _value_error(node) if value else None,
        )

    def _adopt(self, x: Tensor, expected: Seen, observed: Seen | None) -> None:
        if observed is None:
            return
        if observed.grad is None or expected.grad is None:
            if (observed.grad is None) != (expected.grad is None):
                x.grad = None if observed.grad is None else fresh(Node(observed.grad))
            return
        if x.grad is not None and not x.grad.requires_grad:
            if (
                observed.grad.tobytes() != expected.grad.tobytes()
                or observed.grad.shape != expected.grad.shape
            ):
                x.grad = fresh(Node(observed.grad))
            x.error = None

    def _alternatives(self, step: Step) -> dict[int, tuple[Array, Callable[[], Array]]]:
        """After a backward that raised, a gradient may also have received its whole contribution."""
        if not isinstance(step, Backward) or any(v not in self.env for v in step.uses()):
            return {}
        roots = [self.env[v] for v in step.roots]
        seeds = None if step.gradients is None else [self._seed(v) for v in step.gradients]
        inputs = None if step.inputs is None else [self.env[v] for v in step.inputs]
        try:
            found = self.engine.contributions(roots, seeds, inputs, hooked=True)
        except MustRaise:
            return {}
        finally:
            self.calls.clear()  # these calls of hooks are none of the program's
        whole: dict[int, Node] = {}
        for x, value in found:
            old = whole.get(id(x)) or (None if x.grad is None else untracked(x.grad.node))
            whole[id(x)] = value if old is None else old + value
        return {x: (node.array, _value_error(node)) for x, node in whole.items()}


def _value_error(node: Node) -> Callable[[], Array]:
    return lambda: Bounds().of(node)
