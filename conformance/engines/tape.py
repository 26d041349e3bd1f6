"""The tape behind which engines are judged that differentiate functions: values, and how they are computed."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any


class Part:
    """Result number `k` of what `whole` computes of the parents' values: one call for all of its results."""

    __slots__ = ("k", "whole")

    def __init__(self, whole: Callable[..., Sequence[Any]], k: int) -> None:
        self.whole, self.k = whole, k


class Traced:
    """A value of the engine, and how it is computed from others: `make` of `parents`; leaves have neither.

    tracked:  it is on the tape: computed from leaves whose gradients are asked for.
    requires: a gradient comes to it; not so beyond `cut`, where the engine is to stop gradients.
    asked:    a backward asks for its gradient.
    """

    __slots__ = ("__weakref__", "asked", "grad", "make", "nothing", "parents", "requires", "tracked", "value")

    def __init__(
        self,
        value: Any,
        asked: bool = False,
        make: Callable[..., Any] | Part | None = None,
        parents: Sequence[Traced] = (),
        cut: bool = False,
    ) -> None:
        self.value = value
        self.asked: bool = asked
        self.tracked: bool = asked or any(p.tracked for p in parents)
        self.requires: bool = asked or (not cut and any(p.requires for p in parents))
        self.make = make if self.tracked else None
        self.parents = tuple(parents) if self.tracked else ()
        self.grad: Traced | None = None
        self.nothing: Traced | None = None

    def become_leaf(self, asked: bool) -> None:
        """Forget where the value comes from; from now on it is an argument, or none."""
        self.make, self.parents = None, ()
        self.tracked = self.requires = self.asked = asked


def order(roots: Sequence[Traced]) -> list[Traced]:
    """What the roots are computed from by recorded ops, operands first."""
    found: dict[Traced, None] = {}
    stack = [(root, False) for root in roots]
    while stack:
        node, done = stack.pop()
        if done:
            found[node] = None
        elif node not in found:
            stack.append((node, True))
            stack += [(p, False) for p in node.parents if p.tracked]
    return list(found)


def parts(
    whole: Callable[..., Sequence[Any]],
    values: Sequence[Any],
    parents: Sequence[Traced],
    constant: Container[int] = (),
) -> list[Traced]:
    """The results of what computes several at once; those numbered in `constant` have no history."""
    return [
        Traced(value, False, Part(whole, k), () if k in constant else parents)
        for k, value in enumerate(values)
    ]


def replayed(roots: Sequence[Traced], inputs: Sequence[Traced]) -> Callable[..., list[Any]]:
    """The roots' values as a function of the values of `inputs`."""
    nodes = order(roots)

    def function(*values: Any) -> list[Any]:
        known = dict(zip(inputs, values, strict=True))
        together: dict[Callable[..., Any], Sequence[Any]] = {}
        for node in nodes:
            if node in known or node.make is None:
                continue
            make, operands = node.make, [known.get(p, p.value) for p in node.parents]
            if not isinstance(make, Part):
                known[node] = make(*operands)
                continue
            if make.whole not in together:
                together[make.whole] = make.whole(*operands)
            known[node] = together[make.whole][make.k]
        return [known.get(root, root.value) for root in roots]

    return function
