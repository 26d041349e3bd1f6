"""A whole program on one engine, beside what the reference expects of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.deviations import deviant
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.dialect import PYTORCH, Dialect
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.execution.oracle import believe
from gradlaws.conformance.execution.strictness import LENIENT, Standard
from gradlaws.conformance.execution.trace import Trace
from gradlaws.conformance.language.higher_order import higher
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Hook, Var
from gradlaws.conformance.laws.breach import excess
from gradlaws.conformance.laws.invariants import held
from gradlaws.conformance.laws.trial import Trial
from gradlaws.conformance.reference.engine import Engine, Handle
from gradlaws.conformance.reference.rounding import Bounds
from gradlaws.conformance.reference.tensor import Tensor
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
        reference = NotingReference(standard.conventions(backend), engine)
        want = believe(program, got, standard.strict, reference=reference)
        super().__init__(WHOLE, program, backend, got, want, standard)
        self.notes, self.unchanged = reference.notes, reference.unchanged
        self.past = past
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


class NotingReference(ReferenceBackend):
    """The reference, noting the error bounds of gradients that hooks are shown, and which of them did not change."""

    def __init__(self, dialect: Dialect = PYTORCH, engine: Engine | None = None) -> None:
        super().__init__(dialect, engine)
        #: By the id of an array that a hook was shown: the array, and what computes its bound.
        self.notes: dict[int, tuple[Array, Callable[[], Array] | None]] = {}
        #: Ids of the arrays that post-accumulate hooks were shown after zeros had been added.
        self.unchanged: set[int] = set()
        self._leaf: Tensor | None = None
        self._hooked: list[Tensor] = []
        self._held: dict[int, Array] = {}

    def numpy(self, x: Tensor) -> Array:
        """A copy of the contents, whose bound is noted."""
        array, leaf = super().numpy(x), self._leaf
        self.notes[id(array)] = array, (leaf.error if leaf is not None else lambda: Bounds().of(x.node))
        held = None if leaf is None else self._held.get(id(leaf))
        if held is not None and np.array_equal(array, held, equal_nan=array.dtype.kind in "fc"):
            self.unchanged.add(id(array))
        return array

    def backward(self, root: Tensor, gradient: Any = None, **options: Any) -> Any:
        """Accumulate, as always, remembering what was there before."""
        self._hold()
        return super().backward(root, gradient, **options)

    def backward_many(
        self, roots: Sequence[Any], gradients: Sequence[Any] | None = None, **options: Any
    ) -> Any:
        """The same for several roots."""
        self._hold()
        return super().backward_many(roots, gradients, **options)

    def _hold(self) -> None:
        self._held = {id(x): x.grad.array for x in self._hooked if x.grad is not None}

    def register_post_accumulate_hook(self, x: Tensor, hook: Callable[[Tensor], None]) -> Handle:
        """The hook is shown the .grad of a leaf, which has a bound of its own."""

        def noted(p: Tensor) -> None:
            self._leaf = p
            try:
                hook(p)
            finally:
                self._leaf = None

        self._hooked.append(x)
        return self.engine.register_post_accumulate_hook(x, noted)
