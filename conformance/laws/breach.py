"""How a law is found broken: the breach as an exception; what counts as equal is in `value_comparison`."""

from __future__ import annotations

from collections.abc import Callable

from gradlaws.conformance.engines.exceptions import ProcessEnded
from gradlaws.conformance.known_failures.symptom import Symptom, symptom
from gradlaws.conformance.language.program import Program


class Broken(AssertionError):
    """A law does not hold: what was looked at, what came, what was expected, after which step.

    law: `EngineBroke.law` where no law speaks of it, such as the contents that an op computes.
    """

    #: What differed, where that is known as data.
    difference: object = None
    #: Where it is about a relation: the programs that the one on trial was compared with, and what each is, in words.
    others: tuple[tuple[str, Program], ...] = ()
    #: Where no law speaks of it: what broke, in words that are the same for two programs that break it in the same way.
    kind: tuple[str, ...] = ()

    def __init__(self, law: str, thing: str, got: str, expected: str, index: int | None = None) -> None:
        super().__init__(f"{thing} is {got}, expected {expected}")
        self.law = law
        self.thing = thing
        self.got = got
        self.expected = expected
        self.index = index


def symptom_of(error: Exception) -> Symptom:
    """What a failure looks like; whatever is no `Broken` was raised where there must be no error."""
    if isinstance(error, Broken):
        return symptom(error.thing, error.got, error.expected, error.index)
    if isinstance(error, ProcessEnded):
        return Symptom("hung" if error.late else "crashed")
    return symptom("", str(error), "no error", getattr(error, "index", None))


#: What is looked at, in words; made only where somebody reads it, if that costs more than the look.
Thing = str | Callable[[], str]
