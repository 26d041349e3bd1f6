"""What a run tries: each law, whole programs and each documented example, on each engine."""

from __future__ import annotations

from dataclasses import dataclass

from gradlaws.conformance.documented.examples import EXAMPLES
from gradlaws.conformance.documented.script import Example
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.laws import Law
from gradlaws.conformance.suite.settings import Settings
from gradlaws.conformance.whole_programs.run_item import WHOLE


@dataclass(frozen=True)
class Case:
    """One test: a law, or a documented example, on a backend."""

    backend: Backend
    subject: Law | Example

    @property
    def id(self) -> str:
        """Backend, law id and name, for `-k`."""
        name = f"{self.subject.id}-{self.subject.name}"
        return f"{self.backend.name}-{name}"


class Cases:
    """The cases of a run.

    laws:     the laws of the level.
    wholes:   whole programs.
    examples: the documented examples.
    """

    def __init__(self, options: Settings) -> None:
        selection, replay = options.selection, options.replay
        examples: list[Example] = []
        if replay is None:
            laws, wholes = selection.laws(), selection.wholes()
            if not selection.names:
                examples = selection.shared(list(EXAMPLES.values()))
        else:
            laws = [replay.law] if replay.law is not WHOLE else []
            wholes = [replay.law] if replay.law is WHOLE else []
        self.laws = [Case(backend, law) for backend in options.backends for law in laws]
        self.wholes = [Case(backend, law) for backend in options.backends for law in wholes]
        self.examples = [Case(backend, one) for backend in options.backends for one in examples]

    def __len__(self) -> int:
        return len(self.laws) + len(self.wholes) + len(self.examples)

    def at(self, node: str) -> Case | None:
        """The case of a law, or of whole programs, that a test id of pytest is about."""
        return next((case for case in (*self.laws, *self.wholes) if f"[{case.id}]" in node), None)
