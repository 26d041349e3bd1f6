"""What a soak leaves behind: a file of JSON lines, to which findings and progress are appended as they come.

Line 1 is the header: type `soak`, schema, gradlaws, backend, given, version, seed, strict, least, most, and of a part
first. Then lines of type `finding` (see `as_line`), `again` (id and how often it came again), `death` (a program that
ended the process: number, said, late), `progress` (the tally), `reach` (what the programs have reached by the end, and
what the engine has: reach, ops, capabilities, own), and of a part `settled` (whatever came of each program that showed
something). A soak that is resumed goes on after the last line of progress.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from gradlaws.conformance.judgement.finding import Finding
from gradlaws.conformance.judgement.recurrence import Recurrence
from gradlaws.conformance.language.serialization import dumped, loaded
from gradlaws.conformance.reach.reached import Reached
from gradlaws.conformance.whole_programs.ledger import Found, Ledger, Settled, Tally

SCHEMA = 1


class Course(Protocol):
    """A soak as far as its file is concerned: one that runs, or one that parts have been joined into.

    first: the first program of a part; None of one that is whole.
    """

    first: int | None
    ledger: Ledger
    reached: Reached

    def heading(self) -> dict[str, Any]:
        """What it is about, as data."""

    def has(self) -> dict[str, Any]:
        """The ops and capabilities of its engine."""


class SoakFileError(Exception):
    """A file of a soak cannot be used; the message says what to do."""


class Death(NamedTuple):
    """A program of a soak that ended the process, by number.

    said: how it ended.
    late: whether it had to be ended, since the program did not end.
    """

    number: int
    said: str
    late: bool


class SoakFile:
    """The file of one soak.

    deaths: programs that ended the process, and have not been looked into; known once the soak has begun.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.deaths: list[Death] = []

    def begin(self, soak: Course) -> None:
        """Start a new file, or take up what an earlier soak of the same kind has left in it."""
        head = heading(soak)
        if soak.first is not None:
            soak.ledger.heard = lambda settled: self._add(settled_line(settled))
        if self.path.exists() and self.path.stat().st_size:
            lines = read(self.path)
            keys = [k for k in {**head, **lines[0]} if k not in ("version", "given")]
            differing = [k for k in keys if lines[0].get(k) != head.get(k)]
            if differing:
                told = ", ".join(f"{k} {lines[0].get(k)!r} instead of {head.get(k)!r}" for k in differing)
                raise SoakFileError(
                    f"{self.path} is of another soak ({told}): name another file, or remove it"
                )
            take_up(soak, lines)
            self.deaths = _deaths(lines)
            self._whole()
        else:
            self._add(head, "w")
        soak.ledger.tell = _then(lambda found: self._add(as_line(found)), soak.ledger.tell)

    def progress(self, soak: Course) -> None:
        """Note how far the soak has come."""
        for found in soak.ledger.found.values():
            if found.times > 1:
                self._add({"type": "again", "id": found.id, "times": found.times})
        self._add({"type": "progress", **_plain(soak.ledger.tally)})

    def end(self, soak: Course) -> None:
        """Note what the soak has reached, an earlier one that it took up included."""
        self.progress(soak)
        self._add({"type": "reach", **soak.has(), "reach": soak.reached.dumped()})

    def write(self, soak: Course) -> None:
        """Write the whole of a soak that has come to its end elsewhere."""
        self._add(heading(soak), "w")
        for found in soak.ledger.found.values():
            self._add(as_line(found))
        self.end(soak)

    def died(self, death: Death, tally: bytes) -> None:
        """Note a program that ended the process, and how far that had come, as `reached` says; empty where unknown."""
        with suppress(ValueError):
            self._add({"type": "progress", **json.loads(tally)})
        self._add({"type": "death", **death._asdict()})

    def _whole(self) -> None:
        """Drop the end of the file where a line was cut short, so that the next one starts on its own."""
        try:
            with self.path.open("rb+") as file:
                file.truncate(file.read().rfind(b"\n") + 1)
        except OSError as error:
            raise SoakFileError(f"{self.path}: cannot be written: {error.strerror}") from error

    def _add(self, line: dict[str, Any], mode: str = "a") -> None:
        try:
            with self.path.open(mode, encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:
            raise SoakFileError(f"{self.path}: cannot be written: {error.strerror}") from error


def reached(tally: Tally) -> bytes:
    """A tally as it survives its process."""
    return json.dumps(_plain(tally)).encode()


def _plain(tally: Tally) -> dict[str, Any]:
    return {k: dict(v) if isinstance(v, Counter) else v for k, v in vars(tally).items()}


def _then(first: Callable[[Found], None], second: Callable[[Found], None]) -> Callable[[Found], None]:
    def both(found: Found) -> None:
        first(found)
        second(found)

    return both


def heading(soak: Course) -> dict[str, Any]:
    """The first line of a file."""
    return {"type": "soak", "schema": SCHEMA, **soak.heading()}


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a file; one that was cut short at the end is left out. Raises SoakFileError."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise SoakFileError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SoakFileError(f"{path}: cannot be read: it is no text") from error
    lines: list[dict[str, Any]] = []
    *complete, _ = text.split("\n")
    for number, line in enumerate(complete):
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError as error:
            if not number:
                break
            raise SoakFileError(f"{path}:{number + 1}: is no line of a soak") from error
    whole = all(isinstance(line, dict) and "type" in line for line in lines)
    if not lines or not whole or lines[0]["type"] != "soak" or lines[0].get("schema") != SCHEMA:
        raise SoakFileError(f"{path}: is not the file of a soak of this version; name another one")
    return lines


def take_up(soak: Course, lines: list[dict[str, Any]]) -> None:
    """Put findings and tally of an earlier soak into this one; raises SoakFileError where a line is not whole."""
    for number, line in enumerate(lines, 1):
        try:
            _take_up(soak, line)
        except (KeyError, TypeError, ValueError) as error:
            raise SoakFileError(_damaged(number, error)) from error


def _take_up(soak: Course, line: dict[str, Any]) -> None:
    ledger = soak.ledger
    if line["type"] == "finding":
        ledger.add(found_of(line))
    elif line["type"] == "again" and line["id"] in ledger.found:
        ledger.found[line["id"]].times = line["times"]
    elif line["type"] == "progress":
        ledger.tally = tally_of(line)
    elif line["type"] == "reach" and line["reach"]:
        soak.reached = Reached()  # which goes on from what was noted last
        with suppress(ValueError):  # counted by another version
            soak.reached.take(line["reach"])


def tally_of(line: dict[str, Any]) -> Tally:
    """The tally of a line of progress; raises KeyError, TypeError or ValueError for one that is not whole."""
    told = {k: v for k, v in line.items() if k != "type"}
    for key in ("excused", "unreduced"):
        told[key] = Counter(told[key])
    return Tally(**told)


def _deaths(lines: list[dict[str, Any]]) -> list[Death]:
    """Programs that ended the process, and that no later line of progress passes over; raises SoakFileError."""
    deaths: list[Death] = []
    for number, line in enumerate(lines, 1):
        try:
            if line["type"] == "death":
                deaths.append(Death(int(line["number"]), str(line["said"]), bool(line["late"])))
            elif line["type"] == "progress":
                deaths = [d for d in deaths if d.number not in line.get("passed", ())]
        except (KeyError, TypeError, ValueError) as error:
            raise SoakFileError(_damaged(number, error)) from error
    return deaths


def _damaged(number: int, error: Exception) -> str:
    return f"line {number} of the file of an earlier soak is damaged: {error!r}"


def settled_line(settled: Settled) -> dict[str, Any]:
    """What is settled of one program, as a line of the file of a part."""
    found = None if settled.found is None else as_line(settled.found)
    return {"type": "settled", **vars(settled), "found": found}


def settled_of(line: dict[str, Any]) -> Settled:
    """What a line of the file of a part says; raises KeyError or TypeError for one that is not whole."""
    told = {k: v for k, v in line.items() if k != "type"}
    told["excused"] = tuple(told["excused"])
    told["found"] = None if told["found"] is None else found_of(told["found"])
    return Settled(**told)


def found_of(line: dict[str, Any]) -> Found:
    """The finding of a line."""
    program = loaded(line["steps"]) if line["steps"] else None
    keys = ("law", "thing", "got", "expected", "step", "program")
    again = line.get("recurrence")
    finding = Finding(**{key: line[key] for key in keys}, steps=program)
    finding.recurrence = None if again is None else Recurrence(**again)
    return Found(line["id"], finding, line["number"])


def as_line(found: Found) -> dict[str, Any]:
    """A finding as a line of the file."""
    f = found.finding
    return {
        "type": "finding", "id": found.id, "number": found.number, "law": f.law, "thing": f.thing, "got": f.got,
        "expected": f.expected, "step": f.step, "program": f.program, "steps": dumped(f.steps) if f.steps else [],
        "recurrence": None if f.recurrence is None else asdict(f.recurrence),
    }  # fmt: skip
