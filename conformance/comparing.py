"""Compares a whole program's trace with what the reference expects: everything that was looked at."""

from __future__ import annotations

from gradlaws.conformance.backend import Backend
from gradlaws.conformance.blame import Blame
from gradlaws.conformance.containing import Passing
from gradlaws.conformance.dialect import Dialect
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.laws.standing import apart, held, root_cause
from gradlaws.conformance.laws.tracking import higher
from gradlaws.conformance.laws.trial import Broken, EngineBroke, Trial, excess, shown
from gradlaws.conformance.observe import Moment, Seen, described
from gradlaws.conformance.printing import name, statement
from gradlaws.conformance.program import Program
from gradlaws.conformance.steps import (
    Backward,
    ClearGrad,
    Detach,
    Forget,
    Grad,
    Hook,
    SetGrad,
    Var,
    ZeroGrad,
    recording,
)
from gradlaws.conformance.undetermined import by_formula, left_behind, lost_sight_of, may_be_freed
from gradlaws.conformance.watching import Watched, memory_pairs, watch
from gradlaws.conformance.whole_trial import WholeTrial

#: Steps after which a gradient that was read may be another object than the one that is there now.
_UNTYING = (Backward, Grad, ClearGrad, SetGrad, ZeroGrad)
_FLAGS = ("requires_grad", "is_leaf", "retains", "grad_tracked")
#: A look at an unrecorded view is refused once it was written to: law and part of the message.
_REFUSED_LOOKS = {"MODE-01": "was created in no_grad mode"}
#: What no shared memory can make wrong.
_UNSHARED = (".requires_grad", ".is_leaf", ".retains_grad")
_SHOWN = {"retains": "retains_grad", "grad_tracked": "grad.requires_grad"}


def compare(trial: WholeTrial) -> None:
    """Check everything; raises `Broken` with the law that is broken, or `EngineBroke` where no law speaks of it."""
    untied: set[Var] = set()
    lenient: set[Var] = set()
    known = False
    skips = trial.past.skips if trial.past is not None else None
    for got, want in zip(trial.got.moments, trial.want.moments, strict=False):
        if got.index == trial.want.derailed:
            _outcome(trial, got, want)
            return
        if trial.past is not None:
            trial.past.follow(trial.program, got.step)
        if got.mode is not want.mode and got.mode is not None and want.mode is not None:
            trial.breaks(got.index, "MODE-06", "grad mode", got.mode, want.mode)
        if got.same or want.same:
            _identity(trial, got, want)
        if (got.calls or want.calls) and got.raised is None:
            _calls(trial, got, want)
        if got.seen:
            if not known:
                untied, lenient, known = held(trial), higher(trial.program), True
            # Whether such a root is tracked is up to the engine, and so how far a backward came that failed.
            failed = got.raised is not None and isinstance(got.step, Backward)
            open_end = failed and not lenient.isdisjoint(got.step.uses())
            for var, seen in want.seen.items():
                other = got.seen.get(var)
                if other is not None and not _alike(other, seen):
                    free = var in lenient or open_end or (skips is not None and skips(var))
                    _tensor(trial, got.index, var, other, seen, untied, free)
            trial.assertions += len(want.seen)
    apart(trial)
    _memory(trial)


def _memory(trial: Trial) -> None:
    """Views and detached tensors share the memory that they are made from; nothing else shares any."""
    together = trial.got.together if isinstance(trial.got, Watched) else None
    if together is None:
        return
    sizes = {v: s.value.size for m in trial.got for v, s in m.seen.items() if s.value is not None}
    gone = {step.x for step in trial.program if isinstance(step, Forget)}
    made = {v for m in trial.got for v in m.step.outs if m.raised is None and not m.skipped}
    views, own = memory_pairs(trial.program)
    trial.assertions += 1
    for a, b in views:
        if (a, b) not in together and {a, b} <= made - gone and sizes.get(a, 0):
            law = "DET-01" if isinstance(trial.program.maker(a), Detach) else "INP-12"
            raise Broken(law, f"the memory of {name(a)}", "its own", f"shared with {name(b)}", None)
    for a, b in own:
        if (a, b) in together:
            raise Broken("INP-08", f"the memory of {name(a)}", f"shared with {name(b)}", "its own", None)


def _alike(got: Seen, want: Seen) -> bool:
    """Whether two snapshots are the same to the bit: the common case, in as few looks as possible."""
    a, b = got.value, want.value
    if a is not b and (
        a is None or b is None or a.dtype != b.dtype or a.shape != b.shape or a.tobytes() != b.tobytes()
    ):
        return False
    a, b = got.grad, want.grad
    if a is not b and (
        a is None or b is None or a.dtype != b.dtype or a.shape != b.shape or a.tobytes() != b.tobytes()
    ):
        return False
    return (
        got.requires_grad is want.requires_grad
        and got.is_leaf is want.is_leaf
        and got.retains is want.retains
        and got.grad_tracked is want.grad_tracked
    )


def _tensor(
    trial: WholeTrial, index: int, var: Var, got: Seen, want: Seen, untied: set[Var], lenient: bool
) -> None:
    blame = Blame(trial.program, index, [m.index for m in trial.got if m.raised is not None])
    label = name(var)
    for flag in _FLAGS[:3]:
        seen, wanted = getattr(got, flag), getattr(want, flag)
        if seen is not None and wanted is not None and seen is not wanted and not lenient:
            thing = f"{label}.{_SHOWN.get(flag, flag)}"
            trial.breaks(index, blame.flag(var, flag), thing, seen, wanted, var, flag)
    # Where that was passed over, the gradient is wrong for the same reason.
    lenient = lenient or (trial.past is not None and trial.past.skips(var))
    if not lenient:
        _gradient(trial, blame, var, got, want)
    if got.grad is not None and want.grad is not None:
        tracked, wanted = got.grad_tracked, want.grad_tracked
        free = lenient or blame.higher()
        if tracked is not None and wanted is not None and tracked is not wanted and not free:
            law = blame.flag(var, "grad_tracked")
            trial.breaks(index, law, f"{label}.grad.requires_grad", tracked, wanted, var)
    if got.value is not None and want.value is not None:
        ratio = excess(got.value, want.value, want.value_error)
        if ratio <= 1:
            trial.worst = max(trial.worst, ratio)
        elif (
            isinstance(step := blame.culprit, Grad)
            and var in step.outs
            and by_formula(blame, step.asked(var))
        ):
            pass
        elif (var not in untied or not blame.before(*_UNTYING)) and not left_behind(trial, index):
            trial.breaks(index, blame.value(var), label, got.value, want.value, contained=False)


def _gradient(trial: WholeTrial, blame: Blame, var: Var, got: Seen, want: Seen) -> None:
    before = trial.got.before(blame.index, var)
    old = None if before is None else before.grad
    if got.grad is None and want.grad is None:
        return
    if got.grad is None or want.grad is None:
        # Where the derivative is zero, an engine may as well send nothing.
        nothing = got.grad is None and want.grad is not None and not want.grad.any() and old is None
        # What a gradient depends on with derivative zero is up to the engine.
        beyond = want.grad is None and got.grad is not None and not got.grad.any() and blame.higher()
        also = (
            got.grad is not None
            and want.also is not None
            and excess(got.grad, want.also, want.also_error) <= 1
        )
        cleared = got.grad is None and want.also is not None and blame.cleared(var)
        if nothing or beyond or also or cleared:
            return
    else:
        if want.also is not None and excess(got.grad, want.also, want.also_error) <= 1:
            return
        ratio = excess(got.grad, want.grad, want.error)
        if ratio <= 1:
            trial.worst = max(trial.worst, ratio)
            return
    if by_formula(blame, var):
        return
    law = blame.grad(var, got.grad, want.grad, old)
    # Of a gradient with a history, the reference goes on from the history; from one of another shape it cannot.
    like = trial.values.get(var) if want.grad is None else want.grad
    fits = got.grad is None or like is None or got.grad.shape == like.shape
    contained = fits and not want.grad_tracked
    trial.breaks(blame.index, law, f"{name(var)}.grad", got.grad, want.grad, var, contained=contained)


def _outcome(trial: WholeTrial, got: Moment, want: Moment) -> None:
    """The first outcome that is not as it should be."""
    text = f"`{statement(got.step, trial.backend.spellings)}`"
    recorded = higher(trial.program)
    if not recorded.isdisjoint(got.step.uses()):
        return  # whether it is tracked is up to the engine
    steps, step = trial.program.steps[: got.index], got.step
    if got.raised is not None and isinstance(step, Backward | Grad) and may_be_freed(recorded, steps, step):
        return  # and so is how far a backward from there went, and what it freed
    if left_behind(trial, got.index):
        return
    if trial.past is not None and trial.past.flagged(*got.step.uses()):
        trial.past.ended = True
        return
    if got.raised is not None:
        blame = Blame(trial.program, got.index)
        raise Broken(blame.refused(), text, f"refused: {described(got.raised)}", "no error", got.index)
    if got.skipped == want.skipped:
        law = Blame(trial.program, got.index).accepted(trial.want.law)
        raise Broken(law, text, "accepted", "an error", got.index)
    # A gradient that is zero may be None: what the program goes on to do with it does not happen then.


def _identity(trial: WholeTrial, got: Moment, want: Moment) -> None:
    if "same_object" not in trial.backend.capabilities or got.raised is not None:
        return
    for question, answer in want.same.items():
        if got.same.get(question, answer) is not answer:
            law = Blame(trial.program, got.index).identity(question)
            trial.breaks(got.index, law, f"`{statement(got.step)}`: {question}", not answer, answer)


def _calls(trial: WholeTrial, got: Moment, want: Moment) -> None:
    """Each hook is called as often, with the same gradients; those on one tensor in the same order."""
    mine: dict[int, list[Array]] = {}
    theirs: dict[int, list[Array]] = {}
    for handle, g in got.calls:
        mine.setdefault(handle, []).append(g)
    for handle, g in want.calls:
        theirs.setdefault(handle, []).append(g)
    for handle in sorted(mine.keys() | theirs.keys()):
        a, b = mine.get(handle, []), theirs.get(handle, [])
        trial.assertions += 1
        if len(a) == len(b):
            ratios = [excess(x, y, trial.notes[id(y)][1]) for x, y in zip(a, b, strict=True)]
            if max(ratios) <= 1:
                trial.worst = max(trial.worst, *ratios)
                continue
        hook = next((s for s in trial.program if isinstance(s, Hook) and s.handle == handle), None)
        if not b and hook is not None and isinstance(got.step, Backward | Grad) and hook.x in got.step.roots:
            continue  # a root's gradient is there anyhow; whether hooks see it if no other is wanted, nothing says
        blame = Blame(trial.program, got.index)
        if hook is not None and (lost_sight_of(trial, got.index, hook.x) or by_formula(blame, hook.x)):
            continue
        if hook is not None and trial.past is not None and trial.past.flagged(hook.x):
            continue
        if not a and all(not y.any() or id(y) in trial.unchanged for y in b):
            continue  # no gradient is as good as a gradient of zeros
        if not b and not any(x.any() for x in a) and recording(trial.program.steps[: got.index]):
            continue  # a derivative may depend on more than it changes with, such as relu's on the result
        law = blame.calls(handle, a, b)
        said = "calls with " + (", ".join(map(shown, a)) or "nothing: none")
        wanted = "calls with " + (", ".join(map(shown, b)) or "nothing: none")
        x, flag = (None, "") if hook is None else (hook.x, "grad" * (hook.effect == "clear"))
        trial.breaks(got.index, law, f"hook h{handle}", said, wanted, x, flag)
    _in_order(trial, got, want)


def _in_order(trial: WholeTrial, got: Moment, want: Moment) -> None:
    """Hooks on one tensor, on which nothing was written since, run one after the other as they should."""
    hooks: dict[Var, set[int]] = {}
    for step in trial.program.steps[: got.index]:
        if isinstance(step, Hook):
            hooks.setdefault(step.x, set()).add(step.handle)
    for x, handles in hooks.items():
        orders = [[handle for handle, _ in calls if handle in handles] for calls in (got.calls, want.calls)]
        if len(handles) > 1 and orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1]):
            law = "HOOK-13" if Blame(trial.program, got.index).written(x) else "HOOK-04"
            names = [", ".join(f"h{handle}" for handle in order) for order in orders]
            trial.breaks(got.index, law, f"the order of the hooks on {name(x)}", names[0], names[1], x)


def breach(
    program: Program,
    backend: Backend,
    strict: bool = False,
    dialect: Dialect | None = None,
    past: Passing | None = None,
) -> Exception | None:
    """What is wrong with a whole program on an engine: `Broken`, `EngineBroke`, or None.

    dialect: what the engine is expected to do differently; by default what its adapter declares.
    past:    goes past what is listed; a listed breach that ends the program is nothing wrong then.
    """
    try:
        got = watch(program, backend)
    except Exception as error:
        wrong: Exception | None = unlooked(program, error)
    else:
        wrong = verdict(WholeTrial(program, backend, got, strict, dialect, past))
    if past is not None and isinstance(wrong, Broken | EngineBroke) and past.ends(program, wrong):
        return None
    return wrong


def unlooked(program: Program, error: Exception) -> Exception:
    """What it means that looking at a tensor raised."""
    for law, text in _REFUSED_LOOKS.items():
        if text in str(error):
            return Broken(law, "a look at a tensor", f"refused: {described(error)}", "no error")
    return EngineBroke(f"looking at a tensor raised {described(error)}")


def verdict(trial: WholeTrial) -> Exception | None:
    """What is wrong with a program that ran; shared memory is blamed before all that it leads to."""
    try:
        compare(trial)
    except (Broken, EngineBroke) as error:
        if isinstance(error, Broken) and error.thing.endswith(_UNSHARED):
            return error
        try:
            root_cause(trial)
        except Broken as cause:
            return cause
        except Exception:  # some looks are refused, and there are more of them there
            return error
        return error
    return None
