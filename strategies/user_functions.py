"""User-defined functions, drawn: a forward of table ops, and a backward that is a formula of whatever kind.

The formula need not be the derivative: it decides what comes. Each gradient starts from what arrives at a result, and
is multiplied with what was saved, so that it depends on the operands, and the second derivative is another again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.language.steps import Apply, Step, Var
from gradlaws.conformance.language.user_functions import ApplyFunction, Function
from gradlaws.conformance.ops import TABLE
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.draft import DeadEnd, Info, modest

#: Ops of forwards and of backwards, where the engine has them; all of one shape, defined everywhere.
ONE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("mul_scalar", {"value": 2.0}), ("neg", {}), ("square", {}), ("tanh", {}), ("sin", {}),
    ("mul_scalar", {"value": -0.5}),
)  # fmt: skip
TWO = ("mul", "add", "mul", "sub")


class Formulas:
    """Ops over variables of their own, with what they hold as far as it is known.

    known: whether that is what the operands will hold; an op that is not defined everywhere needs to know.
    """

    def __init__(self, b: Builder) -> None:
        self.b = b
        self.known = True
        self.values: list[Array] = []
        self.ops: list[Apply] = []

    def bind(self, value: Array) -> Var:
        """A variable that holds this."""
        self.values.append(value)
        return len(self.values) - 1

    def op(self, name: str, *inputs: Var, **params: Any) -> Var:
        """An op applied; raises DeadEnd where it does not fit."""
        row = TABLE[name]
        values = [self.values[v] for v in inputs]
        has, shapes = self.b.vocabulary, tuple([v.shape for v in values])
        fits = name in has.ops and has.accepts(name, shapes, **params)
        fits = fits and (self.known or not self.b.particular(row))
        if not fits or (row.domain is not None and not row.domain(*values, **params)):
            raise DeadEnd(f"{name} does not fit")
        made = np.asarray(row(*values, **params))
        if not modest(made) or made.size > 24:
            raise DeadEnd(f"{name} makes too much")
        out = self.bind(made)
        self.ops.append(Apply(name, inputs, tuple(params.items()), outs=(out,)))
        return out

    def one(self, x: Var) -> Var:
        """Some op of one operand; x itself where none fits."""
        name, params = self.b.entropy.pick(ONE)
        try:
            return self.op(name, x, **params)
        except DeadEnd:
            return x

    def total(self, x: Var) -> Var:
        """The sum of x."""
        return x if self.values[x].ndim == 0 else self.op("sum", x, dim=None, keepdim=False)


def applied(
    b: Builder,
    inputs: Sequence[Var],
    results: int = 1,
    *,
    missing: int = 0,
    handed: int = 0,
    within: tuple[Step, ...] = (),
    outs: Sequence[str] = (),
    **options: Any,
) -> tuple[Var, ...]:
    """Append the application of a drawn function to these operands; its results.

    results: how many it computes.
    missing, handed: of a hundred gradients, how many are None; of results, how many are an operand handed through.
    within: steps that its backward begins with.
    outs: what to do otherwise than drawn: `constant` (the last result is not differentiable), `shape` and `larger`
        (a gradient of another shape, or of one that is summed), `dtype` (one of another dtype), `result` (the
        result is saved), `plain` (no operand is needed by the formula).
    options: `once`, `raises`.
    """
    entropy, made = b.entropy, Formulas(b)
    operands = [made.bind(b[v].value) for v in inputs]
    made.known = all(b[v].known for v in inputs)
    computed: list[Var] = []
    for k in range(results):
        if entropy.chance(handed) and operands[k % len(operands)] not in computed:
            computed.append(operands[k % len(operands)])
        else:
            computed.append(_computed(made, operands, k))
    forward = tuple(made.ops)
    made.ops = []
    constant = (computed[-1],) if "constant" in outs else ()
    ones = [np.ones_like(made.values[v]) for v in computed]
    arriving = [made.bind(one) for one in ones]
    gradients: list[Var | None] = []
    for k, operand in enumerate(operands):
        if entropy.chance(missing):
            gradients.append(None)
            continue
        saved = [] if "plain" in outs else [*operands[k:], *operands[:k]]
        if "result" in outs:
            saved = [v for v in computed if v not in operands] or saved
        gradients.append(_gradient(made, operand, arriving, saved))
    _otherwise(made, gradients, operands, outs)
    function = Function(
        tuple(operands),
        forward,
        tuple(computed),
        tuple(arriving),
        tuple(made.ops),
        tuple(gradients),
        constant,
        **options,
    ).pruned()
    if ApplyFunction(function, tuple(inputs)).contradictory:
        function = replace(function, constant=())
    return _bound(b, function, tuple(inputs), made, within)


def _computed(made: Formulas, operands: Sequence[Var], k: int) -> Var:
    """A result of the forward."""
    entropy = made.b.entropy
    result = operands[k % len(operands)]
    for other in (*operands[k % len(operands) + 1 :], *operands[: k % len(operands)]):
        try:
            result = made.op(entropy.pick(TWO), result, other)
        except (DeadEnd, ValueError):
            result = made.op("mul", made.total(result), made.total(other))
    for _ in range(1 + entropy.below(2)):
        result = made.one(result)
    return made.op("mul", result, result) if result in operands else result


def _gradient(made: Formulas, operand: Var, arriving: Sequence[Var], saved: Sequence[Var]) -> Var:
    """A formula for the gradient of one operand: what arrives, times what was saved."""
    entropy, shape = made.b.entropy, made.values[operand].shape
    terms = []
    for g in arriving:
        term = g
        if made.values[g].shape != shape:
            term = made.op("mul", made.total(g), operand)
        for other in saved[: 1 + entropy.below(2)]:
            factor = other if made.values[other].shape == shape else made.total(other)
            term = made.op("mul", term, factor)
        terms.append(made.one(term) if entropy.chance(60) else term)
    total = terms[0]
    for term in terms[1:]:
        total = made.op("add", total, term)
    # Broadcasting with a factor of no dimensions keeps the shape.
    return total


def _otherwise(
    made: Formulas, gradients: list[Var | None], operands: Sequence[Var], outs: Sequence[str]
) -> None:
    """Make one of the gradients what it should not be."""
    k = made.b.entropy.below(len(gradients))
    g = gradients[k]
    if g is None:
        return
    shape = made.values[operands[k]].shape
    if "shape" in outs:
        wrong = (*shape, 2) if shape else ()
        gradients[k] = made.op("expand", made.op("unsqueeze", g, dim=len(shape)), shape=wrong) if shape else g
    if "larger" in outs:
        gradients[k] = made.op("expand", g, shape=(2, *shape))
    if "dtype" in outs:
        gradients[k] = made.op("cast", g, dtype="float32")


def _bound(
    b: Builder, function: Function, inputs: tuple[Var, ...], made: Formulas, within: tuple[Step, ...]
) -> tuple[Var, ...]:
    tracked = b.recording[-1] and any(b[v].tracked for v in inputs)
    known = all(b[v].known for v in inputs)
    even = all(b[v].contiguous for v in inputs)
    results = []
    for k, var in enumerate(function.results):
        handed = function.handed_through(k)
        live = tracked and var not in function.constant and made.values[var].dtype.kind in "fc"
        if handed is None:
            info = Info(
                np.array(made.values[var], order="C"), live, leaf=not live, contiguous=even, known=known
            )
        else:
            # What is handed through is a view that nobody may write to, nor to what it is a view of.
            source = b[inputs[handed]]
            source.sealed = b[source.base].sealed = True
            info = Info(
                source.value, live, leaf=not live, base=source.base, sealed=True, contiguous=even, known=known
            )
        results.append(b.bind(info))
    b.step(ApplyFunction(function, inputs, within, outs=tuple(results)))
    return tuple(results)
