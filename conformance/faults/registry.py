"""Planted faults: engines that break a law on purpose, so that each law is shown able to fail.

A fault is the reference engine with one thing wrong, or PyTorch, where a law is about its own API
(`pytorch/alteration.py`). It names the laws that must catch it; `tests/` hold each law against each of its faults, and
print the whole matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.variant_names import variant_name

T = TypeVar("T", bound=type[ReferenceBackend] | type[Engine])


@dataclass(frozen=True)
class Fault:
    """One planted fault.

    name:     what it is called, from the name of its class.
    sentence: what is wrong.
    breaks:   the laws that must catch it.
    strict:   caught only by those who insist on the refusals that PyTorch documents.
    make:     makes the faulty engine.
    engine:   the backend that it is a variant of.
    variant:  the reference engine with the fault; None where that is not what is faulty.
    """

    name: str
    sentence: str
    breaks: tuple[str, ...]
    strict: bool
    make: Callable[[], Any]
    engine: str = "reference"
    variant: type[Engine] | None = None


FAULTS: dict[str, Fault] = {}


def fault(*breaks: str, strict: bool = False) -> Callable[[T], T]:
    """Register a faulty engine (or backend) as a fault that these laws must catch; its docstring says what is wrong."""

    def register(made: T) -> T:
        name = variant_name(made)
        variant = made if issubclass(made, Engine) else None
        enlist(Fault(name, sentence(made), breaks, strict, lambda: speaking(name, made), variant=variant))
        return made

    return register


def enlist(one: Fault) -> None:
    """Register a fault; raises ValueError where its name is taken."""
    if one.name in FAULTS:
        raise ValueError(f"fault {one.name} is registered twice")
    FAULTS[one.name] = one


def sentence(made: object) -> str:
    """What is wrong, by the docstring."""
    return " ".join((made.__doc__ or "").split())


def speaking(name: str, made: type[ReferenceBackend] | type[Engine]) -> ReferenceBackend:
    """An adapter of that name to a new engine of the given class; a class of adapters is its own."""
    backend = made() if issubclass(made, ReferenceBackend) else _Speaking(made)
    backend.name = name
    return backend


class _Speaking(ReferenceBackend):
    """Speaks to an engine of the given class."""

    def __init__(self, engine: type[Engine]) -> None:
        self._made = engine
        super().__init__()

    def make_engine(self) -> Engine:
        return self._made()
