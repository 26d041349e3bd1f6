"""Which laws of a level are tried: those that were asked for, or one of several shards of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar

from gradlaws.conformance.engines.exceptions import plain
from gradlaws.conformance.laws import LAWS, LEVELS, Law
from gradlaws.conformance.laws.whole_program_laws import PROMISES
from gradlaws.conformance.suite.earlier_laws import EarlierLaws, EarlierLawsError
from gradlaws.conformance.whole_programs.run_item import WHOLE

T = TypeVar("T")


class SelectionError(Exception):
    """The selection makes no sense; the message says what to do."""


@dataclass(frozen=True)
class Selection:
    """Some of the laws of a level.

    level: the claim.
    names: ids and families of laws, WHOLE-01 among them; all laws if empty. An id that only whole programs judge
        stands for these.
    shard: (i, n): every n-th law, counted from the i-th, for runs on several machines.
    earlier: the laws of an earlier release, outside of which there are none; None for all that there are.
    """

    level: str = "full"
    names: frozenset[str] = frozenset()
    shard: tuple[int, int] = (1, 1)
    earlier: EarlierLaws | None = None

    @classmethod
    def of(cls, level: str, names: str | None, shard: str | None, laws_of: str | None = None) -> Selection:
        """The selection in the words of the options; raises SelectionError."""
        try:
            earlier = None if laws_of is None else EarlierLaws.of(laws_of)
        except EarlierLawsError as error:
            raise SelectionError(str(error)) from error
        wanted = frozenset(name.strip().upper() for name in (names or "").split(",") if name.strip())
        if names is not None and not wanted:
            raise SelectionError("--laws: names no law; write ids or families, for example --laws ACC,RET-13")
        tried = [*LAWS.values(), WHOLE]
        known = {*(law.id for law in tried), *(law.family for law in tried), *PROMISES}
        for name in sorted(wanted - known):
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise SelectionError(
                f"--laws {plain(name)}: no such law or family; {hint}`gradlaws laws` lists them"
            )
        found = cls(level, wanted, (1, 1) if shard is None else _shard(shard), earlier)
        if wanted and not (found._named(found.of_level()) or found._named(found.wholes_of_level())):
            raise SelectionError(
                f"--laws {plain(str(names))}: none of these is in the level {level}; try --level torch"
                + (f", or go without --laws-of {laws_of}" if earlier else "")
            )
        return found

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return not self.names and self.shard == (1, 1)

    def of_level(self) -> list[Law]:
        """All laws of the level, selected or not."""
        included = LEVELS[: LEVELS.index(self.level) + 1]
        return self._existed([law for law in LAWS.values() if law.level in included])

    def laws(self) -> list[Law]:
        """The laws that are tried."""
        return self.shared(self._named(self.of_level()))

    def wholes(self) -> list[Law]:
        """What stands for whole programs among the laws that are tried."""
        return self.shared(self._named(self.wholes_of_level()))

    def wholes_of_level(self) -> list[Law]:
        """What stands for whole programs, selected or not: they are about more than the core."""
        return self._existed([] if self.level == "core" else [WHOLE])

    def _existed(self, laws: list[Law]) -> list[Law]:
        return laws if self.earlier is None else [law for law in laws if law.id in self.earlier.laws]

    def _named(self, laws: Sequence[Law]) -> list[Law]:
        """Those laws that were asked for."""
        return [law for law in laws if not self.names or self._asks(law)]

    def _asks(self, law: Law) -> bool:
        return bool({law.id, law.family} & self.names) or (
            law is WHOLE and not self.names.isdisjoint(PROMISES)
        )

    def shared(self, things: Sequence[T]) -> list[T]:
        """The part of anything that falls to the shard."""
        first, count = self.shard
        return list(things[first - 1 :: count])


def _shard(text: str) -> tuple[int, int]:
    first, _, count = text.partition("/")
    if not (first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise SelectionError(
            f"--shard {plain(text)}: write I/N, for example 1/3 for the first of three machines"
        )
    return int(first), int(count)
