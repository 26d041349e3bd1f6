"""What programs have reached, counted while they run, and as it stands in a record.

Rows of the op table are counted in all programs. Conjunctions of steps are counted in a share of them, since that takes
longer than a small program does; the share is told along with what was reached.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.language.steps import Apply, Step, Var
from gradlaws.conformance.reach.op_cells import CELLS, bit, called
from gradlaws.conformance.reach.step_cells import (
    BETWEEN,
    KINDS,
    PAIR_ROWS,
    RELATIONS,
    TRIPLE_ROWS,
    WIDTH,
    Walk,
)

#: As it stands in a record: see `Reached.dumped`.
Dumped = dict[str, Any]
_ORDERS = {1: bit("order", "1"), 2: bit("order", "2")}


class Call(NamedTuple):
    """An op as it was drawn, as step number `at`.

    values: its operands; homes: for each, the variable whose memory it lives in.
    special: the cells of what they hold, where that is looked at at all.
    """

    at: int
    step: Apply
    values: Sequence[Array]
    homes: Sequence[Var]
    special: int = 0


class Reached:
    """Cells of ops by row, pairs and triples of steps; see `op_cells` and `step_cells`."""

    def __init__(self, one_in: int = 1) -> None:
        """Begin; `one_in`: steps are counted in one of so many programs."""
        self.ops: dict[str, int] = {}
        self.pairs = [0] * PAIR_ROWS
        self.triples = [0] * TRIPLE_ROWS
        self.programs = self.counted = 0
        self._one_in = one_in

    def note(
        self,
        steps: Sequence[Step],
        calls: Iterable[Call],
        failed: Sequence[bool],
        orders: Mapping[str, int],
        watched: bool,
    ) -> None:
        """Count a program that ran.

        failed: of each step, whether it was refused or could not be run.
        orders: by op, the highest order of a derivative through it.
        watched: whether all tensors are looked at after each step, not only where the program says.
        """
        ops = self.ops
        for at, step, values, homes, special in calls:
            if at < len(steps) and steps[at] is step and not failed[at]:
                cells = called(
                    step.op, values, homes, step.inputs, dict(step.params) if step.params else None
                )
                ops[step.op] = ops.get(step.op, 0) | cells | special
        for op, order in orders.items():
            ops[op] = ops.get(op, 0) | _ORDERS[1] | (_ORDERS[2] if order > 1 else 0)
        if not self.programs % self._one_in:
            Walk(self.pairs, self.triples).go(steps, failed.__getitem__, watched)
            self.counted += 1
        self.programs += 1

    def dumped(self) -> Dumped:
        """As data for a record: names of all cells, and bits in their order.

        {"programs", "counted" (those in which steps were counted), "cells" [[group, value]], "ops" {op: hexadecimal},
        "kinds", "relations", "between", "pairs", "triples" (rows of 32 bits, deflated, base 64)}
        """
        if not self.programs:
            return {}
        return {
            "programs": self.programs,
            "counted": self.counted,
            "cells": [list(cell) for cell in CELLS],
            "ops": {op: f"{cells:x}" for op, cells in sorted(self.ops.items())},
            "kinds": list(KINDS),
            "relations": list(RELATIONS),
            "between": list(BETWEEN),
            "pairs": _packed(self.pairs),
            "triples": _packed(self.triples),
        }

    def take(self, data: Mapping[str, Any]) -> None:
        """Add what a record of this version says; raises ValueError where it is not whole, or counts other things."""
        if not data:
            return
        if any(data.get(key) != value for key, value in _named().items()):
            raise ValueError("what was reached was counted by another version of gradlaws")
        for op, cells in data["ops"].items():
            self.ops[op] = self.ops.get(op, 0) | int(cells, 16)
        for rows, key in ((self.pairs, "pairs"), (self.triples, "triples")):
            for k, row in enumerate(_unpacked(data[key], len(rows))):
                rows[k] |= row
        self.programs += int(data["programs"])
        self.counted += int(data["counted"])


def _named() -> Dumped:
    return {
        "cells": [list(cell) for cell in CELLS], "kinds": list(KINDS), "relations": list(RELATIONS),
        "between": list(BETWEEN),
    }  # fmt: skip


def _packed(rows: Sequence[int]) -> str:
    return _deflated(struct.pack(f"<{len(rows)}I", *rows))


def _deflated(raw: bytes) -> str:
    return base64.b64encode(zlib.compress(raw, 1)).decode()


def _unpacked(text: str, count: int) -> Sequence[int]:
    return struct.unpack(f"<{count}I", _raw(text, count))


def _raw(text: str, count: int) -> bytes:
    try:
        decoder = zlib.decompressobj()
        raw = decoder.decompress(base64.b64decode(text, validate=True), count * WIDTH // 8 + 1)
    except (ValueError, TypeError, zlib.error) as error:
        raise ValueError("what was reached cannot be read") from error
    if len(raw) != count * WIDTH // 8:
        raise ValueError("what was reached is cut short")
    return raw


def joined(parts: Iterable[Mapping[str, Any]]) -> Dumped:
    """What several parts of a run have reached together; nothing where one of them was counted otherwise."""
    ops: dict[str, int] = {}
    steps = {"pairs": 0, "triples": 0}
    numbers = {"programs": 0, "counted": 0}
    names = _named()
    try:
        for part in filter(None, parts):
            if any(part[key] != value for key, value in names.items()):
                return {}
            for op, cells in part["ops"].items():
                ops[op] = ops.get(op, 0) | int(cells, 16)
            for key, size in (("pairs", PAIR_ROWS), ("triples", TRIPLE_ROWS)):
                steps[key] |= int.from_bytes(_raw(part[key], size), "little")
            for key in numbers:
                numbers[key] += int(part[key])
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    if not numbers["programs"]:
        return {}
    return {
        **numbers, **names, "ops": {op: f"{cells:x}" for op, cells in sorted(ops.items())},
        "pairs": _deflated(steps["pairs"].to_bytes(PAIR_ROWS * WIDTH // 8, "little")),
        "triples": _deflated(steps["triples"].to_bytes(TRIPLE_ROWS * WIDTH // 8, "little")),
    }  # fmt: skip
