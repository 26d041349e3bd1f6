"""How often each op was in a program, with which dtypes, and differentiated how often: what a verdict rests on."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from gradlaws.conformance.execution.trace import Trace
from gradlaws.conformance.language.derivative_orders import differentiated
from gradlaws.conformance.language.steps import Apply, InPlace

#: By op: {"programs": n, "dtypes": {dtype: n}, "orders": {highest order of derivative: n}}.
Covered = dict[str, dict[str, Any]]


class Coverage:
    """Counts programs by op, by op and dtype of its result (in place: of the tensor written to), and by order."""

    def __init__(self) -> None:
        self._met: Counter[frozenset[tuple[str, np.dtype[Any]]]] = Counter()
        self._orders: Counter[tuple[str, int]] = Counter()

    def note(self, trace: Trace) -> dict[str, int]:
        """Count one program that ran; what raised is no coverage. The highest order of a derivative, by op."""
        met = set()
        for moment in trace.moments:
            step = moment.step
            kind = type(step)
            if kind is Apply or kind is InPlace:
                var = step.outs[0] if kind is Apply else step.target  # type: ignore[attr-defined]
                seen = moment.seen.get(var)
                if moment.raised is None and seen is not None and seen.value is not None:
                    met.add((step.op, seen.value.dtype))  # type: ignore[attr-defined]
        self._met[frozenset(met)] += 1
        ran = (moment.step for moment in trace.moments if moment.raised is None and not moment.skipped)
        orders = differentiated(ran)
        self._orders.update(orders.items())
        return orders

    def covered(self) -> Covered:
        """The counts."""
        programs: Counter[str] = Counter()
        dtypes: Counter[tuple[str, str]] = Counter()
        spelled = {dtype: str(dtype) for dtype in {dtype for pairs in self._met for _, dtype in pairs}}
        for met, n in self._met.items():
            for op in {op for op, _ in met}:
                programs[op] += n
            for op, dtype in met:
                dtypes[op, spelled[dtype]] += n
        found: Covered = {
            op: {"programs": n, "dtypes": {}, "orders": {}} for op, n in sorted(programs.items())
        }
        for (op, kind), n in sorted(dtypes.items()):
            found[op]["dtypes"][kind] = n
        for (op, order), n in sorted(self._orders.items()):
            found[op]["orders"][str(order)] = n
        return found
