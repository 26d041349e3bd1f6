"""Engines of which some ops are wrong: the reference, with the backward or the value of these ops changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.ops.table import Elementwise
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.tensor import fresh

#: How an op can be wrong, as what comes after it.
WAYS = {
    "grad": replace(TABLE.rows["clone"], rule=Elementwise(lambda F, y, x: (2.0,))),
    "value": replace(TABLE.rows["clone"], forward=lambda x: x + 1),
}


def with_wrong(
    ops: Sequence[str],
    way: str = "grad",
    base: type[Engine] = Engine,
    when: Callable[..., bool] = lambda *inputs: True,
) -> ReferenceBackend:
    """An engine of which the results of some ops have twice their gradient (`grad`), or one too much (`value`).

    when: of which operands.
    """

    class Wrong(base):  # type: ignore[misc, valid-type]
        def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
            made = super().apply(op, *inputs, **params)
            if op not in ops or isinstance(made, tuple) or not when(*inputs):
                return made
            return fresh(self._record(WAYS[way], (made.node,), {}))

    class Backend(ReferenceBackend):
        def make_engine(self) -> Engine:
            return Wrong()

    backend = Backend()
    backend.name = "wrong"
    return backend
