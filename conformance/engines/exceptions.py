"""Exceptions of engines, put in words; and those that say that an engine, or the reference, broke."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

#: What is shown of a text that an engine gave.
LONGEST = 160
#: The attribute in which an exception has its place in the adapter.
PLACE = "gradlaws_place"


def described(raised: BaseException) -> str:
    """An exception in one line, whatever it is: its text may raise, span lines, or hold control characters.

    Where it passed through somebody's adapter (`located`), it says by which file and line.
    """
    kind, place = type(raised).__name__, getattr(raised, PLACE, "")
    at = f", at {place}" if place else ""
    try:
        text = str(raised)
    except BaseException as error:
        return f"{kind} (whose text cannot be had: {type(error).__name__}){at}"
    lines = text.strip().splitlines()
    return (f"{kind}: {plain(lines[0][:LONGEST])}" if lines else kind) + at


def place_of(error: BaseException, adapter: object) -> str:
    """File and line in the adapter by which an exception came, as `my_adapter.py:17`; empty if it did not."""
    file = getattr(sys.modules.get(type(adapter).__module__), "__file__", None)
    at: TracebackType | None = error.__traceback__
    last = None
    while at is not None:
        last = at if at.tb_frame.f_code.co_filename == file else last
        at = at.tb_next
    return "" if last is None else f"{plain(os.path.basename(str(file)))}:{last.tb_lineno}"


def located(error: BaseException, adapter: object) -> None:
    """Have an exception remember its place in the adapter, before it loses its way.

    Not in one that is shipped: there it would be a line of ours, at each refusal of the engine.
    """
    if not type(adapter).__module__.startswith("gradlaws.") and (place := place_of(error, adapter)):
        with suppress(Exception):  # a class may refuse attributes
            setattr(error, PLACE, place)


def plain(text: str) -> str:
    """A text with whatever cannot be shown as it is (control characters, lone surrogates) written as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class Unavailable(Exception):
    """Raised by an adapter's constructor where its engine cannot be had; the message says why, and what to do."""


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


class ProcessEnded(EngineBroke):
    """A program ended its process, or did not end in time."""

    #: The kind of what did not end.
    LATE = "late"

    @property
    def late(self) -> bool:
        """Whether it did not end."""
        return self.kind == (self.LATE,)


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
