"""Faults of accumulation."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.backends.reference import ReferenceBackend
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.tensor import Tensor


@fault("ACC-01")
class Overwrites(ReferenceBackend):
    """What a backward computes replaces .grad instead of being added to it."""

    def make_engine(self) -> Engine:
        return _Overwriting()


class _Overwriting(Engine):
    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        x.grad = None
        Engine._accumulate(x, *rest)
