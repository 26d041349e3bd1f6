"""The zoo of bugs: the reference engine with one thing wrong as it once was in a real engine, and as narrow.

A bug names its mechanism and the public issue or pull request that it is modelled on. Unlike a planted fault, which
shows that one law can fail, it shows whether programs go where engines really broke.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults.registry import sentence, speaking
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.variant_names import variant_name

T = TypeVar("T", bound=type[ReferenceBackend] | type[Engine])


class Mechanism(NamedTuple):
    """A way in which engines go wrong, and how many bugs of it there are at least."""

    title: str
    least: int = 4


MECHANISMS = {
    "M1": Mechanism("shared nodes, diamonds, the same tensor twice"),
    "M2": Mechanism("gradient buffers aliased, or accumulated in place"),
    "M3": Mechanism("saved values overwritten unseen"),
    "M4": Mechanism("views and the history of in-place ops"),
    "M5": Mechanism("retained gradients and hooks"),
    "M6": Mechanism("broadcasting"),
    "M7": Mechanism("repeated indices, gathering and scattering"),
    "M8": Mechanism("kinks, ties, zeros, half precision"),
    "M9": Mechanism("memory layout of operands and cotangents"),
    "M10": Mechanism("lifetimes, depth, freed graphs"),
    "M11": Mechanism("grad modes that leak", 2),
    "M12": Mechanism("dtypes and complex numbers"),
    "M13": Mechanism("concurrency", 2),
    "M14": Mechanism("state that is left between calls"),
    "M15": Mechanism("the setter of .grad", 2),
}


@dataclass(frozen=True)
class Bug:
    """One bug.

    name:      what it is called, from the name of its class.
    sentence:  what is wrong, and where.
    mechanism: a key of `MECHANISMS`.
    reference: the address of the public issue, pull request or review that it is modelled on.
    laws:      the laws that are asked first; all others come after whole programs.
    make:      makes the faulty engine.
    survives:  why a run at profile ci may miss it; empty where it does not.
    """

    name: str
    sentence: str
    mechanism: str
    reference: str
    laws: tuple[str, ...]
    make: Callable[[], ReferenceBackend]
    survives: str


BUGS: dict[str, Bug] = {}


def bug(mechanism: str, thread: str, *laws: str, survives: str = "") -> Callable[[T], T]:
    """Register a faulty engine (or backend); its docstring says what is wrong.

    thread: `owner/repository/issues/number`, or the same with `pull`, on GitHub.
    laws:   those asked first.
    survives: why a run at profile ci may miss it.
    """

    def register(made: T) -> T:
        name = variant_name(made)
        if name in BUGS:
            raise ValueError(f"bug {name} is registered twice")
        reference = f"https://github.com/{thread}"
        BUGS[name] = Bug(
            name, sentence(made), mechanism, reference, laws, lambda: speaking(name, made), survives
        )
        return made

    return register
