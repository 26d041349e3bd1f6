"""KINK: infinities and NaN, as contents, as slopes and as incoming gradients: what they do not touch stays right."""

from __future__ import annotations

import numpy as np

from gradlaws.conformance.drawn_values import NONZERO
from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import Apply, Backward, Var
from gradlaws.conformance.laws.kinks import RULES, SHAPES
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import At, Trial
from gradlaws.conformance.laws.values import first_gradients
from gradlaws.conformance.ops import TABLE, Op
from gradlaws.conformance.ops.table import (
    Composite,
    Elementwise,
    Movement,
    Pick,
    Total,
    Weighted,
)
from gradlaws.strategies.builder import Builder, DeadEnd
from gradlaws.strategies.every_op_in_turn import sites, weights
from gradlaws.strategies.op_choice import within
from gradlaws.strategies.special_values import Spot, edges, outside, strewn


def at_spots(b: Builder, spots: tuple[Spot, ...]) -> None:
    """An op of one operand at some of these points and elsewhere, each row in its turn."""
    known = [spot for spot in spots if b.has(spot[0].name)]
    if not known:
        raise DeadEnd("the engine has none of these ops")
    row, params, points = known[b.number % len(known)]
    shape = b.entropy.pick(SHAPES)
    size = int(np.prod(shape))
    values = strewn(b.entropy, b.entropy.values(size, within(row)), points, 40)
    b.wild = b.kinks = True
    x = b.leaf(values=values.reshape(shape))
    b.turn()
    end = b.must(row.name, x, **params)
    if b.entropy.chance(30) and b.has("neg"):
        end = b.must("neg", end)
    b.backward(end, b.data(b.shape(end), table=NONZERO))


def unharmed(t: Trial) -> None:
    """Assert that nothing is refused, and all gradients, as far as it is said what they are."""
    for at in t.outcomes(Apply, Backward):
        t.allowed(at)
        if isinstance(at.step, Backward) and at.got.raised is None and at.want.raised is None:
            for var in first_gradients(t, at):
                t.grad(at, var)


@law("KINK-03", f"{RULES} (rule 4)", lambda b: at_spots(b, edges()), needs=("pow_scalar",), stored=False)
def slopes_are_infinite_where_domains_end(t: Trial) -> None:
    """Where the slope of an op grows beyond all bounds, as that of sqrt and log at 0, the gradient is infinite."""
    unharmed(t)


@law("KINK-04", f"{RULES} (rule 5)", lambda b: at_spots(b, outside()), needs=("pow_scalar",), stored=False)
def outside_the_domain_anything_will_do(t: Trial) -> None:
    """Outside the domain of an op any gradient will do, but no error; within it the gradient is as ever."""
    unharmed(t)


# -- contents ------------------------------------------------------------------------------------------------


def defined(row: Op) -> bool:
    """Whether it is said what becomes of the other elements where one is NaN: which elements are picked is not."""
    return not isinstance(row.rule, Pick) and "entangled" not in row.tags


def special_contents(b: Builder) -> None:
    """Rows on operands some of whose elements are infinite or NaN."""
    b.wild = True
    for here in sites(b, defined, lambda row, entropy: lambda x: strewn(entropy, x, percent=15)):
        end = b.entropy.pick(here.results)
        b.backward(end, weights(b, end))


@law("KINK-05", f"{RULES} (rule 5)", special_contents, needs=("mul",), stored=False)
def what_is_not_finite_does_not_spread(t: Trial) -> None:
    """Any gradient will do for an element that is NaN or infinite; other elements get theirs, and there is no error."""
    for at in t.outcomes(Apply, Backward):
        t.allowed(at)
        if isinstance(at.step, Backward) and at.got.raised is None and at.want.raised is None:
            made = next(s for s in t.program.steps if isinstance(s, Apply) and at.step.roots[0] in s.outs)
            for var in first_gradients(t, at):
                if var in made.inputs:
                    _judged(t, at, var, TABLE[made.op])


def _judged(t: Trial, at: At, var: Var, row: Op) -> None:
    """Assert a gradient where it is finite, its element, too, if the row may be computed in more ways than one."""
    got, want = at.got.seen[var].grad, at.want.seen[var]
    if (
        got is None
        or want.grad is None
        or got.shape != want.grad.shape
        or not isinstance(row.rule, Composite)
    ):
        t.grad(at, var)
        return
    fixed = np.isfinite(t.values[var]) & np.isfinite(want.grad)
    if fixed.any():
        thing = f"{name(var)}.grad, where that and {name(var)} are finite,"
        t.close(thing, np.where(fixed, got, want.grad), want.grad, want.error, at)


# -- incoming gradients --------------------------------------------------------------------------------------


def elementary(row: Op) -> bool:
    """Whether a row has one way of handing on what comes in, element by element."""
    return isinstance(row.rule, Elementwise | Movement | Pick | Total | Weighted)


def special_cotangents(b: Builder) -> None:
    """Rows differentiated from infinities and NaN, which are the gradient argument or arise on the way."""
    followers = [row for row in b.vocabulary.unary["exact"] if isinstance(row.rule, Elementwise | Movement)]
    for here in sites(b, elementary):
        end = b.entropy.pick(here.results)
        if followers and b.entropy.chance(35):
            made = b.drawn(b.entropy.pick(followers), end)
            end = end if made is None else made
        seed = strewn(
            b.entropy, b.entropy.values(b[end].value.size, NONZERO).reshape(b.shape(end)), percent=40
        )
        if b.entropy.chance(40):
            b.wild = True
            end = b.must("mul", end, b.data(values=seed, dtype=b.dtype(end)))
            b.wild = False
            b.backward(end, weights(b, end))
        else:
            b.backward(end, b.data(values=seed, dtype=b.dtype(end)))


@law("KINK-21", f"{RULES} (main branch)", special_cotangents, needs=("mul",), after=("VAL-02",), stored=False)
def incoming_nan_stays_where_it_is_used(t: Trial) -> None:
    """NaN and infinities that come in go on where they are used, and nowhere else: not where the slope is 0 or flat."""
    unharmed(t)
