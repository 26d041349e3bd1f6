"""The tensors of a whole program, and what has happened to them."""

from __future__ import annotations

from collections.abc import Callable

from gradlaws.conformance.language.steps import Var
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.in_place_writes import Pool, recent


class Cast(Pool):
    """The tensors of a whole program, and what has happened to them.

    grown:   tensors from which a backward may start, the latest last.
    graded:  tensors that have a gradient, as far as one can tell without differentiating.
    handles: hooks that may be removed.
    trained: optimizers, by their handles.
    recomputed: what checkpointed parts will be computed from again.
    turns:   how many rows of the op table have had their turn.
    every:   a look after each so many actions; 0 for a look at the end only.
    spent:   roots of a backward that did not keep the graph.
    """

    def __init__(self) -> None:
        super().__init__()
        self.graded: list[Var] = []
        self.handles: list[int] = []
        self.trained: list[int] = []
        self.recomputed: set[Var] = set()
        self.spent: list[Var] = []
        self.every = 1
        self.turns = 0

    def among(self, few: list[Var]) -> Cast:
        """A cast of some tensors only, which shares with this one what has happened to them."""
        cast = Cast()
        cast.extend(few)
        cast.retained, cast.bypassed, cast.recomputed = self.retained, self.bypassed, self.recomputed
        cast.trained, cast.spent, cast.every = self.trained, self.spent, self.every
        return cast

    def someone(self, b: Builder) -> Var:
        """One of the pool, of the later ones more often."""
        return recent(b, self) if b.entropy.chance(65) else b.entropy.pick(self[::-1])

    def tracked(self, b: Builder) -> list[Var]:
        """Those that require grad."""
        return [v for v in self if b[v].tracked]

    def inner(self, b: Builder) -> list[Var]:
        """Those that require grad and are no leaves, and whose place in the history nobody disputes."""
        return [v for v in self if b[v].tracked and not b[v].leaf and b[v].base not in self.bypassed]

    def lodgers(self, b: Builder, var: Var) -> int:
        """How many tensors live in the memory of one."""
        return sum(info.base == b[var].base for info in b.info.values())


Action = Callable[[Builder, Cast], None]
