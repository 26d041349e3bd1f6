"""Compares a whole program's trace with what the reference expects, and holds differences against a law.

A difference is yielded by `comparison`, left out where it is `unspecified`, named by `blame`, and passed over
where a list excuses it and what follows is contained (`listed_breaches`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exception_containment import contained
from gradlaws.conformance.engines.exceptions import EngineBroke, described
from gradlaws.conformance.execution.judging_standard import LENIENT, Standard
from gradlaws.conformance.execution.whole_program_run import watch
from gradlaws.conformance.known_failures.matching import Explained
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import labelled
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.laws.invariants import blame_sharing
from gradlaws.conformance.whole_programs.blamed_law import Blame
from gradlaws.conformance.whole_programs.comparison import differences, in_words
from gradlaws.conformance.whole_programs.difference import FLAGS, Aspect, Difference
from gradlaws.conformance.whole_programs.listed_breaches import Containment
from gradlaws.conformance.whole_programs.trial import WholeTrial
from gradlaws.conformance.whole_programs.unspecified import unspecified

#: What stands for a law where whole programs are recorded, replayed, or run elsewhere.
WHOLE_PROGRAMS = "WHOLE-01"
#: A look at an unrecorded view is refused once it was written to: law and part of the message.
_REFUSED_LOOKS = {"MODE-01": "was created in no_grad mode"}
#: What no shared memory can make wrong.
_UNSHARED = (".requires_grad", ".is_leaf", ".retains_grad")


def compare(trial: WholeTrial) -> None:
    """Check everything; raises `Broken` with the law that is broken, `EngineBroke.law` where no law speaks of it."""
    for difference, blame in _specified(trial):
        error = _named(trial, difference, blame)
        if not _passed_over(trial, difference, error):
            error.difference = difference
            raise error


def _specified(trial: WholeTrial) -> Iterator[tuple[Difference, Blame]]:
    """The differences about which something is promised, and who may be blamed for them."""
    failed = [m.index for m in trial.got if m.raised is not None]
    for difference in differences(trial):
        last = len(trial.program) - 1
        blame = Blame(trial.program, last if difference.index is None else difference.index, failed)
        if not unspecified(trial, difference, blame):
            yield difference, blame


def _named(trial: WholeTrial, d: Difference, blame: Blame) -> Broken:
    """A difference as the breach of a law."""
    old = None
    if d.aspect is Aspect.GRAD and d.index is not None and d.var is not None:
        before = trial.got.before(d.index, d.var)
        old = None if before is None else before.grad
    law = blame.law(d, old, trial.want.law)
    got, want = in_words(d)
    error = Broken(law or EngineBroke.law, d.thing, got, want, d.index)
    if not law:
        error.kind = (d.aspect, labelled(blame.step))
    return error


def _passed_over(trial: WholeTrial, d: Difference, error: Broken) -> bool:
    """Whether the list excuses a breach, and what follows from it is contained."""
    if trial.past is None or not d.contained or error.law == EngineBroke.law:
        return False
    flag = d.aspect if d.aspect in FLAGS else ""
    hook = None if d.handle is None else trial.hook(d.handle)
    if hook is not None and hook.effect == "clear":
        flag = Aspect.GRAD
    return trial.past.passes(trial.program, error, d.var, flag, partial(_explained, trial, d))


def _explained(trial: WholeTrial, d: Difference, deviations: frozenset[str]) -> bool:
    """Whether a reference that deviates so shows no such difference."""
    other = trial.under(deviations)
    early = other.want.derailed
    if early is not None and (d.index is None or early < d.index):
        return False
    found, all_of_them = other.told = other.told or _shown(other)
    # Where memory is shared in the end, that is another matter.
    return not any(e.like(d) for e in found) and (all_of_them or d.aspect is not Aspect.MEMORY)


def _shown(trial: WholeTrial) -> tuple[list[Difference], bool]:
    """All differences about which something is promised, and whether that is all (memory may be shared)."""
    found: list[Difference] = []
    try:
        found.extend(difference for difference, _ in _specified(trial))
    except Broken:
        return found, False
    return found, True


def breach(
    program: Program, backend: Backend, standard: Standard = LENIENT, past: Containment | None = None
) -> Exception | None:
    """What is wrong with a whole program on an engine: `Broken`, `EngineBroke`, or None.

    past: goes past what is listed; a listed breach that ends the program is nothing wrong then.
    """
    try:
        with contained():
            got = watch(program, backend)
    except Exception as error:
        wrong: Exception | None = unlooked(error)
        trial = None
    else:
        trial = WholeTrial(program, backend, got, standard, past)
        wrong = verdict(trial)
    if past is None or not isinstance(wrong, Broken | EngineBroke):
        return wrong
    explained: Explained | None = None
    if trial is not None and isinstance(wrong.difference, Difference):
        explained = partial(_explained, trial, wrong.difference)
    return None if past.ends(program, wrong, explained) else wrong


def unlooked(error: Exception) -> Exception:
    """What it means that looking at a tensor raised."""
    if isinstance(error, EngineBroke):
        return error
    for law, text in _REFUSED_LOOKS.items():
        if text in str(error):
            return Broken(law, "a look at a tensor", f"refused: {described(error)}", "no error")
    return EngineBroke(f"looking at a tensor raised {described(error)}", kind=("look", type(error).__name__))


def verdict(trial: WholeTrial) -> Exception | None:
    """What is wrong with a program that ran; shared memory is blamed before all that it leads to."""
    error = _raised(compare, trial)
    if error is None or (isinstance(error, Broken) and error.thing.endswith(_UNSHARED)):
        return error
    try:
        cause = _raised(blame_sharing, trial)
    except Exception:  # some looks are refused, and there are more of them there
        return error
    return cause if isinstance(cause, Broken) else error


def _raised(check: Callable[[WholeTrial], None], trial: WholeTrial) -> Broken | EngineBroke | None:
    """The breach that a check raises, without its traceback, whose frames would hold the trial in a cycle."""
    try:
        with contained():
            check(trial)
    except (Broken, EngineBroke) as error:
        return error.with_traceback(None)
    return None
