"""What a law is, and the registry of all of them.

A law is a function over a *trial*: one program, run on the engine, beside what the reference expected. Its
docstring is the sentence that it asserts; its id is the catalogue's and never changes. The program comes from
the law's *leaning*, which makes the law's precondition common. What no program can say (threads, lifetimes,
devices) is an *exhibit*: a law without a leaning, over a stage with the engine and some entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from gradlaws.conformance.engines.backend import Backend
from gradlaws.strategies.builder import Builder

Level = Literal["core", "full", "torch"]
Leaning = Callable[[Builder], Any]
#: The claims, weakest first; each includes the ones before it.
LEVELS: tuple[Level, ...] = ("core", "full", "torch")


@dataclass(frozen=True)
class Law:
    """One documented promise.

    id:       the catalogue's, e.g. `ACC-01`; reports, known failures and links key on it.
    name:     the function's name.
    sentence: what is promised.
    source:   where the documentation says so.
    level:    `core`, `full` or `torch`.
    needs:    capabilities without which the law does not apply.
    check:    the function itself.
    leaning:  draws the programs; None for an exhibit.
    after:    laws whose breach explains a breach of this one.
    undocumented: no documentation promises it; it is what the engine does, and what is relied on.
    thrift:   how many times fewer scenes are enough, where there is little to draw.
    """

    id: str
    name: str
    sentence: str
    source: str
    level: Level
    needs: frozenset[str]
    check: Callable[[Any], None]
    leaning: Leaning | None
    after: tuple[str, ...]
    undocumented: bool = False
    thrift: int = 1

    @property
    def family(self) -> str:
        """The first part of the id."""
        return self.id.partition("-")[0]


LAWS: dict[str, Law] = {}


def unasked(identity: str, backend: Backend) -> bool:
    """Whether a law needs what the adapter withholds: then nobody says of this engine what the law demands."""
    law = LAWS.get(identity)
    return law is not None and bool(missing(law, backend))


def missing(law: Law, backend: Backend) -> frozenset[str]:
    """What the law needs and the engine has not: capabilities, ops, parts of its own API, releases."""
    wanted = law.needs - backend.capabilities
    if wanted:
        wanted = frozenset(
            name for name in wanted.difference(backend.repertoire) if not backend.has_part(name)
        )
    return wanted


def law(
    identity: str,
    source: str,
    leaning: Leaning | None = None,
    *,
    level: Level = "full",
    needs: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
    stored: bool = True,
    undocumented: bool = False,
    thrift: int = 1,
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register a function as a law; its docstring's first paragraph is the sentence.

    stored: whether it is about gradients as the engine stores them in .grad; False for what can as well be
    said of an engine that differentiates functions, whose gradients the adapter stores.
    undocumented, thrift: as in `Law`.
    """

    def register(check: Callable[[Any], None]) -> Callable[[Any], None]:
        if identity in LAWS:
            raise ValueError(
                f"law {identity} is registered twice: {LAWS[identity].name} and {check.__name__}"
            )
        sentence = " ".join((check.__doc__ or "").split("\n\n")[0].split())
        if not sentence or not source:
            raise ValueError(f"law {identity} needs a sentence (its docstring) and a source")
        told = ("stored",) * stored + ("calls",) * (leaning is None)
        needed = frozenset((*needs, *told))
        LAWS[identity] = Law(
            identity,
            check.__name__,
            sentence,
            source,
            level,
            needed,
            check,
            leaning,
            after,
            undocumented,
            thrift,
        )
        return check

    return register
