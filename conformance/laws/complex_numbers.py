"""CPLX: gradients of complex tensors, and of real ones through complex ops."""

from __future__ import annotations

import numpy as np

from gradlaws.conformance.drawn_values import NONZERO
from gradlaws.conformance.language.derivative_orders import higher
from gradlaws.conformance.language.steps import Backward, Var
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.roots import complex_leaf
from gradlaws.conformance.laws.trial import At, Trial
from gradlaws.conformance.laws.values import ancestors_of, first_gradients
from gradlaws.conformance.ops import TABLE
from gradlaws.strategies.builder import Builder, DeadEnd

NOTE = "https://docs.pytorch.org/docs/2.13/notes/autograd.html#autograd-for-complex-numbers"
GRADCHECK = "https://docs.pytorch.org/docs/2.13/notes/gradcheck.html"
NONDIFF = "https://docs.pytorch.org/docs/2.13/notes/autograd.html#gradients-for-non-differentiable-functions"
#: From complex to real, those without a domain first; and complex functions of one operand that are differentiable.
DOWN = ("real", "imag", "view_as_real", "abs_complex", "angle")
ALONG = ("square", "exp", "reciprocal", "neg")
TWICE = ("autograd_grad", "create_graph", "mul", "sum")


def along(b: Builder, z: Var, steps: int, ops: tuple[str, ...] = (*ALONG, "conjugate")) -> Var:
    """Some complex functions of z, one after the other; products with other complex numbers among them."""
    for _ in range(steps):
        b.turn()
        op = b.entropy.pick(("mul", "add", "div", *(op for op in ops if b.has(op))))
        if op in ("mul", "add", "div") and b.has(op):
            other = z if b.entropy.chance(25) else complex_leaf(b, b.shape(z), tracked=b.entropy.chance(40))
            made = b.apply(op, z, other)
        else:
            made = b.apply(op, z)
        z = z if made is None else made
    return z


def down(b: Builder, z: Var) -> Var:
    """Something real of z."""
    b.turn()
    for _ in range(3):
        op = b.entropy.pick([op for op in DOWN if b.has(op)])
        made = b.drawn(TABLE[op], z)
        if made is not None:
            return int(made)
    return int(b.must("real", z))


def up(b: Builder) -> tuple[Var, tuple[Var, ...]]:
    """(something complex of real leaves, these leaves)."""
    shape = b.entropy.pick(((2,), (), (3,), (2, 2), (1, 3)))
    kind = b.entropy.below(3)
    if kind == 0 or (kind == 1 and not b.has("view_as_complex")):
        parts = (b.leaf(shape), b.leaf(shape, tracked=b.entropy.chance(80)))
        return int(b.must("from_parts", *parts)), parts
    if kind == 1:
        x = b.leaf((*shape, 2))
        return int(b.must("view_as_complex", x)), (x,)
    x = b.leaf(shape if shape else (2,))
    return int(b.must(b.entropy.pick(("mul", "add")), x, complex_leaf(b, b.shape(x), tracked=False))), (x,)


def argument(b: Builder, root: Var) -> Var:
    """A gradient argument for a real or complex root."""
    if b[root].value.dtype.kind == "c":
        return complex_leaf(b, b.shape(root), tracked=False)
    return b.data(b.shape(root), table=NONZERO, dtype=b.dtype(root))


def real_loss(b: Builder, z: Var) -> Var:
    """A real number of z."""
    end = down(b, z)
    if b.entropy.chance(40) and b.has("square"):
        end = b.must("square", end)
    return b.total(end)


def differentiated(b: Builder, end: Var, leaves: tuple[Var, ...]) -> None:
    """A backward from a root; or from a real number of what `autograd.grad` returns, and of all leaves."""
    b.turn()
    seed = None if b.shape(end) == () and b[end].value.dtype.kind != "c" else argument(b, end)
    if b.has(*TWICE) and b.entropy.chance(30):
        every = [v for v, info in b.info.items() if info.leaf and info.tracked]
        given = None if seed is None else (seed,)
        (found,) = b.grad((end,), leaves[:1], create_graph=True, gradients=given)
        root = None
        for x in (found, *every):
            part = b.must("mul", x, argument(b, x))
            part = b.total(b.must("real", part) if b[part].value.dtype.kind == "c" else part)
            root = part if root is None else b.must("add", root, part)
        assert root is not None
        b.backward(root)
    else:
        b.backward(end, seed)


def asserted(t: Trial, *kinds: str) -> None:
    """Assert the gradients of leaves of these kinds of dtype that the roots depend on."""
    derived = higher(t.program)
    for at in t.succeeded(Backward):
        for var in first_gradients(t, at):
            if t.values[var].dtype.kind in kinds and (
                var in _reached(t, at) or not derived.isdisjoint(at.step.roots)
            ):
                t.grad(at, var)


def _reached(t: Trial, at: At) -> set[Var]:
    ops = {step.op for step in t.program.steps if hasattr(step, "op")}
    return ancestors_of(t, at, *ops)


def to_a_real_number(b: Builder) -> None:
    """A real number of complex leaves."""
    z = complex_leaf(b)
    differentiated(b, real_loss(b, along(b, z, b.entropy.below(3))), (z,))


@law(
    "CPLX-01",
    f"{GRADCHECK} (notations)",
    to_a_real_number,
    needs=("complex", "real", "imag", "mul"),
    stored=False,
)
def steepest_ascent(t: Trial) -> None:
    """The gradient of a complex leaf is the direction in which a real result grows fastest: dL/dRe z + i dL/dIm z."""
    asserted(t, "c")


def parts_of(b: Builder) -> None:
    """The real or the imaginary part of a leaf, or both."""
    z = complex_leaf(b)
    b.turn()
    end = b.must(b.entropy.pick(("real", "imag")), z)
    if b.entropy.chance(40):
        end = b.must("add", end, b.must(b.entropy.pick(("imag", "real")), z))
    b.backward(
        b.total(end) if b.entropy.chance(30) else end, None if b.shape(end) == () else argument(b, end)
    )


@law("CPLX-02", NOTE, parts_of, needs=("complex", "real", "imag", "add"), stored=False)
def parts_have_gradients_one_and_i(t: Trial) -> None:
    """The gradient of the real part is 1, that of the imaginary part is 1i."""
    asserted(t, "c")


def holomorphic(b: Builder) -> None:
    """Differentiable complex functions of complex leaves, with a complex gradient argument."""
    z = complex_leaf(b)
    end = along(b, z, 1 + b.entropy.below(2), ALONG)
    differentiated(b, end if end != z else b.must("mul", z, z), (z,))


@law("CPLX-03", NOTE, holomorphic, needs=("complex", "mul", "real"), after=("CPLX-01",), stored=False)
def conjugate_of_the_derivative(t: Trial) -> None:
    """Through a differentiable complex function goes the conjugate of its derivative, times what comes in."""
    asserted(t, "c")


def real_through_complex(b: Builder) -> None:
    """A real result of real leaves by way of complex numbers."""
    z, leaves = up(b)
    end = down(b, along(b, z, b.entropy.below(3)))
    differentiated(b, end, leaves)


@law("CPLX-04", NOTE, real_through_complex, needs=("complex", "real", "imag", "mul", "add"), stored=False)
def real_leaves_have_real_gradients(t: Trial) -> None:
    """The gradient of a real leaf is real, through complex ops too: that of the same computation in real numbers."""
    asserted(t, "f")


def across(b: Builder) -> None:
    """A function from complex to real numbers, or from real to complex ones."""
    if b.entropy.chance(50):
        z = complex_leaf(b)
        differentiated(b, down(b, z), (z,))
    else:
        z, leaves = up(b)
        differentiated(b, z, leaves)


@law(
    "CPLX-05",
    NOTE,
    across,
    needs=("complex", "real", "imag", "mul", "add"),
    after=("CPLX-01", "CPLX-04"),
    stored=False,
)
def between_real_and_complex(t: Trial) -> None:
    """From complex to real, and from real to complex, gradients are those of real and imaginary parts taken apart."""
    asserted(t, "f", "c")


def at_the_origin(b: Builder) -> None:
    """The size or the angle of complex numbers, zeros among them."""
    z = complex_leaf(b)
    values = np.where([b.entropy.chance(50) for _ in range(b[z].value.size)], 0, b[z].value.ravel())
    values[b.entropy.below(values.size)] = 0
    b.wild = True
    zero = b.leaf(values=values.reshape(b.shape(z)), dtype="complex128")
    ops = [op for op in ("abs_complex", "angle") if b.has(op)]
    if not ops:
        raise DeadEnd("neither sizes nor angles")
    end = b.must(b.entropy.pick(ops), zero)
    b.backward(end, argument(b, end))


@law("CPLX-06", f"{NONDIFF} (rule 2)", at_the_origin, needs=("complex", "abs_complex", "angle"), stored=False)
def origin_is_flat(t: Trial) -> None:
    """The gradients of size and angle are 0 at 0."""
    asserted(t, "c")
