"""Arguments of strategies: a value or a strategy for it, and errors that say what to do."""

from __future__ import annotations

from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

T = TypeVar("T")


def invalid(name: str, value: object, problem: str, remedy: str) -> InvalidArgument:
    """The error for argument `name`: its value, what is wrong with it, what to do instead."""
    return InvalidArgument(f"{name}={value!r} {problem}: {remedy}")


def either(name: str, value: Any, check: Callable[[str, Any], T]) -> st.SearchStrategy[T]:
    """A strategy for argument `name`, given as a strategy or as a value; `check` validates and normalises.

    Values are checked at once, what a strategy gives when it is drawn.
    """
    if isinstance(value, st.SearchStrategy):
        return value.map(lambda drawn: check(name, drawn))
    return st.just(check(name, value))


def integer(name: str, value: Any, low: int, high: int | None = None, instead: str = "") -> int:
    """`value`, which must be an integer within [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(name, value, f"is of type {type(value).__name__}", "pass an integer")
    if value < low or (high is not None and value > high):
        bounds = f"from {low} to {high}" if high is not None else f"of at least {low}"
        raise invalid(name, value, "is out of range", f"pass an integer {bounds}{instead}")
    return value


def member(name: str, value: Any, options: Collection[str]) -> str:
    """`value`, which must be one of `options`."""
    if value not in options:
        raise invalid(name, value, "is not known", nearest(value, options))
    return str(value)


def nearest(value: object, options: Collection[str]) -> str:
    """What to suggest in place of `value`."""
    close = get_close_matches(str(value), options, n=3)
    if close:
        return "did you mean " + " or ".join(map(repr, close)) + "?"
    return "choose from " + ", ".join(sorted(options))
