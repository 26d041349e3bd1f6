"""Steering: what the programs of a run have not had so far is what the next ones are asked for.

Numbered programs come in epochs of `EPOCH`. Within one, each block of programs is asked for conjunctions of steps that
the blocks before it have not had; which of them, the seed says. So a program follows from seed and number: whoever
wants one has those before it in its epoch drawn, of which a share is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from gradlaws.conformance.reach.possible import kinds
from gradlaws.conformance.reach.step_cells import KINDS, PAIR_ROWS, TRIPLE_ROWS, Walk, triple_row
from gradlaws.strategies.aimed_conjunctions import Aim
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.vocabulary import Vocabulary

EPOCH, BLOCK = 1000, 200
#: Of so many programs, one is looked at.
ONE_IN = 4
#: Draws the program with a number, which shall have a conjunction.
Draw = Callable[[int, Aim], Builder]


class Steering:
    """Programs of one run by number."""

    def __init__(self, seed: int, vocabulary: Vocabulary, draw: Draw) -> None:
        """Begin; the programs are those that `draw` makes."""
        self._seed = seed
        self._draw = draw
        known = kinds(vocabulary.capabilities)
        self._kinds = [k for k, kind in enumerate(KINDS) if kind in known]
        self._start(0)

    def draft(self, number: int) -> Builder:
        """The program with a number."""
        epoch = number // EPOCH
        if epoch != self._epoch or number < self._next - self._next % BLOCK:
            self._start(epoch)
        # Asked for out of turn: the blocks before are drawn first.
        while self._next // BLOCK < number // BLOCK:
            self._noted(self._next)
        made = self._noted(number, wanted=True) if number == self._next else None
        return self._draw(number, self._aim(number)) if made is None else made

    def _start(self, epoch: int) -> None:
        self._epoch, self._next = epoch, epoch * EPOCH
        self._pairs, self._triples = [0] * PAIR_ROWS, [0] * TRIPLE_ROWS
        self._aims: list[Aim] = []

    def _aim(self, number: int) -> Aim:
        if not self._aims:
            self._aims = self._lacking(number // BLOCK)
        return self._aims[number % BLOCK]

    def _noted(self, number: int, wanted: bool = False) -> Builder | None:
        """The next program, where it is wanted or looked at; what it has is noted."""
        looked_at = not number % ONE_IN
        builder = self._draw(number, self._aim(number)) if wanted or looked_at else None
        if builder is not None and looked_at:
            Walk(self._pairs, self._triples).go(builder.steps, lambda index: False, watched=False)
        self._next = number + 1
        if not self._next % BLOCK:
            self._aims = []
        return builder

    def _lacking(self, block: int) -> list[Aim]:
        """As many conjunctions as a block has programs, of those that there have not been."""
        random = Random(f"{self._seed}:{block}")
        found: list[Aim] = []
        tries = 0
        while len(found) < BLOCK:
            first, middle, last = (random.choice(self._kinds) for _ in range(3))
            between = random.randrange(2)
            tries += 1
            if tries > 40 * BLOCK or not self._triples[triple_row(between, middle, last)] >> first & 1:
                found.append(Aim(KINDS[first], KINDS[middle], KINDS[last], bool(between)))
        return found
