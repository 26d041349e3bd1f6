"""What no documentation decides: differences that are not held against an engine.

Also those about a tensor that a listed breach has left in a state of its own, which are no breach by themselves.
"""

from __future__ import annotations

from collections.abc import Callable

from gradlaws.conformance.execution.hook_effects import Interruption
from gradlaws.conformance.language.derivative_orders import recording
from gradlaws.conformance.language.steps import (
    Backward,
    ClearGrad,
    Forget,
    Grad,
    Leaf,
    ReadGrad,
    SetGrad,
    Var,
    ZeroGrad,
)
from gradlaws.conformance.language.training import ON_GRADIENTS
from gradlaws.conformance.language.user_functions import ApplyFunction, gives_none, passes_on
from gradlaws.conformance.laws.value_comparison import vanishes
from gradlaws.conformance.whole_programs.culprit_step import Culprit
from gradlaws.conformance.whole_programs.difference import Aspect, Difference
from gradlaws.conformance.whole_programs.trial import WholeTrial

#: Steps after which a gradient that was read may be another object than the one that is there now.
_UNTYING = (Backward, Grad, ClearGrad, SetGrad, ZeroGrad, *ON_GRADIENTS)


def unspecified(trial: WholeTrial, difference: Difference, culprit: Culprit) -> bool:
    """Whether a difference is nobody's breach."""
    rule = _RULES.get(difference.aspect)
    return rule is not None and rule(trial, difference, culprit)


def _free(trial: WholeTrial, d: Difference, culprit: Culprit) -> bool:
    """Whether it is up to the engine whether a tensor is tracked, and so what its flags and gradient are."""
    assert d.index is not None
    assert d.var is not None
    moment = trial.got.moments[d.index]
    # Whether such a root is tracked is up to the engine, and so how far a backward came that failed.
    failed = moment.raised is not None and isinstance(moment.step, Backward)
    return (
        d.var in trial.derived
        or (failed and not trial.derived.isdisjoint(moment.step.uses()))
        or (trial.past is not None and trial.past.skips(d.var))
    )


def _gradient(trial: WholeTrial, d: Difference, culprit: Culprit) -> bool:
    assert d.index is not None
    assert d.var is not None
    if _free(trial, d, culprit):
        return True
    if d.got is None or d.want is None:
        before, also = trial.got.before(d.index, d.var), trial.want.moments[d.index].seen[d.var].also
        # Where the derivative is zero, an engine may as well send nothing.
        nothing = d.got is None and vanishes(d.want) and (before is None or before.grad is None)
        # What a gradient depends on with derivative zero is up to the engine.
        beyond = d.want is None and not d.got.any() and (culprit.higher() or passes_on(trial.program))
        if nothing or beyond or (d.got is None and also is not None and culprit.cleared(d.var)):
            return True
    return by_formula(trial, culprit, d.var)


def _gradient_tracked(trial: WholeTrial, d: Difference, culprit: Culprit) -> bool:
    return _free(trial, d, culprit) or culprit.higher()


def _contents(trial: WholeTrial, d: Difference, culprit: Culprit) -> bool:
    assert d.index is not None
    assert d.var is not None
    step = culprit.step
    if isinstance(step, Grad) and d.var in step.outs and by_formula(trial, culprit, step.asked(d.var)):
        return True
    return (d.var in trial.held and bool(culprit.before(*_UNTYING))) or left_behind(trial, d.index)


def _nothing(trial: WholeTrial, d: Difference, culprit: Culprit) -> bool:
    """Whether it is up to the engine if `autograd.grad` returns None for what was asked."""
    assert d.var is not None
    if d.got != "None" and culprit.higher():
        return True
    step = culprit.step
    return isinstance(step, Grad) and d.var in step.outs and by_formula(trial, culprit, step.asked(d.var))


def _outcome(trial: WholeTrial, d: Difference, culprit: Culprit) -> bool:
    assert d.index is not None
    got, want = trial.got.moments[d.index], trial.want.moments[d.index]
    step = got.step
    if not trial.derived.isdisjoint(step.uses()):
        return True  # whether it is tracked is up to the engine
    if got.raised is not None and isinstance(step, Backward | Grad) and _may_be_freed(trial, d.index, step):
        return True  # and so is how far a backward from there went, and what it freed
    if left_behind(trial, d.index):
        return True
    if isinstance(got.raised, Interruption) and isinstance(step, Backward | Grad):
        if gives_none(trial.program):
            return True  # a function or a hook was asked where nothing arrives
        if isinstance(step, Backward) and _made_by_raising(trial, culprit, step):
            return True  # and so was the function that made an input, needed or not
    if trial.past is not None and trial.past.flagged(*step.uses()):
        trial.past.ended = True
        return True
    # A gradient that is zero may be None: what the program goes on to do with it does not happen then.
    return got.raised is None and got.skipped != want.skipped


def _calls(trial: WholeTrial, d: Difference, culprit: Culprit) -> bool:
    assert d.index is not None
    assert d.handle is not None
    step, hook = trial.got.moments[d.index].step, trial.hook(d.handle)
    if not d.want and hook is not None and isinstance(step, Backward | Grad) and hook.x in step.roots:
        return True  # a root's gradient is there anyhow; whether hooks see it if no other is wanted, nothing says
    if hook is not None and (_lost_sight_of(trial, d.index, hook.x) or by_formula(trial, culprit, hook.x)):
        return True
    if hook is not None and trial.past is not None and trial.past.flagged(hook.x):
        return True
    if trial.silent(d.got, d.want):
        return True  # no gradient is as good as a gradient of zeros
    # A derivative may depend on more than it changes with, such as relu's on the result.
    beyond = recording(trial.program.steps[: d.index]) or passes_on(trial.program)
    return not d.want and not any(x.any() for x in d.got) and beyond


_RULES: dict[Aspect, Callable[[WholeTrial, Difference, Culprit], bool]] = {
    Aspect.REQUIRES_GRAD: _free,
    Aspect.IS_LEAF: _free,
    Aspect.RETAINS: _free,
    Aspect.GRAD: _gradient,
    Aspect.GRAD_TRACKED: _gradient_tracked,
    Aspect.VALUE: _contents,
    Aspect.OUTCOME: _outcome,
    Aspect.CALLS: _calls,
    Aspect.NOTHING: _nothing,
}


def _may_be_freed(trial: WholeTrial, index: int, step: Backward | Grad) -> bool:
    """Whether a backward from derivatives, which retained no graph, may have come through the graph of this one."""
    made: set[Var] = set()
    for earlier in trial.program.steps[:index]:
        roots = earlier.roots if isinstance(earlier, Backward | Grad) and not earlier.retain_graph else ()
        if not trial.derived.isdisjoint(roots) and not made.isdisjoint(step.roots):
            return True
        made.update(earlier.outs)
    return False


def _made_by_raising(trial: WholeTrial, culprit: Culprit, step: Backward) -> bool:
    """Whether an input of a backward is the result of a user-defined function that raises.

    `Tensor.backward` calls it an implementation detail that the function of an input is run, and no promise.
    """
    made = [trial.program.maker(v) for v in step.inputs or () if not culprit.written(v)]
    return any(isinstance(maker, ApplyFunction) and maker.function.raises for maker in made)


def _lost_sight_of(trial: WholeTrial, index: int, var: Var) -> bool:
    """Whether nobody can tell what a failed backward left in a tensor that the program has let go of."""
    past = trial.got.moments[:index]
    failed = any(m.raised is not None and isinstance(m.step, Backward) for m in past)
    return failed and any(isinstance(m.step, Forget) and m.step.x == var for m in past)


def by_formula(trial: WholeTrial, culprit: Culprit, var: Var) -> bool:
    """Whether the way in which a derivative is written down decides what arrives at a tensor in a backward from it.

    That of tanh may be recorded in terms of the result, or of the operand; that of a quotient in terms of the quotient,
    or of dividend and divisor. What arrives at leaves is the same, and at what was computed from the derivative.
    """
    return (
        var not in trial.derived
        and not isinstance(culprit.maker(var), Leaf)
        and any(
            isinstance(step, Backward | Grad) and not trial.derived.isdisjoint(step.roots)
            for step in culprit.steps[: culprit.at + 1]
        )
    )


def left_behind(trial: WholeTrial, index: int) -> bool:
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
