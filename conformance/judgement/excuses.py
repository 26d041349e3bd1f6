"""Which failures of a law's programs a list of known failures excuses, and how many each entry did."""

from __future__ import annotations

from collections import Counter

from gradlaws.conformance.engines.exceptions import ReferenceBroke
from gradlaws.conformance.known_failures.entry import Known, KnownFailures
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.laws.breach import Broken


class Excuses:
    """The list, applied to the programs of one law.

    shown:   the entries about this law that showed, in the order in which they did.
    excused: how many programs showed a listed breach of another law, by law.
    entries: how many programs each entry excused, by its label.
    """

    def __init__(self, law: str, known: KnownFailures) -> None:
        self.law = law
        self.known = known
        self.shown: dict[Known, None] = {}
        self.excused, self.entries = Counter[str](), Counter[str]()

    def covering(self, program: Program | None, error: Exception) -> tuple[str, Known | None]:
        """(the law that the entry is about, the entry that covers the failure, if one does)."""
        if isinstance(error, ReferenceBroke):
            return self.law, None
        blamed = error.law if isinstance(error, Broken) else self.law
        found = ((law, self.known.excuse(law, program)) for law in (blamed, self.law))
        return next((pair for pair in found if pair[1] is not None), (blamed, None))

    def cover(self, program: Program | None, error: Exception) -> bool:
        """Whether a failure is listed; it is counted then."""
        law, entry = self.covering(program, error)
        if entry is None:
            return False
        if law == self.law:
            self.shown[entry] = None
        else:
            self.excused[law] += 1
        self.entries[entry.label] += 1
        return True
