"""How a law is found broken: the breach as an exception, and the ratio of error to bound that decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.engines.exceptions import ProcessEnded, reference_broke
from gradlaws.conformance.entropy import Array
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


def shown(value: Any) -> str:
    """An observation, short enough to read."""
    if isinstance(value, np.ndarray | np.generic):
        text = np.array2string(
            np.asarray(value), precision=17, separator=", ", threshold=30, suppress_small=False
        )
        return " ".join(text.split()) + ("" if value.dtype == np.float64 else f" ({value.dtype})")
    return value if isinstance(value, str) else repr(value)


def called(gradients: Sequence[Array]) -> str:
    """What a hook was shown, call by call, short enough to read."""
    return "calls with " + (", ".join(map(shown, gradients)) or "nothing: none")


def vanishes(gradient: Array) -> bool:
    """Whether a gradient has elements, all of them zero: one of no elements says by its shape that it arrived."""
    return bool(gradient.size) and not gradient.any()


def excess(got: Array, want: Array | np.generic, bound: Callable[[], Array] | None) -> float:
    """The largest ratio of error to bound; 0 where equal to the bit, inf where shape or dtype differ."""
    if got is want:
        return 0.0
    if got.shape != want.shape or got.dtype != want.dtype:
        return np.inf
    if got.tobytes() == want.tobytes() or np.array_equal(got, want, equal_nan=got.dtype.kind in "fc"):
        return 0.0
    if bound is None or got.dtype.kind not in "fc":
        return np.inf
    try:
        limit = np.broadcast_to(bound(), want.shape)
    except Exception as error:
        raise reference_broke(error) from error
    with np.errstate(all="ignore"):
        same = (got == want) | (np.isnan(got) & np.isnan(want)) | np.isinf(limit)
        ratio = np.where(same, 0.0, np.abs(got - want) / limit)
    return float(np.max(np.where(np.isnan(ratio), np.inf, ratio), initial=0.0))
