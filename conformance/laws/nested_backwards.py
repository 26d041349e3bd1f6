"""FUN: a backward that runs within another, in a hook or in the backward of a user-defined function."""

from __future__ import annotations

from gradlaws.conformance.language.steps import Backward, Hook, Step
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import At, Trial
from gradlaws.conformance.laws.user_functions import TESTS, onward, operands
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.user_functions import applied


def nested(b: Builder) -> None:
    """A backward that a hook or a user-defined backward runs, over a graph of its own."""
    found = operands(b)
    own = b.leaf() if b.entropy.chance(60) else b.leaf(b.shape(found[0]))
    inner = b.total(b.must("mul", own, own))
    b.turn()
    steps: list[Step] = [Backward((inner,), retain_graph=True)]
    fails = b.entropy.chance(25)
    if fails:
        steps.append(Backward((b.total(b.data()),)))  # which must be refused: nothing there requires grad
    within = tuple(steps)
    if b.has("register_hook") and b.entropy.chance(40):
        made = applied(b, found) if b.entropy.chance(50) else (b.unary(found[0], ("exact",)),)
        target = b.entropy.pick((found[0], made[0]))
        b.step(Hook(target, 0, "tensor", b.entropy.pick(("none", "none", "double")), within))
    else:
        made = applied(b, found, within=within)
    b.turn()
    end = onward(b, made)
    if not fails and b.entropy.chance(40):
        end = b.binary(end, own)
    b.backward(end)


@law(
    "FUN-20",
    f"{TESTS} test_simple_reentrant",
    nested,
    level="torch",
    needs=("user_function", "retain_graph"),
    after=("FUN-01", "HOOK-03"),
)
def a_backward_within_a_backward(t: Trial) -> None:
    """A hook or a user-defined backward may run a backward: gradients of both arrive, and an error comes out."""
    for at in t.outcomes(Backward):
        refused = at.want.raised is not None
        text = "refused" if at.got.raised is not None else "accepted"
        t.claim(
            (at.got.raised is not None) == refused,
            t.quoted(at.index),
            text,
            "an error" if refused else "no error",
            at,
        )
        leaves(t, at)
        if at.got.mode is not None and at.want.mode is not None:
            t.equal("grad mode after it", at.got.mode, at.want.mode, at)


def leaves(t: Trial, at: At) -> None:
    """Assert the gradients of all leaves after a step."""
    for var in t.leaves(at):
        if var in at.got.seen:
            t.grad(at, var)
