"""META: what mathematics says of gradients, by differences of values, Euler's identity, and symmetry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.execution.oracle import Expected
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import Apply, Backward, Leaf, Var
from gradlaws.conformance.laws.metamorphic import backwards, leaves_of
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.rewrites import Other, drift, refused, same, values_of, with_contents
from gradlaws.conformance.laws.trial import Trial
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.ops.table import Contraction, Elementwise
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.every_op_in_turn import weighted
from gradlaws.strategies.graphs import scalar_graph

GRADCHECK = "https://docs.pytorch.org/docs/2.13/notes/gradcheck.html"
NOTES = "https://docs.pytorch.org/docs/2.13/notes/autograd.html"
#: How far apart values are compared; a power of two, so that as little as possible rounds.
APART = 2.0**-13
#: What a direction is made of.
_WAYS = np.array([1.0, -0.5, 0.75, -1.0, 0.25])


# -- differences ---------------------------------------------------------------------------------------------


def smooth(b: Builder) -> None:
    """A graph with a one-element root, and a backward."""
    b.backward(scalar_graph(b).root)


@law(
    "META-12",
    f"{GRADCHECK}#default-real-input-numerical-evaluation",
    smooth,
    needs=("float64",),
    after=("VAL-01", "VAL-02"),
    stored=False,
)
def differences_of_values_agree_with_the_gradient(t: Trial) -> None:
    """The difference quotient of a root's values, along any direction, is what its gradient says."""
    slope(t)


def curved(b: Builder) -> None:
    """A weighted sum of first derivatives, and a backward from there."""
    grown = scalar_graph(b)
    leaves = grown.leaves[: 1 + b.entropy.below(2)]
    b.turn()
    found = b.grad((grown.root,), leaves, create_graph=True)
    b.backward(weighted(b, found, grown.leaves))


@law(
    "META-13",
    f"{GRADCHECK}#gradgradcheck",
    curved,
    needs=("autograd_grad", "create_graph", "add", "mul", "sum", "float64"),
    after=("META-12", "HO-11"),
    stored=False,
)
def differences_of_gradients_agree_with_the_second_derivative(t: Trial) -> None:
    """The difference quotient of first derivatives, along any direction, is what differentiating them says."""
    slope(t)


def slope(t: Trial) -> None:
    """Assert that the root of the one backward changes along a direction as the gradients of the leaves say.

    By how much a difference differs from a derivative is asked of the reference, which knows both.
    """
    calls, values = backwards(t), values_of(t.got)
    if len(calls) != 1 or len(calls[0].roots) != 1 or calls[0].gradients not in (None, (None,)):
        return
    root = calls[0].roots[0]
    leaves = [v for v in leaves_of(t) if values[v].dtype == np.float64]
    ways = {v: np.resize(np.roll(_WAYS, k), values[v].shape) for k, v in enumerate(leaves)}
    forward = Program(tuple(step for step in t.program if not isinstance(step, Backward)))
    aside = Other(
        t, with_contents(forward, {v: values[v] + APART * way for v, way in ways.items()}), "a step aside"
    )
    if root not in values or root not in aside.got.final or refused(aside.got):
        return  # a little further on, the root is not defined
    here, there = values[root], aside.got.final[root].value
    mine, theirs = final(t.want, root), final(aside.want, root)
    if there is None or not np.isfinite((mine.array, theirs.array)).all():
        return
    beyond = (theirs.array - mine.array) / APART - along({v: latest(t.want, v) for v in leaves}, ways)

    difference = np.asarray((there - here) / APART - beyond, np.float64).reshape(())
    found = along({v: t.got.final[v].grad for v in leaves}, ways)

    def bound() -> Array:
        unit = np.finfo(np.float64).eps
        own = unit * ((abs(here) + abs(there)) / APART + 8 * (abs(beyond) + _size(t, ways)))
        if not 16 * abs(found - difference) <= own:  # most often that will do, and the rest is costly
            own = own + (mine.error() + theirs.error()) / APART + _drifted(t, ways)
        return np.asarray(own).reshape(())

    t.close(f"the slope of {name(root)} along a direction, by its gradient,", found, difference, bound)


def _drifted(t: Trial, ways: Mapping[Var, Array]) -> float:
    """How far an engine may be off in the sum of the products of gradients with these."""
    return sum((float((drift(t.want, v) * abs(way)).sum()) for v, way in ways.items()), 0.0)


def _size(t: Trial, ways: Mapping[Var, Array]) -> float:
    """How large what is added up is, where gradients are multiplied with these."""
    gradients = ((latest(t.want, v), way) for v, way in ways.items())
    return sum((float(abs(g * way).sum()) for g, way in gradients if g is not None), 0.0)


@dataclass(frozen=True)
class Value:
    """What is expected of a value, and how to bound the error that an engine may show in it."""

    array: Array
    error: Callable[[], Array]


def final(want: Expected, var: Var) -> Value:
    """What is expected of a variable when it is made; NaN where nothing is."""
    seen = next((m.seen[var] for m in want.moments if var in m.seen), None)
    if seen is None or seen.value is None:
        return Value(np.asarray(np.nan), lambda: np.zeros(()))
    return Value(seen.value, seen.value_error or (lambda: np.zeros(())))


def latest(want: Expected, var: Var) -> Array | None:
    """The gradient that is expected of a variable in the end."""
    seen = next((m.seen[var] for m in reversed(want.moments) if var in m.seen), None)
    return None if seen is None else seen.grad


def along(gradients: Mapping[Var, Array | None], ways: Mapping[Var, Array]) -> Array:
    """The sum of the products of gradients with what stands for each variable."""
    terms = [float((g * ways[v]).sum()) for v, g in gradients.items() if g is not None]
    return np.asarray(sum(terms, 0.0))


# -- homogeneous and symmetric functions ---------------------------------------------------------------------

#: Ops that keep the degree in which a result is homogeneous, and what others make of the degrees of their operands.
SAME = (
    "neg", "mul_scalar", "abs", "relu", "leaky_relu", "clone", "sum", "mean", "cumsum", "vector_norm", "maximum",
    "minimum", "amax", "amin", "add", "sub", "transpose", "permute", "reshape", "view", "unsqueeze", "squeeze", "flip",
    "roll", "select", "narrow", "expand", "diagonal", "tril", "triu", "cat", "stack", "repeat", "index", "flatten",
)  # fmt: skip
MADE: dict[str, Callable[..., float]] = {
    "mul": lambda a, b: a + b,
    "div": lambda a, b: a - b,
    "square": lambda a: 2 * a,
    "reciprocal": lambda a: -a,
    "sqrt": lambda a: a / 2,
}


def degrees(program: Program) -> dict[Var, float]:
    """In which degree variables are homogeneous functions of the leaves that require grad; where it is known."""
    found: dict[Var, float] = {}
    for step in program:
        if isinstance(step, Leaf):
            found[step.outs[0]] = float(step.requires_grad)
        elif isinstance(step, Apply) and all(v in found for v in step.inputs):
            mine = [found[v] for v in step.inputs]
            made: float | None = None
            if step.op in MADE:
                made = MADE[step.op](*mine)
            elif isinstance(TABLE[step.op].rule, Contraction):
                made = sum(mine)
            elif step.op in SAME and len(set(mine)) == 1:
                made = mine[0]
            if made is not None:
                found.update(dict.fromkeys(step.outs, made))
    return found


def homogeneous(b: Builder) -> None:
    """A homogeneous function of one leaf or two."""
    pool = [b.leaf()]
    if b.entropy.chance(50):
        pool.append(b.leaf(b.partner(b.shape(pool[0]))))
    ones = [op for op in (*SAME, *MADE) if b.has(op) and TABLE[op].arity == 1]
    for _ in range(2 + b.entropy.below(3)):
        b.turn()
        x = pool[-1 - b.entropy.below(min(len(pool), 3))]
        if b.entropy.chance(45):
            made = b.apply("mul", x, pool[-1 - b.entropy.below(len(pool))])
        else:
            made = b.drawn(TABLE[b.entropy.pick(ones)], x)
        if isinstance(made, int):
            pool.append(made)
    last = pool[-1] if not b[pool[-1]].leaf else b.must("mul", pool[-1], pool[0])
    b.backward(b.total(last))


def symmetric(b: Builder) -> None:
    """The sum of what is computed from each row of a leaf, and from another leaf, elementwise."""
    rows, width = 2 + b.entropy.below(2), 1 + b.entropy.below(2)
    x, weight = b.leaf((rows, width)), b.leaf((width,))
    end = x
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        end = b.must(b.entropy.pick(("mul", "add")), end, b.entropy.pick((weight, x)))
        op = b.entropy.pick(("square", "tanh", "neg", "exp", "sin"))
        made = b.drawn(TABLE[op], end) if b.has(op) else None
        end = end if made is None else int(made)
    b.backward(b.total(end))


def either(b: Builder) -> None:
    """A homogeneous function, or a symmetric one."""
    (symmetric if b.entropy.chance(50) else homogeneous)(b)


@law(
    "META-14", f"{NOTES} (mathematics)", either, needs=("mul", "add", "sum"), after=("VAL-01",), stored=False
)
def euler_and_symmetry(t: Trial) -> None:
    """Of f homogeneous of degree k the gradient times the point is k f; of a symmetric f it permutes with the point."""
    calls = backwards(t)
    if len(calls) != 1 or len(calls[0].roots) != 1 or calls[0].gradients not in (None, (None,)):
        return
    root = calls[0].roots[0]
    euler(t, root)
    if (x := rows_of(t, root)) is not None:
        permuted(t, x)


def euler(t: Trial, root: Var) -> None:
    """Assert Euler's identity, where the root is homogeneous."""
    degree, values = degrees(t.program).get(root), values_of(t.got)
    if degree is None or root not in values:
        return
    leaves = leaves_of(t)
    points = {v: values[v] for v in leaves}
    found = along({v: t.got.final[v].grad for v in leaves}, points)
    expected = np.asarray(degree * values[root], np.float64).reshape(())

    def bound() -> Array:
        own = 16 * np.finfo(values[root].dtype).eps * _size(t, points)
        if not 16 * abs(found - expected) <= own:
            own = own + abs(degree) * final(t.want, root).error() + _drifted(t, points)
        return np.asarray(own).reshape(())

    t.close(f"the gradient times the point, {name(root)} being of degree {degree:g},", found, expected, bound)


def rows_of(t: Trial, root: Var) -> Var | None:
    """The leaf whose rows a root is a symmetric function of; None where that is not known."""
    values = values_of(t.got)
    first = t.program.steps[0] if len(t.program) else None
    if not isinstance(first, Leaf) or not first.requires_grad or first.value.array.ndim != 2:
        return None
    height = first.value.array.shape[0]
    rows, sums = {first.outs[0]}, set[Var]()
    for step in t.program:
        if not isinstance(step, Apply) or rows.isdisjoint(step.inputs):
            if not sums.isdisjoint(step.uses()) and not isinstance(step, Backward):
                return None
            continue
        others = [values[v] for v in step.inputs if v not in rows]
        if step.op == "sum" and dict(step.params).get("dim") is None:
            sums.update(step.outs)
        elif isinstance(TABLE[step.op].rule, Elementwise) and all(x.ndim < 2 for x in others):
            rows.update(step.outs)
            if any(values[v].shape[:1] != (height,) or values[v].ndim != 2 for v in step.outs):
                return None
        else:
            return None
    return first.outs[0] if root in sums else None


def permuted(t: Trial, x: Var) -> None:
    """Assert that the gradient permutes with the rows of x, and that no other changes."""
    point = values_of(t.got)[x]
    other = Other(
        t, with_contents(t.program, {x: point[::-1].copy()}), "the same program with the rows reversed"
    )
    if refused(other.got):
        return
    for var in leaves_of(t):
        theirs, turn = other.grad(var), slice(None, None, -1 if var == x else 1)
        same(
            t,
            f"{name(var)}.grad, compared with that where the rows of {name(x)} are reversed",
            t.got.final[var].grad,
            theirs[turn] if theirs is not None and var == x else theirs,
            lambda var=var, turn=turn: (  # type: ignore[misc]
                drift(t.want, var) + (drift(other.want, var)[turn] if var == x else drift(other.want, var))
            ),
        )
