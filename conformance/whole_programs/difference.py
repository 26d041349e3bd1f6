"""A difference between what an engine showed and what the reference expects, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gradlaws.conformance.language.steps import Var


class Aspect(StrEnum):
    """What was looked at."""

    VALUE = "value"
    GRAD = "grad"
    REQUIRES_GRAD = "requires_grad"
    IS_LEAF = "is_leaf"
    RETAINS = "retains"
    GRAD_TRACKED = "grad_tracked"
    MODE = "mode"
    IDENTITY = "identity"
    CALLS = "calls"
    ORDER = "order"
    OUTCOME = "outcome"
    MEMORY = "memory"
    NOTHING = "nothing"


#: Flags of a tensor itself, on the first two of which the rest of the history depends.
FLAGS = (Aspect.REQUIRES_GRAD, Aspect.IS_LEAF, Aspect.RETAINS)


@dataclass(slots=True)
class Difference:
    """One thing that is not as it should be.

    aspect: of what kind it is.
    thing:  what was looked at, as a reader of the program finds it.
    got, want: what was observed, and what was expected.
    index:  the step after which it shows; None for the end of the program.
    var:    the tensor, where it is about one.
    handle: the hook, where it is about its calls.
    question: what was asked, where it is about identity.
    contained: whether the reference can go on from what was observed.
    """

    aspect: Aspect
    thing: str
    got: Any
    want: Any
    index: int | None
    var: Var | None = None
    handle: int | None = None
    question: str = ""
    contained: bool = True

    def like(self, other: Difference) -> bool:
        """Whether two differences are about the same thing, at the same time."""
        mine, theirs = ((d.aspect, d.index, d.var, d.handle, d.question) for d in (self, other))
        return mine == theirs
