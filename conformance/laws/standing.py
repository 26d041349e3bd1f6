"""What holds on every program of every law, whatever the law looks at.

A breach is blamed on the law that says so, not on the one whose program showed it.
"""

from __future__ import annotations

from gradlaws.conformance.laws.trial import Broken, EngineBroke, Trial, excess
from gradlaws.conformance.observe import described
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.oracle import Expected
from gradlaws.conformance.printing import name, statement
from gradlaws.conformance.program import Program
from gradlaws.conformance.steps import Apply, Backward, Detach, Leaf, ReadGrad, SetGrad, Var

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


def root_cause(trial: Trial) -> None:
    """Blame a breach of whatever law on shared memory, where memory was shared that must not be.

    What is shared after one backward may be so no longer after the next, which has written to it.
    """
    apart(trial)
    steps = trial.program.steps
    for index, step in enumerate(steps[:-1]):
        if isinstance(step, Backward):
            start = Program(steps[: index + 1])
            apart(Trial(trial.law, start, trial.backend, trial.rerun(start), Expected()))


def shapes(trial: Trial) -> None:
    """Every gradient has the shape and the dtype of its tensor."""
    values = {v: s.value for m in trial.got.moments for v, s in m.seen.items() if s.value is not None}
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
                same = got is before.grad or (
                    got is not None and want.grad is not None and excess(got, want.grad, want.error) <= 1
                )
                if same:
                    trial.assertions += 1
                else:
                    trial.claim(False, f"{name(var)}.grad", got, before.grad, at, "NONE-03")


def held(trial: Trial) -> set[Var]:
    """Gradients that the program has read or assigned, and their views."""
    # They may or may not be the object that a backward adds to.
    found: set[Var] = set()
    for step in trial.program.steps:
        if isinstance(step, ReadGrad):
            found.update(step.outs)
        elif isinstance(step, SetGrad) and step.source is not None:
            found.add(step.source)
    for step in (*trial.program.steps[::-1], *trial.program.steps) if found else ():
        if isinstance(step, Detach) or (isinstance(step, Apply) and TABLE[step.op].alias):
            family = {step.uses()[0], *step.outs}
            found |= set() if found.isdisjoint(family) else family
    return found


def intact(trial: Trial) -> None:
    """Nothing but .grad, and what in-place ops write, ever changes: neither inputs nor gradient arguments."""
    seeds = {v for s in trial.program.steps if isinstance(s, Backward) for v in s.gradients or ()}
    bound = held(trial)
    known = {
        v: seen.value for at in trial.got.moments for v, seen in at.seen.items() if seen.value is not None
    }
    for var, got in trial.got.final.items():
        if got.value is not None and var in known and var not in bound:
            if excess(got.value, known[var], None) == 0:
                trial.assertions += 1
                continue
            law = "VAL-12" if var in seeds else "META-16"
            trial.equal(f"{name(var)} at the end", got.value, known[var], None, law)


def apart(trial: Trial) -> None:
    """No gradient shares memory with another, with a value or with a gradient argument, unless so assigned."""
    if not trial.got.shared:
        trial.assertions += trial.got.shared is not None
        return
    bound = held(trial)
    assigned = {step.x for step in trial.program if isinstance(step, SetGrad)}
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
    text = f"`{statement(got.step, trial.backend.spellings)}`"
    if got.raised is not None:
        raise EngineBroke(f"{text} raised {described(got.raised)}, where there must be no error")
    raise Broken(trial.want.law, text, "accepted", "an error", index)
