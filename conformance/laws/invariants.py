"""What holds on every program of every law, whatever the law looks at.

A breach is blamed on the law that says so, not on the one whose program showed it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradlaws.conformance.engines.exceptions import EngineBroke, described
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.execution.oracle import Expected
from gradlaws.conformance.language.aliasing import is_view
from gradlaws.conformance.language.derivative_orders import higher
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import name, statement
from gradlaws.conformance.language.steps import (
    Backward,
    Detach,
    Forget,
    Grad,
    Leaf,
    Literal,
    ReadGrad,
    SetGrad,
    Step,
    Var,
    labelled,
)
from gradlaws.conformance.language.user_functions import passes_on
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.laws.registry import unasked
from gradlaws.conformance.laws.trial import At, Trial
from gradlaws.conformance.laws.value_comparison import excess

#: The laws that `stand` can find broken.
STANDING = ("VAL-03", "VAL-04", "VAL-11", "VAL-12", "NONE-03", "MODE-06", "META-16")


def stand(trial: Trial) -> None:
    """Check one program."""
    apart(trial)
    shapes(trial)
    untouched(trial)
    if trial.want.derailed is None:
        intact(trial)
        restored(trial)


def blame_sharing(trial: Trial) -> None:
    """Blame a breach of whatever law on shared memory, where memory was shared that must not be.

    What is shared after one backward may be so no longer after the next, which has written to it, and what the
    program forgets is not looked at. And blame a refusal on the missing gradient argument, where with one there
    is none.
    """
    apart(trial)
    needless(trial)
    steps = [step for step in trial.program if not isinstance(step, Forget)]
    for index, step in enumerate(steps):
        if isinstance(step, Backward):
            start = Program(tuple(steps[: index + 1]))
            apart(Trial(trial.law, start, trial.backend, trial.rerun(start), Expected()))


def explicit(program: Program, like: dict[Var, Array]) -> Program:
    """The program with each gradient argument that was left out given as ones, shaped like the root."""
    free = 1 + max((v for step in program for v in step.outs), default=0)
    steps: list[Step] = []
    for step in program:
        if isinstance(step, Backward | Grad):
            seeds = list(step.gradients or [None] * len(step.roots))
            for k, root in enumerate(step.roots):
                if k < len(seeds) and seeds[k] is None:
                    steps.append(Leaf(Literal(np.ones_like(like[root])), outs=(free,)))
                    seeds[k] = free
                    free += 1
            step = replace(step, gradients=tuple(seeds))
        steps.append(step)
    return Program(tuple(steps))


def needless(trial: Trial) -> None:
    """A root of one element needs no gradient argument."""
    index = trial.want.derailed
    step = None if index is None else trial.got.moments[index].step
    like = {v: seen.value for v, seen in trial.got.final.items() if seen.value is not None}
    if index is None or not isinstance(step, Backward | Grad) or None not in (step.gradients or (None,)):
        return
    raised = trial.got.moments[index].raised
    bare = [
        r for r, g in zip(step.roots, step.gradients or [None] * len(step.roots), strict=False) if g is None
    ]
    if raised is None or any(root not in like or like[root].size != 1 for root in bare):
        return
    again = trial.rerun(explicit(Program(trial.program.steps[: index + 1]), like))
    if again.moments[-1].raised is None:
        raise Broken("ROOT-02", f"`{trial.shown(index)}`", described(raised), "no error", index)


def shapes(trial: Trial) -> None:
    """Every gradient has the shape and the dtype of its tensor."""
    values = trial.values
    for at in trial.succeeded(Backward):
        for var, seen in at.got.seen.items():
            grad, value = seen.grad, values.get(var)
            if grad is None or value is None:
                continue
            if grad.shape == value.shape and grad.dtype == value.dtype:
                trial.assertions += 2
                continue
            thing = f"{name(var)}.grad"
            trial.equal(f"{thing}.shape", grad.shape, value.shape, at, "VAL-03")
            trial.equal(f"{thing}.dtype", str(grad.dtype), str(value.dtype), at, "VAL-04")


def untouched(trial: Trial) -> None:
    """A leaf that the root does not depend on keeps its gradient, None included."""
    for at in trial.at(Backward):
        reached = trial.reached(at)
        for var in trial.leaves(at):
            want = at.want.seen[var]
            before = None if var in reached or want.also is not None else trial.before(at, var)
            if before is not None:
                got = at.got.seen[var].grad
                # A hook may have cleared what was there before.
                same = got is want.grad or (
                    got is not None and want.grad is not None and excess(got, want.grad, want.error) <= 1
                )
                # Beyond a user-defined function that gives None, another may have been asked with zeros.
                zeros = got is not None and want.grad is None and not got.any()
                if same or (zeros and passes_on(trial.program)):
                    trial.assertions += 1
                    continue
                # What a root depends on with derivative zero is not reached either: zeros are added to it.
                missed = at.got.raised is None and var in behind(trial, at)
                law = "ACC-01" if missed else "NONE-03"
                trial.claim(False, f"{name(var)}.grad", got, want.grad, at, law)


def behind(trial: Trial, at: At) -> set[Var]:
    """What the roots of this backward were computed from."""
    found = set(at.step.roots)
    for step in reversed(trial.program.steps[: at.index]):
        if not isinstance(step, Backward) and not found.isdisjoint((*step.outs, *step.uses()[:1])):
            found.update(step.uses())
    return found


def held(trial: Trial) -> set[Var]:
    """Gradients that the program has read or assigned, and their views."""
    # They may or may not be the object that a backward adds to.
    found: set[Var] = set()
    for moment in trial.got.moments:
        step = moment.step
        if isinstance(step, ReadGrad):
            found.update(step.outs)
        elif isinstance(step, SetGrad) and step.source is not None and moment.raised is None:
            found.add(step.source)
    for step in (*trial.program.steps[::-1], *trial.program.steps) if found else ():
        if isinstance(step, Detach) or is_view(step):
            family = {step.uses()[0], *step.outs}
            found |= set() if found.isdisjoint(family) else family
    return found


def intact(trial: Trial) -> None:
    """Nothing but .grad, and what in-place ops write, ever changes: neither inputs nor gradient arguments."""
    bound = held(trial)
    known = trial.values
    for var, got in trial.got.final.items():
        if got.value is not None and var in known and var not in bound:
            if excess(got.value, known[var], None) == 0:
                trial.assertions += 1
                continue
            seeds = {v for s in trial.program.steps if isinstance(s, Backward) for v in s.gradients or ()}
            law = "VAL-12" if var in seeds else "META-16"
            trial.equal(f"{name(var)} at the end", got.value, known[var], None, law)


def apart(trial: Trial) -> None:
    """No gradient shares memory with another, with a value or with a gradient argument, unless so assigned."""
    if not trial.got.shared:
        trial.assertions += trial.got.shared is not None
        return
    bound = held(trial)
    assigned = {m.step.x for m in trial.got if isinstance(m.step, SetGrad) and m.raised is None}
    made = {v: step for step in trial.program for v in step.outs}
    for other, (_, var) in sorted(trial.got.shared):
        kind, v = other
        if v in bound if kind == "value" else v in assigned and var in assigned:
            continue
        thing = f"{name(v)}.grad" if kind == "grad" else name(v)
        origin = "" if isinstance(made.get(v), Leaf) or v not in made else f" (`{statement(made[v])}`)"
        trial.claim(
            False,
            f"the memory of {name(var)}.grad",
            f"shared with {thing}{origin}",
            "its own",
            None,
            "VAL-11",
        )
    trial.assertions += 1


def restored(trial: Trial) -> None:
    """Each step leaves grad mode as it should be."""
    for got, want in zip(trial.got.moments, trial.want.moments, strict=False):
        if got.mode is not None and want.mode is not None and got.mode != want.mode:
            trial.claim(
                False, f"grad mode after `{type(got.step).__name__}`", got.mode, want.mode, None, "MODE-06"
            )
    trial.assertions += 1


def lawful(trial: Trial) -> None:
    """Each step ended as some law allows: an error is missing, or there is one too many."""
    index = trial.want.derailed
    if index is None:
        return
    got = trial.got.moments[index]
    if not higher(trial.program).isdisjoint(got.step.uses()):
        return  # whether it is tracked is up to the engine, and so whether it is refused
    if got.skipped is not trial.want.moments[index].skipped:
        return  # a gradient is None, or is not: the laws about gradients say which it must be
    text = f"`{trial.shown(index)}`"
    if got.raised is None and unasked(trial.want.law or "", trial.backend):
        return  # the refusal is one that nobody promises
    if got.raised is not None and trial.want.law:
        raise Broken(trial.want.law, text, described(got.raised), "no error, as the dialect declares", index)
    if got.raised is not None:
        kind = (labelled(got.step), type(got.raised).__name__)
        raise EngineBroke(f"{text} raised {described(got.raised)}, where there must be no error", kind=kind)
    raise Broken(trial.want.law, text, "accepted", "an error", index)
