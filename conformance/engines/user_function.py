"""A user-defined function as an adapter is given it: two callables over the engine's own tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class UserFunction:
    """What the user has defined.

    forward:  given the operands, returns (results, saved): the results as a sequence of tensors, and those tensors
        that the engine is to keep for backward; each of them is an operand, a result, or neither. An operand among
        the results is handed through.
    backward: given what was saved and the gradients of the results, returns one gradient for each operand, None
        for none. The gradient of a result that was not used is zeros.
    constant: the numbers of the results that are not differentiable.
    once:     backward cannot be differentiated again.

    Both run ops of the engine, and raise what they like.
    """

    forward: Callable[..., tuple[Sequence[Any], Sequence[Any]]]
    backward: Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]]
    constant: frozenset[int] = frozenset()
    once: bool = False
