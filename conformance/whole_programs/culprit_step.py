"""The step that made a difference, and what was done before it that has to do with it.

The culprit is the last step before the look that showed the difference: programs are looked at after every
step before anybody is blamed (`gradlaws.conformance.execution.whole_program_run.watchful`), unless that hides the
difference. Then it is the last one since the look before that can have made it.
"""

from __future__ import annotations

from collections.abc import Container

from gradlaws.conformance.language.aliasing import neighbours
from gradlaws.conformance.language.derivative_orders import recording
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.program_slice import relevant
from gradlaws.conformance.language.steps import (
    CHANGING,
    Apply,
    Backward,
    Detach,
    Grad,
    Hook,
    InPlace,
    Look,
    Mode,
    Step,
    Var,
)
from gradlaws.conformance.language.training import OptimizerStep
from gradlaws.conformance.ops import TABLE


class Culprit:
    """What is to be known of a program, of which some steps failed, to blame somebody for what step `index` shows."""

    def __init__(self, program: Program, index: int, failed: Container[int] = ()) -> None:
        self.program = program
        self.index = index
        self.failed = failed
        self.steps = program.steps[: index + 1]
        #: The last step that can have made the difference.
        self.at = max((k for k, step in enumerate(self.steps) if not isinstance(step, Look)), default=0)
        self.step: Step = self.steps[self.at]

    def before(self, *kinds: type[Step], until: int | None = None) -> list[Step]:
        """The steps of these kinds before the culprit."""
        return [s for s in self.steps[: self.at if until is None else until] if isinstance(s, kinds)]

    def maker(self, var: Var) -> Step | None:
        """The step that made a variable."""
        return self.program.maker(var)

    def kin(self, var: Var) -> set[Var]:
        """All that lives in the same memory."""
        return neighbours(self.program).get(var, {var})

    def modes(self) -> list[str]:
        """The grad modes that are open at the culprit."""
        open_modes: list[str] = []
        for step in self.before(Mode):
            assert isinstance(step, Mode)
            if step.kind in ("exit", "raise"):
                open_modes = open_modes[:-1]
            else:
                open_modes.append(step.kind)
        return open_modes

    def higher(self) -> bool:
        """Whether something was differentiated with create_graph."""
        return recording(self.steps)

    def written(self, var: Var) -> bool:
        """Whether the memory of a tensor was written to."""
        kin = self.kin(var)
        return any(
            (isinstance(s, InPlace) and s.target in kin)
            or (isinstance(s, OptimizerStep) and not kin.isdisjoint(s.parameters))
            for s in self.steps[: self.at]
        )

    def _on_the_way(self, var: Var | None = None) -> tuple[Step, ...]:
        """The steps before the culprit that have to do with it, or with what that did to `var`."""
        return relevant(self.program, self.at, var).steps[:-1]

    def _written_on_the_way(self, var: Var | None = None) -> bool:
        return any(isinstance(s, InPlace | OptimizerStep) for s in self._on_the_way(var))

    def cleared(self, var: Var) -> bool:
        """Whether a hook clears .grad of a leaf as soon as something was added to it."""
        return any(isinstance(s, Hook) and s.effect == "clear" and s.x == var for s in self.before(Hook))

    def updated(self, var: Var) -> bool:
        """Whether a hook writes to a tensor when a backward comes by."""
        within = [s for hook in self.before(Hook) if isinstance(hook, Hook) for s in hook.within]
        return any(isinstance(s, InPlace) and s.target in self.kin(var) for s in within)

    def _reached(self, var: Var) -> set[Var]:
        """What is computed from a tensor, or lives in the memory of that; itself included."""
        found = set((kin := neighbours(self.program)).get(var, {var}))
        for step in self.steps[: self.at]:
            if isinstance(step, Apply | Detach | InPlace) and not found.isdisjoint(step.uses()):
                found.update(*(kin[made] for made in step.outs or step.uses()[:1]))
        return found

    def _hook_left_behind(self, var: Var) -> bool:
        """Whether a hook that changes gradients, on the way to a tensor, is on one that was written to since."""
        roots = self.step.roots if isinstance(self.step, Backward | Grad) else ()
        reached = self._reached(var)
        for k, hook in enumerate(self.steps):
            if isinstance(hook, Hook) and hook.effect in CHANGING and hook.x in reached:
                kin, since = self.kin(hook.x), self.steps[k : self.at]
                written = any(isinstance(s, InPlace) and s.target in kin for s in since)
                if written and not self._reached(hook.x).isdisjoint(roots):
                    return True
        return False

    def _written_elsewhere(self, var: Var) -> bool:
        """Whether the memory of a tensor was written to through another alias, as item assignment is."""
        kin, before = self.kin(var), self.steps[: self.at]
        return any(isinstance(s, InPlace) and s.target in kin and self._elsewhere(s, var) for s in before)

    def _elsewhere(self, step: InPlace, var: Var) -> bool:
        """Whether a write to a tensor's memory goes through another alias; one to an item of a view does."""
        maker = self.maker(var)
        view = isinstance(maker, Apply) and bool(TABLE[maker.op].alias)
        return step.target != var or (view and step.op.startswith("set_"))

    def _hooked(self) -> bool:
        return any(isinstance(s, Hook) and s.effect in CHANGING for s in self.before(Hook))
