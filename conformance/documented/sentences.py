"""The sentences of an engine's docstrings, and which of them laws cite: so that laws can follow the next release."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from operator import attrgetter
from typing import Any

_MARKUP = re.compile(r":\w+:`~?([^`<]*?)\s*(?:<[^`]*>)?`|`{1,2}([^`]*)`{1,2}")
#: Where one sentence ends and the next begins: not at `i.e.`, nor within a number or a name.
_END = re.compile(r"(?<=[a-z0-9)`'\"][.!?])\s+(?=[A-Z`(:\"'])")
_SECTION = re.compile(r"(Args|Arguments|Example|Examples|Returns?|Attributes|Keyword args|Raises)s?:+$")


def cited() -> dict[str, dict[str, str]]:
    """By name in PyTorch's API: how the sentences begin that laws cite, with the laws, or why none does."""
    place = files("gradlaws.conformance") / "documented" / "pytorch_sentences.toml"
    return tomllib.loads(place.read_text("utf-8"))


def sentences(text: str) -> Iterator[str]:
    """The sentences of a docstring as plain text, code and directives left out."""
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        lines = [line.strip() for line in block.splitlines()]
        if any(line.startswith((">>>", "...", "#", "@")) for line in lines) or re.search(
            r"\w\(.*\) ->", lines[0]
        ):
            continue
        prose = " ".join(line for line in lines if not _SECTION.match(line))
        prose = re.sub(r"\.\. \w+::", "", prose)
        plain = _MARKUP.sub(lambda found: found[1] or found[2] or "", prose)
        yield from (" ".join(part.split()) for part in _END.split(plain) if len(part.split()) > 3)


def uncited(module: Any, known: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, list[str], int]]:
    """Name by name: the sentences of its docstring that nothing in `known` begins, and how many sentences there are.

    A name that the module does not have is left out.
    """
    for name, begins in known.items():
        try:
            found = attrgetter(name.partition(".")[2])(module)
        except AttributeError:
            continue
        said = list(sentences(inspect.getdoc(found) or ""))
        yield name, [one for one in said if not one.startswith(tuple(begins))], len(said)
