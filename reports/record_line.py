"""One line of a record, whose keys are checked when they are read.

Texts in it may be an engine's: what cannot be shown as it is (escape codes, control characters, surrogates) comes as
escapes, so that no form of the report, and no terminal, does with it what it says.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from gradlaws.conformance.engines.exceptions import plain
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.reports.record_file import RecordError
from gradlaws.reports.wording import by_laws_of

LEVELS = ("core", "full", "torch")
LAW = re.compile(r"[A-Z]+-\d+")
_VERDICTS = frozenset(Verdict)
_REQUIRED: Any = object()


class Line:
    """One line, or an object in one, whose keys are checked when they are read."""

    def __init__(self, data: dict[str, Any], where: str) -> None:
        self.data, self.where = data, where

    def get(self, key: str, kind: Any, default: Any = _REQUIRED) -> Any:
        """What is under a key; raises RecordError if it is missing or of another kind."""
        value = self.data.get(key, default)
        if value is _REQUIRED:
            raise RecordError(
                f"{self.where}: {key!r} is missing; the file was changed by hand, or is none of ours"
            )
        if value is not default and (
            not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        ):
            self.refuse(key)
        return in_plain(value) if isinstance(value, str) else value

    def verbatim(self, key: str) -> str:
        """A text as it was written, for who renders it; empty where there is none. Raises RecordError."""
        self.get(key, str, "")
        return str(self.data.get(key, ""))

    def refuse(self, key: str) -> NoReturn:
        """What is under a key is not what a run writes."""
        shown = repr(self.data.get(key))
        shown = shown if len(shown) < 60 else shown[:59] + "…"
        raise RecordError(f"{self.where}: {key!r} is {shown}, which no run writes")

    def names(self, key: str, default: Any = _REQUIRED) -> tuple[str, ...]:
        """A list of strings."""
        found = self.get(key, list, default)
        if not all(isinstance(name, str) for name in found):
            self.refuse(key)
        return tuple(map(in_plain, found))

    def objects(self, key: str) -> dict[str, dict[str, Any]]:
        """An object of objects; empty where it is left out."""
        found: dict[str, dict[str, Any]] = self.get(key, dict, {})
        if not all(isinstance(one, dict) for one in found.values()):
            self.refuse(key)
        return found

    def counts(self, key: str, default: Any = _REQUIRED) -> dict[str, int]:
        """An object of numbers."""
        found: dict[str, int] = self.get(key, dict, default)
        if not all(type(number) is int for number in found.values()):
            self.refuse(key)
        return {in_plain(name): number for name, number in found.items()}

    def law(self, key: str = "law") -> str:
        """The id of a law."""
        found: str = self.get(key, str)
        if not LAW.fullmatch(found):
            self.refuse(key)
        return found

    def level(self) -> str:
        """One of the levels."""
        found: str = self.get("level", str)
        if found not in LEVELS:
            self.refuse("level")
        return found

    def verdict(self) -> Verdict:
        """The verdict; raises RecordError for what is none."""
        text = self.get("verdict", str)
        if text not in _VERDICTS:
            raise RecordError(f"{self.where}: {text!r} is no verdict; there are {', '.join(Verdict)}")
        return Verdict(text)


def in_plain(text: str) -> str:
    """A text with its line ends, but no other control characters."""
    return "\n".join(map(plain, text.split("\n")))


def laws_of(head: Line) -> str:
    """In words, by the laws of which earlier release a run was made, from its header; empty where by all."""
    if head.data.get("laws_of") is None:
        return ""
    said = Line(head.get("laws_of", dict), f"{head.where}: laws_of")
    return by_laws_of(said.get("release", str), said.names("gone"), said.names("reworded"))


def ops_of(footer: Line) -> dict[str, Any]:
    """The counts by op, from a footer."""
    found = footer.objects("ops")
    for op, said in found.items():
        entry = Line(said, f"{footer.where}: ops: {op}")
        entry.get("programs", int)
        entry.counts("dtypes")
        entry.counts("orders", {})
    return found
