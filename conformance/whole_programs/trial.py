"""A whole program on one engine, beside what the reference expects of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from gradlaws.conformance.deviations import deviant
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.execution.bounded_reference import BoundedReference
from gradlaws.conformance.execution.judging_standard import LENIENT, Standard
from gradlaws.conformance.execution.oracle import believe
from gradlaws.conformance.execution.trace import Trace
from gradlaws.conformance.language.derivative_orders import higher
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Hook, Var
from gradlaws.conformance.laws.invariants import held
from gradlaws.conformance.laws.trial import Trial
from gradlaws.conformance.laws.value_comparison import excess
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.whole_programs.difference import Difference
from gradlaws.conformance.whole_programs.listed_breaches import Containment

#: What stands for the law on trial, where it is all of them.
WHOLE = "WHOLE"


class WholeTrial(Trial):
    """A whole program that ran on one engine; raises ReferenceBroke where nothing can be expected of it.

    past:   goes past what is listed; without, the first breach is the end.
    engine: the reference engine, where it is one that deviates.
    """

    def __init__(
        self,
        program: Program,
        backend: Backend,
        got: Trace,
        standard: Standard = LENIENT,
        past: Containment | None = None,
        engine: Engine | None = None,
    ) -> None:
        reference = BoundedReference(standard.conventions(backend), engine)
        want = believe(program, got, standard.strict, reference=reference)
        super().__init__(WHOLE, program, backend, got, want, standard, reference)
        self.past = past
        #: All differences, where they were asked for one by one; and whether none is hidden by shared memory.
        self.told: tuple[list[Difference], bool] | None = None
        self._under: dict[frozenset[str], WholeTrial] = {}

    def under(self, deviations: frozenset[str]) -> WholeTrial:
        """What the same run looks like beside a reference that deviates so; raises ReferenceBroke."""
        if deviations not in self._under:
            self._under[deviations] = WholeTrial(
                self.program, self.backend, self.got, self.standard, engine=deviant(deviations)
            )
        return self._under[deviations]

    @cached_property
    def held(self) -> set[Var]:
        """Gradients that the program has read or assigned, and their views."""
        return held(self)

    @cached_property
    def derived(self) -> set[Var]:
        """What was computed with create_graph, and from that."""
        return higher(self.program)

    def hook(self, handle: int) -> Hook | None:
        """The step that registered a hook."""
        return next((s for s in self.program if isinstance(s, Hook) and s.handle == handle), None)

    def within(self, got: Array, want: Array, bound: Callable[[], Array] | None) -> bool:
        """Whether an array is within its error bound; the worst ratio is remembered."""
        ratio = excess(got, want, bound)
        if ratio > 1:
            return False
        self.worst = max(self.worst, ratio)
        return True
