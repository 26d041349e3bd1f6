"""User-defined functions: as data, as source that runs, and made small."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.adapter_check import check
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.discovery import find
from gradlaws.conformance.engines.user_function import UserFunction
from gradlaws.conformance.entropy import Entropy, stretched
from gradlaws.conformance.execution.interpreter import run
from gradlaws.conformance.judgement.shrink_passes import functions
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.serialization import dumped, loaded
from gradlaws.conformance.language.steps import Apply, Backward, Grad, Leaf, literal
from gradlaws.conformance.language.user_functions import ApplyFunction, Function
from gradlaws.strategies.builder import Builder, Vocabulary
from gradlaws.strategies.user_functions import applied
from gradlaws.strategies.whole_programs import EVERYTHING, SIZE

#: f(a, b) = a a b, with the right formula.
CUBE = Function(
    (0, 1),
    (Apply("mul", (0, 0), outs=(2,)), Apply("mul", (2, 1), outs=(3,))),
    (3,),
    (4,),
    (
        Apply("mul", (4, 0), outs=(5,)),
        Apply("mul", (5, 1), outs=(6,)),
        Apply("mul_scalar", (6,), (("value", 2.0),), outs=(7,)),
        Apply("mul", (5, 0), outs=(8,)),
    ),
    (7, 8),
)
CUBED = (Leaf(literal(2.0), True, outs=(0,)), ApplyFunction(CUBE, (0, 0), outs=(1,)))
ENGINES = [pytest.param(name, id=name) for name in ("reference", "torch")]


def engine(name: str) -> Backend:
    if name == "torch":
        pytest.importorskip("torch")
    return find(name)


@pytest.mark.parametrize("name", ENGINES)
def test_three_derivatives_of_a_function_of_the_same_tensor_twice(name: str) -> None:
    program = Program(
        (
            *CUBED,
            Grad((1,), (0,), create_graph=True, outs=(2,)),
            Grad((2,), (0,), create_graph=True, outs=(3,)),
            Grad((3,), (0,), outs=(4,)),
        )
    )
    backend = engine(name)
    with backend.session():
        final = run(program, backend).final
    assert [np.asarray(final[v].value).tolist() for v in (2, 3, 4)] == [12.0, 12.0, 6.0]


@pytest.mark.parametrize("name", ENGINES)
def test_the_adapter_check_probes_the_capability(name: str) -> None:
    assert check(engine(name)) == []

    class Ignores(ReferenceBackend):
        def user_function(self, function, inputs):  # type: ignore[no-untyped-def]
            return function.forward(*inputs)[0]

    assert [problem.method for problem in check(Ignores())] == ["user_function"]


def drawn(number: int) -> Program:
    b = Builder(Entropy(stretched(f"{number}".encode(), SIZE)), Vocabulary(capabilities=EVERYTHING))
    first = b.leaf()
    made = applied(b, (first, b.leaf(b.shape(first)), first)[: 1 + number % 3], 1 + number % 2)
    b.backward(made[0])
    return b.program()


@pytest.mark.parametrize("number", range(10))
def test_a_drawn_function_survives_json(number: int) -> None:
    assert loaded(dumped(drawn(number))) == drawn(number)


@pytest.mark.parametrize("number", range(10))
def test_what_is_printed_is_what_runs(number: int) -> None:
    torch = pytest.importorskip("torch")
    program = drawn(number)
    scope = {"torch": torch}
    exec(str(program), scope)
    backend = engine("torch")
    with backend.session():
        final = run(program, backend).final
    for step in program:
        if isinstance(step, Leaf) and step.requires_grad:
            (var,) = step.outs
            grad, want = scope[f"v{var}"].grad, final[var].grad
            assert (grad is None) == (want is None)
            assert want is None or np.array_equal(grad.numpy(), want)


@pytest.mark.parametrize("name", ENGINES)
def test_a_thousand_backwards_within_each_other(name: str) -> None:
    backend = engine(name)
    leaf = backend.tensor(np.array(3.0), True)
    depth = 0

    def backward(saved: Any, gradients: Any) -> Any:
        nonlocal depth
        if depth < 1000:
            depth += 1
            with backend.enable_grad():
                deeper = backend.user_function(thousand, [leaf])[0]
            backend.backward(deeper)
        return gradients

    thousand = UserFunction(lambda x: ([backend.apply("neg", x)], []), backward)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        backend.backward(backend.user_function(thousand, [leaf])[0])
    finally:
        sys.setrecursionlimit(limit)
    assert depth == 1000
    assert backend.numpy(backend.grad(leaf)) == 1001


def test_functions_are_made_small() -> None:
    """What is left of a program that fails for its second operand's gradient is one op and the formula's last."""

    def fails(program: Program) -> bool:
        step = program.steps[1]
        assert isinstance(step, ApplyFunction)
        return any(op.op == "mul_scalar" for op in step.function.backward)

    program, smaller = Program((*CUBED, Backward((1,)))), True
    while smaller:
        found = [p for p in functions(program, dict) if fails(p)]
        smaller = bool(found)
        program = found[0] if found else program
    step = program.steps[1]
    assert isinstance(step, ApplyFunction)
    assert len(step.function.forward) == 1
    assert [op.op for op in step.function.backward] == ["mul_scalar"]
    assert len(step.inputs) == 1


def test_a_tensor_handed_through_twice_is_differentiable_in_both_or_neither() -> None:
    handed = Function((0, 1), (), (0, 1), (2, 3), (), (2, 3), constant=(1,))
    assert ApplyFunction(handed, (0, 0), outs=(1, 2)).contradictory
    assert not ApplyFunction(handed, (0, 1), outs=(2, 3)).contradictory
    for number in range(30):
        b = Builder(Entropy(stretched(bytes([number]), SIZE)), Vocabulary(capabilities=EVERYTHING))
        x = b.leaf()
        applied(b, (x, x), 2, handed=90, outs=("constant",))
        assert not any(isinstance(step, ApplyFunction) and step.contradictory for step in b.steps)


@pytest.mark.parametrize("name", ENGINES)
def test_an_operand_handed_through_is_saved_as_the_operand(name: str) -> None:
    """Its formula answers with the operand, whatever arrives: the derivative of that is one, and asks nothing again."""
    through = Function((0,), (), (0,), (1,), (), (0,))
    program = Program(
        (
            Leaf(literal(np.array([1.0, 1.0])), True, outs=(0,)),
            ApplyFunction(through, (0,), outs=(1,)),
            Leaf(literal(np.array([1.0, 1.0])), False, outs=(2,)),
            Grad((1,), (0,), (2,), create_graph=True, outs=(3,)),
            Leaf(literal(np.array([1.0, 2.0])), False, outs=(4,)),
            Backward((3,), (4,)),
        )
    )
    with (backend := engine(name)).session():
        trace = run(program, backend)
    assert [moment.raised for moment in trace.moments] == [None] * len(program)
    assert trace.final[0].grad is not None
    assert trace.final[0].grad.tolist() == [1.0, 2.0]
