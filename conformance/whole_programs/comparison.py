"""What an engine shows in a whole program that is not as the reference expects: everything that was looked at.

Nothing is excused here but rounding within the error bounds. What no documentation decides is left out by
`unspecified`, which law is broken says `blame`.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradlaws.conformance.engines.exceptions import described
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.execution.trace import Moment, Seen
from gradlaws.conformance.execution.whole_program_run import Watched, memory_pairs
from gradlaws.conformance.language.source import name, statement
from gradlaws.conformance.language.steps import Forget, Var
from gradlaws.conformance.language.user_functions import gives_none
from gradlaws.conformance.laws.invariants import apart
from gradlaws.conformance.laws.registry import unasked
from gradlaws.conformance.laws.value_comparison import called, excess, shown
from gradlaws.conformance.whole_programs.difference import FLAGS, Aspect, Difference
from gradlaws.conformance.whole_programs.trial import WholeTrial

_SHOWN = {Aspect.RETAINS: "retains_grad"}


def differences(trial: WholeTrial) -> Iterator[Difference]:
    """All differences, in the order in which they show; after an unlawful outcome there are none.

    Raises `Broken` where gradients share memory.
    """
    for got, want in zip(trial.got.moments, trial.want.moments, strict=False):
        if got.index == trial.want.derailed:
            if got.raised is not None or not unasked(trial.want.law or "", trial.backend):
                yield _outcome(trial, got)
            return
        if trial.past is not None:
            trial.past.follow(trial.program, got.step)
        if got.mode is not want.mode and got.mode is not None and want.mode is not None:
            yield Difference(Aspect.MODE, "grad mode", got.mode, want.mode, got.index)
        if (got.same or want.same) and got.raised is None and "same_object" in trial.backend.capabilities:
            yield from _identity(got, want)
        if (got.calls or want.calls) and got.raised is None:
            yield from _calls(trial, got, want)
        if got.nothing != want.nothing and got.raised is None:
            for var in sorted({*got.nothing} ^ {*want.nothing}):
                words = ("None", "a tensor")
                said, expected_so = words if var in got.nothing else words[::-1]
                yield Difference(Aspect.NOTHING, name(var), said, expected_so, got.index, var)
        if got.seen:
            for var, expected in want.seen.items():
                observed = got.seen.get(var)
                if observed is not None and not _alike(observed, expected):
                    yield from _tensor(trial, got.index, var, observed, expected)
            trial.assertions += len(want.seen)
    if (foreign := trial.got.foreign) is not None:
        wanted = "a tensor of the engine"
        yield Difference(Aspect.IDENTITY, "a .grad", foreign, wanted, None, question="is a tensor")
    apart(trial)
    yield from _memory(trial)


def _memory(trial: WholeTrial) -> Iterator[Difference]:
    """Views and detached tensors share the memory that they are made from; nothing else shares any."""
    together = trial.got.together if isinstance(trial.got, Watched) else None
    if together is None:
        return
    sizes = {v: s.value.size for m in trial.got for v, s in m.seen.items() if s.value is not None}
    gone = {step.x for step in trial.program if isinstance(step, Forget)}
    made = {v for m in trial.got for v in m.step.outs if m.raised is None and not m.skipped}
    views, own = memory_pairs(trial.program)
    trial.assertions += 1
    for pairs, sharing in ((views, True), (own, False)):
        for a, b in pairs:
            if ((a, b) in together) is sharing:
                continue
            if sharing and not ({a, b} <= made - gone and sizes.get(a, 0)):
                continue
            words = ("its own", f"shared with {name(b)}")
            got, want = words if sharing else words[::-1]
            yield Difference(Aspect.MEMORY, f"the memory of {name(a)}", got, want, None, a, contained=False)


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


def _tensor(trial: WholeTrial, index: int, var: Var, observed: Seen, expected: Seen) -> Iterator[Difference]:
    """Flags, gradient and contents of one tensor."""
    label = name(var)
    for flag in FLAGS:
        got, want = getattr(observed, flag), getattr(expected, flag)
        if got is not None and want is not None and got is not want:
            yield Difference(flag, f"{label}.{_SHOWN.get(flag, flag)}", got, want, index, var)
    if _gradients_differ(trial, observed, expected):
        held, want = observed.grad, expected.grad
        # Of a gradient with a history, the reference goes on from the history; from one of another shape it cannot.
        like = trial.values.get(var) if want is None else want
        fits = held is None or like is None or held.shape == like.shape
        contained = fits and not expected.grad_tracked
        yield Difference(Aspect.GRAD, f"{label}.grad", held, want, index, var, contained=contained)
    got, want = observed.grad_tracked, expected.grad_tracked
    if got is not None and want is not None and got is not want:
        yield Difference(Aspect.GRAD_TRACKED, f"{label}.grad.requires_grad", got, want, index, var)
    got, want = observed.value, expected.value
    if got is not None and want is not None and not trial.within(got, want, expected.value_error):
        yield Difference(Aspect.VALUE, label, got, want, index, var, contained=False)


def _gradients_differ(trial: WholeTrial, observed: Seen, expected: Seen) -> bool:
    """Whether a gradient is neither what is expected nor what is allowed instead, after a step that raised."""
    got, want = observed.grad, expected.grad
    if got is None:
        return want is not None
    if expected.also is not None and excess(got, expected.also, expected.also_error) <= 1:
        return False
    return want is None or not trial.within(got, want, expected.error)


def _outcome(trial: WholeTrial, got: Moment) -> Difference:
    """The first outcome that is not as it should be."""
    text = f"`{statement(got.step, trial.backend.spellings)}`"
    if got.raised is not None:
        said, expected = f"refused: {described(got.raised)}", "no error"
    else:
        said, expected = "accepted", "an error"
    return Difference(Aspect.OUTCOME, text, said, expected, got.index, contained=False)


def _identity(got: Moment, want: Moment) -> Iterator[Difference]:
    """Answers to questions about which object is which."""
    for question, answer in want.same.items():
        if got.same.get(question, answer) is not answer:
            thing = f"`{statement(got.step)}`: {question}"
            yield Difference(Aspect.IDENTITY, thing, not answer, answer, got.index, question=question)


def _calls(trial: WholeTrial, got: Moment, want: Moment) -> Iterator[Difference]:
    """Each hook is called as often, with the same gradients; those on one tensor in the same order."""
    mine: dict[int, list[Array]] = {}
    theirs: dict[int, list[Array]] = {}
    passed_over = gives_none(trial.program)  # which of the tensor hooks beyond are told of None is open
    for calls, found in ((got.calls, mine), (want.calls, theirs)):
        for handle, g in calls:
            hook = trial.hook(handle)
            if passed_over and g.dtype == object and hook is not None and hook.kind == "tensor":
                continue
            found.setdefault(handle, []).append(g)
    for handle in sorted(mine.keys() | theirs.keys()):
        a, b = mine.get(handle, []), theirs.get(handle, [])
        trial.assertions += 1
        if len(a) == len(b):
            ratios = [excess(x, y, trial.bound_of(y)) for x, y in zip(a, b, strict=True)]
            if max(ratios) <= 1:
                trial.worst = max(trial.worst, *ratios)
                continue
        hook = trial.hook(handle)
        yield Difference(
            Aspect.CALLS, f"hook h{handle}", a, b, got.index, None if hook is None else hook.x, handle
        )
    yield from _order(trial, got, want)


def _order(trial: WholeTrial, got: Moment, want: Moment) -> Iterator[Difference]:
    """Hooks on one tensor, on which nothing was written since, run one after the other as they should."""
    for x, ran, should in trial.orders(got, want):
        if ran != should:
            yield Difference(Aspect.ORDER, f"the order of the hooks on {name(x)}", ran, should, got.index, x)


def in_words(difference: Difference) -> tuple[str, str]:
    """(what was observed, what was expected), short enough to read."""
    if difference.aspect is Aspect.CALLS:
        return called(difference.got), called(difference.want)
    return shown(difference.got), shown(difference.want)
