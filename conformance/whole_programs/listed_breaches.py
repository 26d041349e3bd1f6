"""Goes past breaches that are listed as known failures, so that the rest of a whole program is judged, too.

Only where what follows from a breach is contained: the reference goes on from the gradients that were observed,
and of a tensor whose flag is not as it should be, flags and gradient are not judged any more, nor those of what
is computed from it. Where that will not do, the program ends at the breach: contents that are wrong, an outcome
that is, memory that is shared.
"""

from __future__ import annotations

from dataclasses import replace

from gradlaws.conformance.engines.exceptions import EngineBroke
from gradlaws.conformance.known_failures.matching import Explained, KnownFailures
from gradlaws.conformance.language.aliasing import neighbours
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.program_slice import COMPUTING, relevant
from gradlaws.conformance.language.steps import InPlace, ReadGrad, SetGrad, Step, Var
from gradlaws.conformance.laws.breach import Broken, symptom_of

#: Flags on which the rest of the history depends.
_SPREADING = ("requires_grad", "is_leaf")


class Containment:
    """What was passed over in one program.

    laws:    the laws broken, each as often as it was.
    ended:   whether the program was not judged to its end.
    """

    def __init__(self, known: KnownFailures) -> None:
        self.known = known
        self.laws: list[str] = []
        self.ended = False
        self._flags: set[Var] = set()
        self._gradients: set[Var] = set()
        #: The reference goes on with the gradient that was observed, whose history it does not know.
        self._adopted: set[Var] = set()
        #: By tensor: what was assigned to its .grad, which may be what is read from there, or a copy.
        self._assigned: dict[Var, set[Var]] = {}

    def covers(
        self,
        program: Program,
        error: Broken | EngineBroke,
        var: Var | None = None,
        explained: Explained | None = None,
    ) -> bool:
        """Whether a breach is listed, judged by the steps that have to do with it, or by what the engine did."""
        last = len(program) - 1
        steps = program if error.index is None else relevant(program, min(error.index, last), var)
        seen = symptom_of(error)
        at = None if error.index is None else len(steps) - 1  # where the slice ends
        seen = replace(seen, var=seen.var if var is None else var, index=at)
        return self.known.excuse(error.law, steps, seen, explained) is not None

    def passes(
        self,
        program: Program,
        error: Broken,
        var: Var | None = None,
        flag: str = "",
        explained: Explained | None = None,
    ) -> bool:
        """Whether a breach is listed, and contained; it is noted then.

        var, flag: of which tensor what flag is not as it should be, or else what depends on that: `grad`.
        """
        if not self.covers(program, error, var, explained):
            return False
        self.laws.append(error.law)
        if var is not None and flag in _SPREADING:
            self._flags.add(var)
        elif var is not None:
            (self._gradients if flag else self._adopted).add(var)
        return True

    def ends(self, program: Program, error: Broken | EngineBroke, explained: Explained | None = None) -> bool:
        """Whether a breach is listed that ends the program; it is noted then."""
        if not self.covers(program, error, None, explained):
            return False
        self.laws.append(error.law)
        self.ended = True
        return True

    def follow(self, program: Program, step: Step) -> None:
        """What a step computes from a tensor that is not judged is not judged either, nor a gradient that it reads."""
        if isinstance(step, SetGrad) and step.source is not None:
            self._assigned.setdefault(step.x, set()).add(step.source)
        if isinstance(step, ReadGrad) and (step.x in self._adopted or self.skips(step.x)):
            self._flags.update(step.outs, self._assigned.get(step.x, ()))
            return
        if not self._flags or not isinstance(step, COMPUTING) or self._flags.isdisjoint(step.uses()):
            return
        self._flags.update(step.outs)
        if isinstance(step, InPlace):
            self._flags |= neighbours(program)[step.target]

    def flagged(self, *variables: Var) -> bool:
        """Whether the flags of one of these tensors are not judged."""
        return not self._flags.isdisjoint(variables)

    def skips(self, var: Var) -> bool:
        """Whether flags and gradient of a tensor are not judged."""
        return var in self._flags or var in self._gradients
