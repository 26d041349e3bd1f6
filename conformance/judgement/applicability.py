"""Whether a law can be asked of an engine at all: what it needs, and what the adapter claims."""

from __future__ import annotations

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.laws import Law
from gradlaws.conformance.laws.registry import missing


def lacking(law: Law, backend: Backend, effort: Effort) -> tuple[str, ...]:
    """What the law needs, and presupposes, and the adapter does not claim."""
    presupposed = backend.dialect.presupposing(law.id) if effort.dialect == "declared" else ()
    return (*sorted(missing(law, backend)), *presupposed)
