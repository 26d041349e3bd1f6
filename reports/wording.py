"""Numbers and lists in words, as all forms of the report use them."""

from __future__ import annotations

from collections.abc import Sequence

#: How many names a line lists.
FEW = 12


def plural(count: int, noun: str, nouns: str = "") -> str:
    """`1 law`, `2 laws`."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def some(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")


def short(text: str, width: int = 100) -> str:
    """The first line of a text, cut to a width."""
    line = text.splitlines()[0] if text else ""
    return line if len(line) <= width else line[: width - 1] + "…"


def ratio(worst: float | None) -> str:
    """A ratio of error to error bound; a dash where none can be told."""
    return "-" if worst is None else f"{worst:.2g}" if worst else "exact"


def by_laws_of(release: str, gone: Sequence[str], reworded: Sequence[str]) -> str:
    """By the laws of which earlier release a run is made, and what has become of these."""
    told = f"judged by the laws of gradlaws {release}"
    told += f"; gone since: {some(gone)}" if gone else ""
    return told + (f"; with another wording since: {some(reworded)}" if reworded else "")
