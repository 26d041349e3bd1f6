"""Exceptions of engines, put in words; and those that say that an engine, or the reference, broke."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

#: What is shown of a text that an engine gave.
LONGEST = 160


def described(raised: BaseException) -> str:
    """An exception in one line, whatever it is: its text may raise, span lines, or hold control characters."""
    try:
        text = str(raised)
    except BaseException as error:
        return f"{type(raised).__name__} (whose text cannot be had: {type(error).__name__})"
    lines = text.strip().splitlines()
    return f"{type(raised).__name__}: {plain(lines[0][:LONGEST])}" if lines else type(raised).__name__


def plain(text: str) -> str:
    """A text with whatever cannot be shown as it is (control characters, lone surrogates) written as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class EngineBroke(Exception):
    """The engine raised where no law allows it, or computed something wrong that no law speaks of.

    index: of the step after which it was seen.
    kind:  what broke, in a few words that are the same for two programs that break the engine in the same way.
    """

    #: What stands for a law, in findings and for lists of known failures.
    law = "ENGINE"
    #: What differed, where that is known as data.
    difference: object = None

    def __init__(self, text: str, index: int | None = None, kind: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.index = index
        self.kind = kind


class ReferenceBroke(EngineBroke):
    """The reference could not make sense of a program: a fault of the suite, which no list excuses."""


@contextmanager
def guarded() -> Iterator[None]:
    """A block in which the reference is asked: whatever it raises is its own fault, never the engine's."""
    try:
        yield
    except Exception as error:
        raise reference_broke(error) from error


def reference_broke(error: Exception) -> ReferenceBroke:
    """What an exception of the reference means."""
    if isinstance(error, ReferenceBroke):
        return error
    return ReferenceBroke(f"the reference itself broke: {described(error)}")
