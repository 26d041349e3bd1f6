"""By what standard an engine is judged: how strictly, and by whose conventions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.conventions import PYTORCH, Dialect

#: Whose conventions count: those that the adapter has declared, or PyTorch's.
Judged = Literal["declared", "torch"]


@dataclass(frozen=True, kw_only=True)
class Standard:
    """A standard. Trials, the shrinker and replay carry it along, so that all of them judge alike.

    strict:  insist on the refusals that PyTorch documents where a right gradient would do as well.
    dialect: judge by the conventions that the adapter has `declared`, or by PyTorch's (`torch`).
    """

    strict: bool = False
    dialect: Judged = "declared"

    @classmethod
    def of(cls, level: str, dialect: Judged) -> Standard:
        """The standard of a run of this level."""
        return cls(strict=level == "torch", dialect=dialect)

    def conventions(self, backend: Backend) -> Dialect:
        """What the engine is expected to do differently from PyTorch."""
        return backend.dialect if self.dialect == "declared" else PYTORCH


#: As an engine declares, and with a right gradient wherever PyTorch's documentation asks for a refusal.
LENIENT = Standard()
