"""What no documentation decides, and whole programs therefore do not judge."""

from __future__ import annotations

from collections.abc import Sequence

from gradlaws.conformance.blame import Blame
from gradlaws.conformance.laws.tracking import higher
from gradlaws.conformance.laws.trial import Trial
from gradlaws.conformance.steps import Backward, Forget, Grad, Leaf, ReadGrad, SetGrad, Step, Var


def may_be_freed(recorded: set[Var], steps: Sequence[Step], step: Backward | Grad) -> bool:
    """Whether a backward from derivatives, which retained no graph, may have come through the graph of this one."""
    made: set[Var] = set()
    for earlier in steps:
        roots = earlier.roots if isinstance(earlier, Backward | Grad) and not earlier.retain_graph else ()
        if not recorded.isdisjoint(roots) and not made.isdisjoint(step.roots):
            return True
        made.update(earlier.outs)
    return False


def lost_sight_of(trial: Trial, index: int, var: Var) -> bool:
    """Whether nobody can tell what a failed backward left in a tensor that the program has let go of."""
    past = trial.got.moments[:index]
    failed = any(m.raised is not None and isinstance(m.step, Backward) for m in past)
    return failed and any(isinstance(m.step, Forget) and m.step.x == var for m in past)


def by_formula(blame: Blame, var: Var) -> bool:
    """Whether the way in which a derivative is written down decides what arrives at a tensor in a backward from it.

    That of tanh may be recorded in terms of the result, or of the operand; that of a quotient in terms of the quotient,
    or of dividend and divisor. What arrives at leaves is the same, and at what was computed from the derivative.
    """
    derived = higher(blame.program)
    return (
        var not in derived
        and not isinstance(blame.maker(var), Leaf)
        and any(
            isinstance(step, Backward | Grad) and not derived.isdisjoint(step.roots)
            for step in blame.steps[: blame.at + 1]
        )
    )


def left_behind(trial: Trial, index: int) -> bool:
    """Whether a failed backward may have written to a gradient that somebody holds, of a tensor that is gone."""
    held: set[Var] = set()
    gone: set[Var] = set()
    for moment in trial.got.moments[:index]:
        step = moment.step
        if isinstance(step, ReadGrad | SetGrad):
            held.add(step.x)
        elif isinstance(step, Forget):
            gone.add(step.x)
        elif isinstance(step, Backward) and moment.raised is not None and not gone.isdisjoint(held):
            return True
    return False
