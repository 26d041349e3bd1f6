"""What the hooks of a program do with the gradient that they are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradlaws.conformance.engines.backend import Backend

#: What a hook was shown that was called without a gradient.
NOTHING = np.array(None, dtype=object)


class Interruption(Exception):
    """What a program raises on purpose: inside a grad mode, in a hook, in the backward of a user-defined function.

    law: the law by which it comes out where it was raised.
    """

    def __init__(self, law: str) -> None:
        super().__init__()
        self.law = law


def _doubled(backend: Backend, g: Any) -> Any:
    return backend.apply("add", g, g)


def _negated(backend: Backend, g: Any) -> Any:
    return backend.apply("mul", g, backend.tensor(np.full_like(backend.numpy(g), -1)))


def _incremented(backend: Backend, g: Any) -> Any:
    return backend.apply("add", g, backend.tensor(np.ones_like(backend.numpy(g))))


def _unsqueezed(backend: Backend, g: Any) -> Any:
    return backend.tensor(backend.numpy(g)[None])


def _summed(backend: Backend, g: Any) -> Any:
    return backend.tensor(np.array(backend.numpy(g).sum()))


def _cast(backend: Backend, g: Any) -> Any:
    array = backend.numpy(g)
    return backend.tensor(array.astype("float32" if array.dtype == "float64" else "float64"))


#: What a tensor hook returns for a gradient, by its effect; what is not there returns None.
ANSWERS: dict[str, Callable[[Backend, Any], Any]] = {
    "same": lambda backend, g: g,
    "double": _doubled,
    "negate": _negated,
    "increment": _incremented,
    "unsqueeze": _unsqueezed,
    "sum": _summed,
    "cast": _cast,
    "number": lambda backend, g: 1.0,
}


def answer(backend: Backend, effect: str, g: Any) -> Any:
    """What a hook of this effect returns for the gradient g; None leaves it as it is. Raises Interruption."""
    if effect == "raise":
        raise Interruption("HOOK-09")
    made = ANSWERS.get(effect)
    return None if g is None or made is None else made(backend, g)
