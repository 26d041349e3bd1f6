"""KINK: what the gradient is where there is no derivative, and where a formula would divide by zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.language.derivative_orders import higher
from gradlaws.conformance.language.steps import Backward, Var
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Stage, Trial
from gradlaws.conformance.laws.values import ancestors_of, first_gradients
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.ops.kinks import KINKS
from gradlaws.strategies.builder import Builder, DeadEnd
from gradlaws.strategies.every_op_in_turn import weighted

DOC = "https://docs.pytorch.org/docs/2.13/"
RULES = DOC + "notes/autograd.html#gradients-for-non-differentiable-functions"
AMAX = DOC + "generated/torch.amax.html"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"
#: More elements than a byte counts, and than two do.
MANY = ((300,), (2, 300), (70_000,))
SHAPES = ((2,), (3,), (), (2, 2), (4,), (1, 3), (2, 3), (2, 1, 2))


def onward(b: Builder, end: Var) -> None:
    """The result is used further or not, and differentiated."""
    b.turn()
    b.kinks = b.wild = False
    if b.entropy.chance(40):
        end = b.unary(end, ("exact",))
    if b.entropy.chance(30) and b.has("mul"):
        end = b.must("mul", end, b.data(b.shape(end)))
    b.turn()
    b.backward(end, None if b.shape(end) == () else b.seed(end))


def source(b: Builder, values: Array) -> Var:
    """A leaf of these values, or a result of an op on one."""
    if b.entropy.chance(30) and b.has("neg"):
        return int(b.must("neg", b.leaf(values=-values)))
    return b.leaf(values=values)


def drawn_from(b: Builder, shape: tuple[int, ...], *numbers: float) -> Array:
    """As many of these numbers as the shape has elements, flat."""
    return np.array([b.entropy.pick(numbers) for _ in range(int(np.prod(shape)))])


def of_one_operand(b: Builder, op: str) -> None:
    """An op of one operand, at least once at a kink."""
    shape, points = b.entropy.pick(SHAPES), KINKS[op].points
    values = drawn_from(b, shape, *points, 0.5, -0.5, 2.0, -2.0, 8.0)
    values[b.entropy.below(values.size)] = b.entropy.pick(points)
    x = source(b, values.reshape(shape))
    b.turn()
    b.kinks = True
    end = b.drawn(TABLE[op], x)
    if end is None:
        raise DeadEnd(f"{op} does not fit")
    onward(b, end)


def of_two_operands(b: Builder, op: str) -> None:
    """An extremum of two tensors, equal at one place at least, which may be one tensor; or their distance."""
    shape = b.entropy.pick(SHAPES)
    values = b.entropy.values(int(np.prod(shape)))
    others = np.where([b.entropy.chance(50) for _ in range(values.size)], values, values + 1)
    others[b.entropy.below(values.size)] = values[0]
    values[b.entropy.below(values.size)] = others[0]
    x = source(b, values.reshape(shape))
    b.turn()
    again = b.entropy.chance(15)
    y = x if again else source(b, others.reshape(shape))
    b.kinks = True
    onward(b, b.must(op, x, y))


def over_dimensions(b: Builder, op: str) -> None:
    """An extremum over dimensions of few different values, now and then of very many, or of NaN."""
    shape = b.entropy.pick(((2,), (3,), (2, 2), (4,), (2, 3), (2, 1, 2), (3, 2), (2, 3, 2)))
    if b.entropy.chance(4):
        x = b.leaf(values=np.zeros(b.entropy.pick(MANY)))
    elif b.entropy.chance(15) and op in ("max_all", "min_all"):
        x = source(b, drawn_from(b, shape, np.nan, 1.0).reshape(shape))
        b.wild = True
    else:
        x = source(b, drawn_from(b, shape, 0.0, 0.0, 1.0).reshape(shape))
    b.turn()
    b.kinks = True
    end = b.drawn(TABLE[op], x)
    if end is None:
        raise DeadEnd(f"{op} does not fit")
    onward(b, end)


def kinks_of(identity: str, draw: Callable[[Builder, str], None]) -> Callable[[Builder], None]:
    """The leaning towards the kinks that a law is about."""

    def at_kinks(b: Builder) -> None:
        """An op at its kinks."""
        ops = [op for op, kink in KINKS.items() if kink.law == identity and b.has(op)]
        if not ops:
            raise DeadEnd("the engine has none of these ops")
        draw(b, b.entropy.pick(ops))

    return at_kinks


def through(t: Trial, *ops: str) -> None:
    """Assert the gradients of what the roots depend on by way of one of these ops."""
    for at in t.succeeded(Backward):
        met = ancestors_of(t, at, *ops)
        for var in first_gradients(t, at):
            if var in met:
                t.grad(at, var)


def chosen(t: Trial) -> None:
    """Assert the gradients by way of the ops whose kinks this law is about."""
    through(t, *(op for op, kink in KINKS.items() if kink.law == t.law))


# -- subgradients --------------------------------------------------------------------------------------------


@law("KINK-01", f"{RULES} (rule 2)", kinks_of("KINK-01", of_one_operand), needs=("relu",), stored=False)
def relu_at_zero(t: Trial) -> None:
    """The gradient of relu at 0 is 0."""
    chosen(t)


@law("KINK-02", f"{RULES} (rule 2)", kinks_of("KINK-02", of_one_operand), needs=("abs",), stored=False)
def abs_at_zero(t: Trial) -> None:
    """The gradient of abs at 0 is 0."""
    chosen(t)


@law("KINK-06", f"{RULES} (rule 2)", kinks_of("KINK-06", of_one_operand), needs=("leaky_relu",), stored=False)
def leaky_relu_at_zero(t: Trial) -> None:
    """The gradient of leaky_relu at 0 is its slope below 0, if that lies between 0 and 1."""
    chosen(t)


@law(
    "KINK-09",
    f"{RULES} (rules 2 and 3)",
    kinks_of("KINK-09", of_one_operand),
    needs=("hardtanh",),
    stored=False,
)
def limits_at_their_bounds(t: Trial) -> None:
    """The gradients of hardtanh and relu6 at their bounds are 0."""
    chosen(t)


@law(
    "KINK-10",
    f"{RULES} (the joint subgradient of least norm)",
    kinks_of("KINK-10", of_two_operands),
    needs=("ties", "maximum"),
    stored=False,
)
def equal_operands_share(t: Trial) -> None:
    """Where the operands of maximum or minimum are equal, each gets half of the gradient."""
    chosen(t)


@law(
    "KINK-12",
    f"{AMAX}; {TESTS} test_min_max_median_backprops_to_all_values",
    kinks_of("KINK-12", over_dimensions),
    needs=("ties", "amax"),
    stored=False,
)
def ties_share_evenly(t: Trial) -> None:
    """Where several elements tie for an extremum, all of them get an equal share of its gradient."""
    chosen(t)


def losses(b: Builder) -> None:
    """The distance between tensors that are equal at some places."""
    of_two_operands(b, "l1_loss")


def scalar_powers(b: Builder) -> None:
    """Powers with a number as exponent, of zeros among other numbers."""
    shape = b.entropy.pick(SHAPES)
    x = source(b, drawn_from(b, shape, 0.0, 2.0, -1.0, 0.5).reshape(shape))
    b.turn()
    onward(b, b.must("pow_scalar", x, exponent=b.entropy.pick((0.0, 1.0, 2.0, 3.0))))


def powers(b: Builder) -> None:
    """Powers of zeros among other numbers; the exponents are a tensor, and zero at some places."""
    shape = b.entropy.pick(SHAPES)
    base = source(b, drawn_from(b, shape, 0.0, 0.0, 2.0, 0.5).reshape(shape))
    b.turn()
    exponent = b.leaf(
        values=drawn_from(b, shape, 0.0, 1.0, 2.0, 3.0).reshape(shape), tracked=b.entropy.chance(70)
    )
    b.wild = True
    onward(b, b.must("pow", base, exponent))


def angles(b: Builder) -> None:
    """The angles of points, the origin among them."""
    shape = b.entropy.pick(SHAPES)
    zero = np.array([b.entropy.chance(40) for _ in range(int(np.prod(shape)))])
    zero[b.entropy.below(zero.size)] = True
    x, y = (np.where(zero, 0.0, drawn_from(b, shape, 1.0, 2.0, 0.5)).reshape(shape) for _ in range(2))
    b.wild = True
    onward(b, b.must("atan2", b.leaf(values=x), b.leaf(values=y, tracked=b.entropy.chance(70))))


def spreads(b: Builder, op: str) -> None:
    """Variance or deviation along a dimension, of two or four numbers, all of them equal."""
    size = b.entropy.pick((2, 4))
    x = source(
        b, np.array([[b.entropy.pick((1.0, 2.0, -0.5))] * size for _ in range(1 + b.entropy.below(3))])
    )
    b.turn()
    b.wild = True
    onward(b, b.must(op, x, dim=1, keepdim=b.entropy.chance(40)))


#: By op, what asks it where it is flat, or a power of zero.
LEVEL: dict[str, Callable[[Builder], None]] = {
    "pow_scalar": scalar_powers,
    "l1_loss": losses,
    "pow": powers,
    "std": lambda b: spreads(b, "std"),
    "var": lambda b: spreads(b, "var"),
    "atan2": angles,
}


def where_it_is_level(b: Builder) -> None:
    """An op where its derivative is zero though a formula would divide by zero, or take the logarithm of it."""
    b.entropy.pick([draw for op, draw in LEVEL.items() if b.has(op)])(b)


@law(
    "KINK-19",
    f"{RULES} (rules 1 and 2); {TESTS} test_pow_zero_tensor_gradient, test_atan2_zero_gradient",
    where_it_is_level,
    needs=("pow_scalar",),
    stored=False,
)
def level_where_formulas_break_down(t: Trial) -> None:
    """The gradient is 0 for l1_loss of equal tensors, std of constants, atan2 at the origin and x**0 at 0."""
    through(t, *LEVEL)


def zero_vectors(b: Builder) -> None:
    """A norm of zeros only."""
    x = source(b, np.zeros(b.entropy.pick(SHAPES)))
    b.turn()
    b.kinks = b.wild = True
    rows = [TABLE[op] for op in NORMS if b.has(op)]
    end = b.drawn(b.entropy.pick(rows), x) if rows else None
    if end is None:
        raise DeadEnd("there is no norm")
    onward(b, end)


NORMS = ("vector_norm", "p_norm")


@law("KINK-14", f"{RULES} (rule 2)", zero_vectors, needs=("vector_norm",), stored=False)
def norms_at_zero(t: Trial) -> None:
    """The gradient of a norm of zeros is zeros, whatever norm it is."""
    through(t, *NORMS)


# -- pieces and products -------------------------------------------------------------------------------------


def _slope(s: Stage, function: Callable[[object], object], at: float) -> float:
    x = s.tensor(at, True)
    s.backend.backward(function(x))
    grad = s.backend.grad(x)
    return float("nan") if grad is None else float(s.backend.numpy(grad))


@law(
    "KINK-16",
    f"{RULES} (elementary operations)",
    needs=("relu", "neg", "sub", "mul_scalar"),
    after=("KINK-01",),
    stored=False,
)
def composites_follow_their_pieces(s: Stage) -> None:
    """A function made of several ops follows the chain rule over them, at kinks too: a relu(x) - b relu(-x)."""
    apply, factors = s.backend.apply, (1.0, 2.0, 0.5, -1.0, 3.0)
    a, b = s.entropy.pick(factors), s.entropy.pick(factors)

    def both(x: object) -> object:
        up = apply("mul_scalar", apply("relu", x), value=a)
        return apply("sub", up, apply("mul_scalar", apply("relu", apply("neg", x)), value=b))

    piece = _slope(s, lambda x: apply("relu", x), 0.0)
    s.equal(f"the gradient of {a} relu(x) - {b} relu(-x) at 0", _slope(s, both, 0.0), (a + b) * piece)


def zeros_multiplied(b: Builder) -> None:
    """A product over elements of which one, two or all are zero, differentiated once or twice."""
    shape = b.entropy.pick(((3,), (2,), (2, 2), (4,), (2, 3), (1,), (3,), (2, 2)))
    values = drawn_from(b, shape, 0.0, 2.0, 3.0, -1.0)
    values[b.entropy.below(values.size)] = 0.0
    twice = b.has("autograd_grad", "create_graph", "mul", "add", "sum") and b.entropy.chance(45)
    x = b.leaf(values=values.reshape(shape)) if twice else source(b, values.reshape(shape))
    b.turn()
    rows = [TABLE[op] for op in PRODUCTS if b.has(op)]
    end = b.drawn(b.entropy.pick(rows), x) if rows else None
    if end is None:
        raise DeadEnd("there is no product")
    if twice:
        found = b.grad((weighted(b, (end,)),), (x,), create_graph=True)
        b.backward(weighted(b, found, (x,)))
    else:
        onward(b, end)


#: Products over several elements.
PRODUCTS = ("prod", "prod_all", "cumprod")


@law("KINK-20", f"{RULES} (rule 1)", zeros_multiplied, needs=("prod",), stored=False)
def products_with_zeros(t: Trial) -> None:
    """The gradient of a product, and its derivative, is exact where factors are zero: the product of the others."""
    through(t, *PRODUCTS)
    for at in t.succeeded(Backward):
        if not higher(t.program).isdisjoint(at.step.roots):
            for var in first_gradients(t, at):
                t.grad(at, var)
