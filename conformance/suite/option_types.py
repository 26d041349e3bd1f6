"""Arguments of options, for pytest's parser and for that of the command line; imports nothing heavy."""

from __future__ import annotations

from argparse import ArgumentTypeError
from contextlib import suppress


def count(text: str) -> int:
    """A number of things, one at least."""
    with suppress(ValueError):
        if (value := int(text)) > 0:
            return value
    raise ArgumentTypeError(f"{text!r} is not a whole number above 0")


def seconds(text: str) -> float:
    """A number of seconds above 0."""
    with suppress(ValueError):
        if 0 < (value := float(text)) < float("inf"):
            return value
    raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0")


def time_limit(text: str) -> float:
    """A number of seconds, 0 for no limit."""
    with suppress(ValueError):
        if 0 <= (value := float(text)) < float("inf"):
            return value
    raise ArgumentTypeError(f"{text!r} is not a number of seconds; write 0 for no limit")


def number(text: str) -> int:
    """A number that counts from 0."""
    if text.isdecimal():
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a whole number, 0 or more")
