"""Parts of a soak, which ran side by side, joined into what one soak would have come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from gradlaws.conformance.reach.reached import Reached
from gradlaws.conformance.whole_programs.ledger import Ledger, Settled, Tally
from gradlaws.conformance.whole_programs.soak_file import (
    Course,
    SoakFileError,
    as_line,
    heading,
    settled_of,
    tally_of,
)


class Part(NamedTuple):
    """What the file of a part says.

    first, end: its programs, the last of them excluded; fewer than were asked for where it was interrupted.
    settled:    in the order of their numbers.
    """

    head: dict[str, Any]
    first: int
    end: int
    tally: Tally
    settled: list[Settled]
    reach: dict[str, Any]
    has: dict[str, Any]


def part_of(lines: Sequence[dict[str, Any]], name: str) -> Part:
    """A part from the lines of its file; raises SoakFileError where it is none."""
    head = {k: v for k, v in lines[0].items() if k not in ("type", "schema", "first")}
    if (first := lines[0].get("first")) is None:
        raise SoakFileError(f"{name}: is a whole soak and no part of one; parts are made by --first")
    tally, reach = Tally(number=first), {}
    has: dict[str, Any] = {}
    # What a process did not come to note the progress of is done again by the next one, and comes to the same.
    settled: dict[tuple[int, str], Settled] = {}
    try:
        for line in lines:
            if line["type"] == "settled":
                one = settled_of(line)
                settled[one.number, one.law] = one
            elif line["type"] == "progress":
                tally = tally_of(line)
            elif line["type"] == "reach":
                has = {key: line[key] for key in ("ops", "capabilities")}
                has |= {"own": line["own"]} if "own" in line else {}
                reach = line["reach"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SoakFileError(f"{name}: is damaged: {error!r}") from error
    complete = sorted((one for one in settled.values() if one.number < tally.number), key=lambda s: s.number)
    return Part(head, int(first), tally.number, tally, complete, reach, has)


class Joined:
    """What the parts of a soak come to, one after the other; its file is as that of one soak."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.ledger = Ledger()
        self.reached = Reached()
        self.head: dict[str, Any] = {}
        self._has: dict[str, Any] = {"ops": [], "capabilities": []}

    def heading(self) -> dict[str, Any]:
        """What it is about, as data; empty before the first part."""
        return self.head

    def has(self) -> dict[str, Any]:
        """The ops and capabilities of the engine."""
        return self._has

    def take(self, part: Part, name: str) -> None:
        """Add the next part; programs between it and what is there are noted as lost.

        Raises SoakFileError where it is of another soak or engine, or judges programs that are there.
        """
        self.belongs(part.head, name)
        number = self.ledger.tally.number
        if part.first < number:
            raise SoakFileError(
                f"{name}: judges programs from {part.first:,}, and those up to {number - 1:,} are judged already"
            )
        self.lose(part.first)
        for settled in part.settled:
            self.ledger.take(settled)
        self.ledger.tally.count(part.tally)
        self.ledger.tally.number = part.end
        self.reached.take(part.reach)
        self._has = part.has or self._has

    def belongs(self, head: dict[str, Any], name: str) -> None:
        """Raises SoakFileError where a part is of another soak, or another engine, than those before it."""
        self.head = self.head or head
        for key, value in self.head.items():
            if head.get(key) != value:
                raise SoakFileError(
                    f"{name}: is of another soak or engine: {key} {head.get(key)!r} instead of {value!r}"
                )

    def lose(self, end: int) -> None:
        """Note that nothing is known of the next programs, up to one of them, excluded."""
        tally = self.ledger.tally
        if end > tally.number:
            tally.lost.append([tally.number, end])
            tally.number = end


def joined(parts: Iterable[tuple[str, Sequence[dict[str, Any]]]]) -> Joined:
    """Parts by name, in any order, as one; raises SoakFileError where they do not belong together."""
    whole = Joined()
    named = sorted(((part_of(lines, name), name) for name, lines in parts), key=lambda one: one[0].first)
    whole.ledger.tally.number = named[0][0].first
    for part, name in named:
        whole.take(part, name)
    return whole


def so_far(whole: Course, first: int) -> list[dict[str, Any]]:
    """The file that a part begins from, so that it need not make small again what those before it have.

    They may be fewer than all that come before it: what it does beyond what was needed is passed over when parts are
    joined.
    """
    if not whole.heading():
        return []
    ledger = whole.ledger
    tally = Tally(number=first, excused=ledger.tally.excused)
    return [
        {**heading(whole), "first": first},
        *(as_line(found) for found in ledger.found.values()),
        {"type": "progress", **vars(tally), "excused": dict(tally.excused), "unreduced": {}},
    ]
