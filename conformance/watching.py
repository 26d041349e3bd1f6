"""Runs whole programs, which say themselves when they are looked at."""

from __future__ import annotations

import numpy as np

from gradlaws.conformance.backend import Backend
from gradlaws.conformance.interpreter import Interpreter
from gradlaws.conformance.observe import Moment, Trace
from gradlaws.conformance.program import Program
from gradlaws.conformance.steps import Backward, Look, Step


class Watcher(Interpreter):
    """Looks at everything after a `Look`, and at nothing elsewhere but outcomes, hook calls and grad mode.

    After a backward that failed, gradients are looked at: each may have received its contribution or not, and
    nobody can tell what comes next without knowing.
    """

    def _observe(self, moment: Moment) -> None:
        if self.calls:
            moment.calls, self.calls = self.calls, []
        if self._same:
            moment.same, self._same = self._same, {}
        if self._enabled is not None:
            moment.mode = self._enabled()
        if isinstance(moment.step, Look):
            for var, x in self.env.items():
                moment.seen[var] = self.look(x)
        elif moment.raised is not None and isinstance(moment.step, Backward):
            for var, x in self.env.items():
                moment.seen[var] = self.look(x, value=False)


@np.errstate(all="ignore")
def watch(program: Program, backend: Backend) -> Trace:
    """The trace of a whole program; `shared` at its end, `final` empty."""
    watcher = Watcher(backend)
    trace = Trace()
    try:
        for index, step in enumerate(program):
            trace.moments.append(watcher.do(index, step))
        shared = watcher.sharing()
        trace.shared = None if shared is None else shared | watcher.lost
    finally:
        watcher.close()
    return trace


def watchful(program: Program) -> Program:
    """The program with a look after every step."""
    steps: list[Step] = []
    for step in program:
        if not isinstance(step, Look):
            steps += (step, Look())
    return Program(tuple(steps))
