"""The reference as the oracle speaks to it: with the error bounds of what hooks are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.conventions import PYTORCH, Dialect
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.reference.engine import Engine, Handle
from gradlaws.conformance.reference.error_bounds import bound_of
from gradlaws.conformance.reference.tensor import Tensor


class BoundedReference(ReferenceBackend):
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
        self.notes[id(array)] = array, (leaf.error if leaf is not None else lambda: bound_of(x.node))
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
