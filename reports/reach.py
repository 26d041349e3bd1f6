"""How far the programs of a run, or of a soak, have reached: shares by kind, what was not, and a picture of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gradlaws.conformance.reach.op_cells import CELLS, GROUPS, bit
from gradlaws.conformance.reach.possible import dtypes, kinds, names, of_engine, rows
from gradlaws.conformance.reach.reached import Reached
from gradlaws.conformance.reach.step_cells import BETWEEN, KINDS, RELATIONS, pair_row, triple_row
from gradlaws.reports.view import View

#: What each group of cells of an op is about.
MEANING = {
    "order": "order of derivative", "size": "elements", "rank": "rank", "dtype": "dtype", "broadcast": "broadcasting",
    "operand": "memory of operands", "dim": "dimension", "special": "special values",
}  # fmt: skip


@dataclass(frozen=True)
class Share:
    """How much of one kind was reached.

    kind:   what is counted, such as "rank".
    met:    how many cells were reached of how many there are.
    values: the same for each value of the kind, in their order.
    left:   what was not reached: by value, the rows or kinds of steps.
    """

    kind: str
    met: int
    there: int
    values: Mapping[str, tuple[int, int]]
    left: Mapping[str, tuple[str, ...]]

    @property
    def percent(self) -> float:
        """The share in percent."""
        return 100 * self.met / self.there if self.there else 100.0


@dataclass(frozen=True)
class Cell:
    """One op in one group, for the picture: how much of it was reached; none where there is nothing to reach."""

    share: float | None
    title: str


class Reach:
    """What was reached on one engine, beside what there is to reach."""

    def __init__(
        self,
        data: Mapping[str, Any],
        ops: Iterable[str],
        capabilities: Iterable[str],
        own: Mapping[str, int] | None = None,
    ) -> None:
        """Read what a record says; raises ValueError where it cannot be read, or counts other things."""
        self.reached = Reached()
        try:
            self.reached.take(data)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("what was reached cannot be read") from error
        has = tuple(capabilities)
        claimed = dtypes(has)
        self.possible = {op: of_engine(op, claimed) for op in rows(ops)} | dict(own or {})
        self.kinds = [k for k, kind in enumerate(KINDS) if kind in kinds(has)]

    @classmethod
    def of(cls, view: View) -> Reach | None:
        """Of an engine in a record; None where the record says nothing, or says it as another version did."""
        data = view.record.reach.get(view.engine.name)
        try:
            engine = view.engine
            return cls(data, engine.ops, engine.capabilities, engine.own) if data else None
        except ValueError:
            return None

    def shares(self) -> tuple[Share, ...]:
        """All kinds: of ops, and of steps."""
        return (*map(self._of_ops, GROUPS), *self._of_steps())

    def _of_ops(self, group: str) -> Share:
        met, there = dict.fromkeys(GROUPS[group], 0), dict.fromkeys(GROUPS[group], 0)
        left: dict[str, list[str]] = {}
        for op, possible in self.possible.items():
            found = self.reached.ops.get(op, 0)
            for value in GROUPS[group]:
                one = bit(group, value)
                if possible & one:
                    there[value] += 1
                    met[value] += bool(found & one)
                    if not found & one:
                        left.setdefault(value, []).append(op)
        return _share(MEANING[group], {v: (met[v], there[v]) for v in there if there[v]}, left)

    def _of_steps(self) -> Iterator[Share]:
        every = sum(1 << k for k in self.kinds)
        forget = KINDS.index("forget")
        for between, word in enumerate(BETWEEN):
            anyhow = dict.fromkeys(self.kinds, 0)
            values: dict[str, tuple[int, int]] = {}
            left: dict[str, list[str]] = {}
            for number, relation in enumerate(RELATIONS):
                met = there = 0
                # What is forgotten is not used again.
                possible = every & ~(1 << forget) if relation == "same tensor" else every
                for last in self.kinds:
                    found = self.reached.pairs[pair_row(number, between, last)] & possible
                    anyhow[last] |= found
                    met, there = met + found.bit_count(), there + possible.bit_count()
                values[relation] = (met, there)
            for last, found in anyhow.items():
                lacking = [f"{KINDS[k]} > {KINDS[last]}" for k in self.kinds if not found >> k & 1]
                left.setdefault("in any relation", []).extend(lacking)
            met = sum(found.bit_count() for found in anyhow.values())
            yield Share(f"pairs of steps, {word}", met, len(self.kinds) ** 2, values, _frozen(left))
        for between, word in enumerate(BETWEEN):
            met, left = 0, {}
            values = {}
            for last in self.kinds:
                own = 0
                for middle in self.kinds:
                    found = self.reached.triples[triple_row(between, middle, last)] & every
                    own += found.bit_count()
                    left.setdefault(f"then {KINDS[last]}", []).extend(
                        f"{KINDS[k]} > {KINDS[middle]}" for k in self.kinds if not found >> k & 1
                    )
                values[KINDS[last]] = (own, len(self.kinds) ** 2)
                met += own
            yield Share(f"triples of steps, {word}", met, len(self.kinds) ** 3, values, _frozen(left))

    def picture(self) -> Iterator[tuple[str, tuple[Cell, ...]]]:
        """By op: how much of each group was reached."""
        for op, possible in self.possible.items():
            yield op, tuple(self._cell(op, possible, group) for group in GROUPS)

    def _cell(self, op: str, possible: int, group: str) -> Cell:
        mask = sum(bit(at, value) for at, value in CELLS if at == group)
        there, found = possible & mask, self.reached.ops.get(op, 0) & possible & mask
        if not there:
            return Cell(None, f"{op}, {MEANING[group]}: nothing to reach")
        left = names(group, there & ~found)
        said = f"{found.bit_count()} of {there.bit_count()}" + (f"; not {', '.join(left)}" if left else "")
        return Cell(found.bit_count() / there.bit_count(), f"{op}, {MEANING[group]}: {said}")

    def pairs(self) -> Iterator[tuple[str, tuple[Cell, ...]]]:
        """By kind of the first step, the second in the order of `kinds`: in how many relations they were met."""
        for first in self.kinds:
            cells = []
            for last in self.kinds:
                met = [
                    f"{relation}, {word}"
                    for k, relation in enumerate(RELATIONS)
                    for between, word in enumerate(BETWEEN)
                    if self.reached.pairs[pair_row(k, between, last)] >> first & 1
                ]
                share = len(met) / (len(RELATIONS) * len(BETWEEN))
                cells.append(Cell(share, f"{KINDS[first]}, then {KINDS[last]}: {'; '.join(met) or 'never'}"))
            yield KINDS[first], tuple(cells)

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns of `picture`."""
        return tuple(MEANING[group] for group in GROUPS)

    @property
    def named(self) -> tuple[str, ...]:
        """The columns of `pairs`."""
        return tuple(KINDS[k] for k in self.kinds)

    def counted(self) -> str:
        """In how many programs."""
        r = self.reached
        share = "" if r.counted == r.programs else f"; conjunctions of steps in {r.counted:,} of them"
        return f"counted in {r.programs:,} programs{share}"


def _share(kind: str, values: Mapping[str, tuple[int, int]], left: Mapping[str, list[str]]) -> Share:
    met, there = (sum(value[k] for value in values.values()) for k in (0, 1))
    return Share(kind, met, there, values, _frozen(left))


def _frozen(left: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {value: tuple(them) for value, them in left.items() if them}


def text(reach: Reach, listed: int | None = 12) -> Iterator[str]:
    """Shares by kind, and what was not reached; of each list so many, None for all."""
    yield reach.counted()
    for share in reach.shares():
        yield f"{share.kind}: {share.met:,} of {share.there:,} ({share.percent:.1f} %)"
        for value, (met, there) in share.values.items():
            yield f"    {value}: {met:,} of {there:,}"
        for value, them in share.left.items():
            shown = them if listed is None else them[:listed]
            more = f" and {len(them) - len(shown):,} more" if len(them) > len(shown) else ""
            yield f"    not {value}: {', '.join(shown)}{more}"


def reaching(view: View) -> str:
    """The shares in a line; empty where nothing is said."""
    reach = Reach.of(view)
    if reach is None:
        return ""
    met = there = 0
    for group in GROUPS:
        share = reach._of_ops(group)
        met, there = met + share.met, there + share.there
    pairs, triples = [f"{s.percent:.0f} %" for s in reach._of_steps()][::2]
    return (
        f"reach: {100 * met / max(there, 1):.0f} % of what ops can meet, {pairs} of pairs and {triples} of triples of "
        f"steps with nothing looked at in between"
    )
