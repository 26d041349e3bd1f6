"""Parts of a program that run at once, each in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gradlaws.conformance.language.steps import Step, Var, used_within


@dataclass(frozen=True, slots=True)
class Threads(Step):
    """The parts run at once, and the program goes on when all have ended; `outs` are all variables that they make.

    No part uses what another makes.
    """

    parts: tuple[tuple[Step, ...], ...]

    def uses(self) -> tuple[Var, ...]:
        """What the parts use of the program."""
        return tuple(dict.fromkeys(v for part in self.parts for v in used_within(part)))

    def rewired(self, old: Var, new: Var) -> Step:
        """The same parts with variable `old` replaced by `new`."""
        return replace(self, parts=tuple(tuple(s.rewired(old, new) for s in part) for part in self.parts))

    def simpler(self) -> Iterator[Threads]:
        """The same with a part less, or a step of one, and whatever needs what that makes."""
        for k, part in enumerate(self.parts):
            rest = (self.parts[:k], self.parts[k + 1 :])
            if len(self.parts) > 1:
                yield threads((*rest[0], *rest[1]))
            for index in reversed(range(len(part))):
                gone, left = set(part[index].outs), list(part[:index])
                for step in part[index + 1 :]:
                    if gone.isdisjoint(step.uses()):
                        left.append(step)
                    else:
                        gone.update(step.outs)
                if left:
                    yield threads((*rest[0], tuple(left), *rest[1]))


def threads(parts: tuple[tuple[Step, ...], ...]) -> Threads:
    """The step that runs these parts."""
    return Threads(parts, outs=tuple(v for part in parts for step in part for v in step.outs))
