"""Which failures of a law's programs a list of known failures excuses, and how many each entry did."""

from __future__ import annotations

from collections import Counter
from functools import cache, partial

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exceptions import ReferenceBroke
from gradlaws.conformance.execution.judging_standard import Standard
from gradlaws.conformance.judgement.examination import exhibited, unexplained
from gradlaws.conformance.known_failures.entry import Known
from gradlaws.conformance.known_failures.matching import Explained, KnownFailures
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.laws.breach import Broken, symptom_of
from gradlaws.conformance.laws.registry import Law


class Excuses:
    """The list, applied to the programs of one law.

    shown:   the entries about this law that showed, in the order in which they did.
    excused: how many programs showed a listed breach of another law, by law.
    entries: how many programs each entry excused, by its label.
    covered: the entries that excused any.
    """

    def __init__(self, law: Law, backend: Backend, standard: Standard, known: KnownFailures) -> None:
        self.law = law.id
        self.known = known
        self._unexplained = partial(unexplained, law, backend=backend, standard=standard)
        self._exhibited = partial(exhibited, law, backend=backend, standard=standard)
        self.shown: dict[Known, None] = {}
        self.covered: dict[Known, None] = {}
        self.excused, self.entries = Counter[str](), Counter[str]()

    def covering(
        self, program: Program | None, error: Exception, data: bytes | None = None
    ) -> tuple[str, Known | None]:
        """(the law that the entry is about, the entry that covers the failure, if one does).

        data: what a scene of an exhibit, which has no program, was drawn from.
        """
        if isinstance(error, ReferenceBroke):
            return self.law, None
        blamed = error.law if isinstance(error, Broken) else self.law
        law, entry = self._described(blamed, program, error)
        if entry is not None:
            return law, entry
        if not self.known.deviations:
            return blamed, None
        did: Explained
        if program is not None:
            left = cache(lambda names: self._unexplained(program, deviations=names))  # a run each
            did = lambda names: left(names) is None  # noqa: E731
        elif data is not None:
            did = lambda names: self._exhibited(data, error=error, deviations=names)  # noqa: E731
        else:
            return blamed, None
        entry = self.known.excuse(blamed, program, symptom_of(error), did)
        if entry is not None:
            return entry.law, entry
        # Several listed defects may meet in one program: what the deviations leave may be described.
        rest = None if program is None else left(self.known.deviations)
        if rest is None or isinstance(rest, ReferenceBroke) or symptom_of(rest) == symptom_of(error):
            return blamed, None
        return self._described(rest.law if isinstance(rest, Broken) else self.law, program, rest)

    def _described(self, blamed: str, program: Program | None, error: Exception) -> tuple[str, Known | None]:
        """(the law that the entry is about, the entry that says what was seen and where, if one does)."""
        for law in (blamed, self.law):
            if (entry := self.known.excuse(law, program, symptom_of(error))) is not None:
                return law, entry
        return blamed, None

    def cover(self, program: Program | None, error: Exception, data: bytes | None = None) -> bool:
        """Whether a failure is listed; it is counted then."""
        law, entry = self.covering(program, error, data)
        if entry is None:
            return False
        if law == self.law:
            self.shown[entry] = None
        else:
            self.excused[law] += 1
        self.entries[entry.label] += 1
        self.covered[entry] = None
        return True
