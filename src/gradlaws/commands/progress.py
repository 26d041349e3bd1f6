"""The progress of a run, on one line of a terminal, with failures as they come."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from gradlaws.conformance.engines.exceptions import plain
from gradlaws.reports.record import result_of
from gradlaws.reports.terminal import failure

#: Verdicts that are shown in full as they come.
SHOWN = ("FAIL", "ERROR", "CRASH", "TIMEOUT", "STALE", "UNKNOWN")


class Progress:
    """Says how far a run is: on one line of a terminal, now and then elsewhere."""

    def __init__(self, out: Any, record: Path, seconds: float = 10.0) -> None:
        self.out = out
        self.record = record
        self.live = out.isatty()
        self.total = 0
        self.verdicts: Counter[str] = Counter()
        self._every = 0.2 if self.live else seconds
        self._start = self._last = time.perf_counter()

    def line(self, line: dict[str, Any]) -> None:
        """Take one line of the record."""
        self.verdicts[line["verdict"]] += 1
        if line["verdict"] in SHOWN:
            self._clear()
            shown = (
                failure(result_of(line), self.record)
                if line["type"] == "result"
                else f"FAIL {line['name']}\n{plain(line['message'])}"
            )
            print(f"\n{shown}\n", file=self.out)
        now = time.perf_counter()
        if now - self._last >= self._every:
            self._last = now
            self.show(line.get("law", line.get("name", "")))

    def show(self, what: str) -> None:
        """How many are done, what came of them, and what came last."""
        done = sum(self.verdicts.values())
        counts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(self.verdicts.items()))
        text = f"{done} of {self.total}  {counts}  {time.perf_counter() - self._start:.0f} s  {what}"
        self._clear()
        print(text[:100], end="" if self.live else "\n", file=self.out, flush=True)

    def _clear(self) -> None:
        if self.live:
            print("\r\x1b[K", end="", file=self.out)

    def end(self) -> None:
        """Leave a clean line."""
        self._clear()
        self.out.flush()
