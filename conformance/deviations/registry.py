"""What a deviation is, and the registry of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TypeVar

from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.error_bounds import Doubt, doubt
from gradlaws.conformance.reference.graph_traversal import Seeded, backward
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.variant_names import variant_name

T = TypeVar("T", bound=type[Engine])
#: By name: the reference engine with one thing done otherwise.
DEVIATIONS: dict[str, type[Engine]] = {}


def deviation(made: T) -> T:
    """Register a reference engine that does one thing otherwise; its docstring says what."""
    name = variant_name(made)
    if name in DEVIATIONS:
        raise ValueError(f"deviation {name} is registered twice")
    DEVIATIONS[name] = made
    return made


def variant(name: str) -> type[Engine] | None:
    """The reference engine that a deviation of this name stands for; None if there is none.

    What somebody has planted as a fault, to show that a law can fail, an engine may be known to do.
    """
    if name in DEVIATIONS:
        return DEVIATIONS[name]
    from gradlaws.conformance.faults import FAULTS  # many, and few lists name any

    return FAULTS[name].variant if name in FAULTS else None


def deviant(names: Iterable[str]) -> Engine:
    """A reference engine with all of these deviations at once."""
    return _composed(tuple(sorted(names)))()


@lru_cache(maxsize=64)
def _composed(names: tuple[str, ...]) -> type[Engine]:
    return type("Deviant", tuple(made for name in names if (made := variant(name))) or (Engine,), {})


def products(
    engine: Engine, seeded: Seeded, path: list[Node], targets: list[Node], create_graph: bool
) -> list[tuple[Node | None, Doubt | None]]:
    """What arrives at targets, pulled back by the engine's own `_pull` whether it needs be or not."""
    with engine.mode(create_graph):
        arrived = backward(seeded, path, targets, engine._visit, engine._pull)
    return [(None, None) if g is None else (g if create_graph else Node(g.array), doubt(g)) for g in arrived]
