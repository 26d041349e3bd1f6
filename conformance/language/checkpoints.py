"""Checkpointed parts of a program: ops whose inner values are not kept, but computed again in backward."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gradlaws.conformance.language.steps import Apply, Step, Var, swapped, used_within


@dataclass(frozen=True, slots=True)
class Checkpoint(Step):
    """`outs = checkpoint(part, *operands)`.

    steps: the part: ops, and further checkpointed parts, over the program's own variables; what they make is not to be
        seen outside but for `outs`.
    """

    steps: tuple[Apply | Checkpoint, ...]

    def uses(self) -> tuple[Var, ...]:
        """The operands of the part."""
        return used_within(self.steps)

    def rewired(self, old: Var, new: Var) -> Step:
        """The same part with operand `old` replaced by `new`."""
        return replace(self, steps=_rewired(self.steps, old, new))

    def ops(self) -> Iterator[Apply]:
        """All ops of the part, in their order."""
        for step in self.steps:
            yield from step.ops() if isinstance(step, Checkpoint) else (step,)

    def simpler(self) -> Iterator[Checkpoint]:
        """The parts that are one thing simpler: an op less, a part within that is none any more, a result less."""
        for k, step in enumerate(self.steps):
            before, after = self.steps[:k], self.steps[k + 1 :]
            if isinstance(step, Checkpoint):
                yield replace(self, steps=(*before, *step.steps, *after))
                yield from (replace(self, steps=(*before, other, *after)) for other in step.simpler())
            elif not set(step.outs) & set(self.outs):
                for operand in dict.fromkeys(step.inputs):
                    rest = after
                    for out in step.outs:
                        rest = _rewired(rest, out, operand)
                    yield replace(self, steps=(*before, *rest))
        for out in self.outs if len(self.outs) > 1 else ():
            yield replace(self, outs=tuple(v for v in self.outs if v != out)).pruned()

    def pruned(self) -> Checkpoint:
        """The same without ops that nothing depends on."""
        needed, kept = set(self.outs), list[Apply | Checkpoint]()
        for step in reversed(self.steps):
            if not needed.isdisjoint(step.outs):
                kept.append(step)
                needed.update(step.uses())
        return replace(self, steps=tuple(reversed(kept)))


def _rewired(steps: tuple[Apply | Checkpoint, ...], old: Var, new: Var) -> tuple[Apply | Checkpoint, ...]:
    return tuple(
        replace(step, inputs=swapped(step.inputs, old, new))
        if isinstance(step, Apply)
        else replace(step, steps=_rewired(step.steps, old, new))
        for step in steps
    )
