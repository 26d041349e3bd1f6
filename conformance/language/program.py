"""Programs: values that print, hash, compare, are journalled, replayed, minimised and transformed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gradlaws.conformance.language.steps import Step, Var


@dataclass(frozen=True)
class Program:
    """A sequence of steps."""

    steps: tuple[Step, ...]

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        from gradlaws.conformance.language.source import source  # who runs programs only needs none of it

        return source(self.steps)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What Hypothesis and IPython print: runnable source instead of nested constructor calls."""
        printer.text("Program('''\n    " + str(self).replace("\n", "\n    ") + "\n''')")

    def maker(self, var: Var) -> Step | None:
        """The step that made `var`."""
        return next((step for step in self.steps if var in step.outs), None)

    def without(self, first: int, last: int | None = None) -> Program:
        """The program without step `first`, or those up to `last` (exclusive), and whatever needs what they made."""
        last = first + 1 if last is None else last
        gone = {v for step in self.steps[first:last] for v in step.outs}
        kept = list(self.steps[:first])
        for step in self.steps[last:]:
            if gone.isdisjoint(step.uses()):
                kept.append(step)
            else:
                gone.update(step.outs)
        return Program(tuple(kept))
