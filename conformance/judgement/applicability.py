"""Whether a law can be asked of an engine at all: what it needs, and what the adapter claims."""

from __future__ import annotations

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.laws import Law


def lacking(law: Law, backend: Backend, effort: Effort) -> tuple[str, ...]:
    """What the law needs, and presupposes, and the adapter does not claim."""
    missing = sorted(law.needs - backend.capabilities - frozenset(backend.ops()))
    presupposed = backend.dialect.presupposing(law.id) if effort.dialect == "declared" else ()
    return (*missing, *presupposed)
