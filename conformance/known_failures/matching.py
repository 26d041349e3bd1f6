"""Which breach an entry of a list of known failures covers, and whether a list excuses it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

from gradlaws.conformance.known_failures.entry import ANY, Known
from gradlaws.conformance.known_failures.program_marks import MARKS
from gradlaws.conformance.known_failures.symptom import Symptom
from gradlaws.conformance.language.nested_steps import flattened, used_ops
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Leaf, Mode

#: Whether an engine did what the reference with these deviations does.
Explained = Callable[[frozenset[str]], bool]


def covers(entry: Known, program: Program | None, seen: Symptom | None = None) -> bool:
    """Whether a breach shown by this program is what the entry is about.

    seen: what it looks like; None where nobody can tell, as of a documented example: then only the program counts.
    """
    if entry.expired or (entry.seen and seen is not None and not seen.among(entry.seen)):
        return False
    if entry.things and (program is not None or seen is None or seen.thing not in entry.things):
        return False
    if program is None:
        return not (entry.ops or entry.modes or entry.dtypes or entry.steps)
    steps = list(flattened(program))
    used = used_ops(program)
    entered = {step.kind for step in steps if isinstance(step, Mode)}
    held = {str(step.value.array.dtype) for step in steps if isinstance(step, Leaf)}
    held |= {
        value for step in steps if isinstance(step, Apply) for key, value in step.params if key == "dtype"
    }
    kinds = {type(step).__name__ for step in program}
    kinds |= {mark for mark in entry.steps & MARKS.keys() if MARKS[mark](program, seen or Symptom())}
    wanted = ((entry.ops, used), (entry.modes, entered), (entry.dtypes, held))
    return entry.steps <= kinds and all(not some or not some.isdisjoint(there) for some, there in wanted)


class KnownFailures:
    """The entries for one backend."""

    def __init__(self, entries: Iterable[Known] = ()) -> None:
        self.entries = tuple(entries)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def laws(self) -> frozenset[str]:
        """All laws that are listed."""
        return frozenset[str]().union(*(entry.laws for entry in self.entries))

    def of(self, law: str) -> list[Known]:
        """The entries about a law that the engine is said to break itself."""
        return [entry for entry in self.entries if law in entry.laws and not entry.inherited]

    def apart(self, law: str = ANY) -> frozenset[str]:
        """The ops that programs of a law, or whole programs, do without: listed as breaking all that uses them."""
        return frozenset[str]().union(*(e.ops for e in self._apart(law) if not e.calls))

    def apart_calls(self, law: str = ANY) -> frozenset[tuple[str, str]]:
        """The same of calls of ops: an op, and a kind of calls as in `CALLS`."""
        return frozenset((op, kind) for e in self._apart(law) for op in e.ops for kind in e.calls)

    def _apart(self, law: str) -> list[Known]:
        return [e for e in self.entries if e.apart and law not in e.laws and not e.expired]

    def applying(self, capabilities: frozenset[str], version: str) -> KnownFailures:
        """The entries that are about an adapter with these capabilities, and about this release of the engine."""
        return type(self)(
            entry for entry in self.entries if entry.capabilities <= capabilities and entry.admits(version)
        )

    @cached_property
    def deviations(self) -> frozenset[str]:
        """The deviations of the reference engine that are listed."""
        return frozenset(entry.deviation for entry in self.entries if entry.deviation and not entry.expired)

    def excuse(
        self,
        law: str,
        program: Program | None,
        seen: Symptom | None = None,
        explained: Explained | None = None,
    ) -> Known | None:
        """The entry that covers this breach, or None.

        seen:      what it looks like; None where nobody can tell.
        explained: whether the engine did what the reference with these deviations does; None where that is unknown.
        """
        about = (entry for entry in self.entries if law in entry.laws or ANY in entry.also)
        found = next((entry for entry in about if not entry.deviation and covers(entry, program, seen)), None)
        if found is not None or explained is None or not self.deviations or not explained(self.deviations):
            return found
        listed = [entry for entry in self.entries if entry.deviation in self.deviations]
        listed.sort(key=lambda entry: law not in entry.laws)  # those about the law are most likely it
        alone = (entry for entry in listed if explained(frozenset({entry.deviation})))
        return next(alone, listed[0])
