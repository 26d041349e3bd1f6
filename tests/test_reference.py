"""The reference engine is not believed by itself: two ways of differentiating, closed forms, examples."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import numpy as np
import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.entropy import Entropy
from gradlaws.conformance.execution.interpreter import Interpreter
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.reference.engine import Engine, MustRaise
from gradlaws.conformance.reference.error_bounds import bound_of
from gradlaws.conformance.reference.graph_traversal import ancestors, backward, between, forward
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor
from gradlaws.strategies.builder import Builder, DeadEnd
from gradlaws.strategies.graphs import graph


def graphs(count: int) -> Iterator[tuple[Program, int]]:
    """Random forward programs with the variable of their root."""
    chance = random.Random(11)
    for _ in range(count):
        builder = Builder(Entropy(chance.randbytes(480)))
        try:
            root = graph(builder).root
        except DeadEnd:
            continue
        yield builder.program(), root


def test_tangents_and_cotangents_agree() -> None:
    """Forward mode and reverse mode share no code but the ops' formulas, and no algorithm at all."""
    compared = 0
    for program, root in graphs(1500):
        interpreter = Interpreter(ReferenceBackend())
        for index, step in enumerate(program):
            interpreter.do(index, step)
        node = interpreter.env[root].node
        nodes = ancestors([node])
        targets = [n for n in nodes if n.owner is not None]
        path = between(nodes, targets)
        seed = Node(np.linspace(-2, 1.5, node.array.size).reshape(node.shape).astype(node.array.dtype))
        ahead = forward([(node, seed)], path, targets)
        back = backward([(node, seed)], path, targets, lambda _, g: g)
        assert ahead is not None, str(program)
        for value, pulled in zip(ahead, back, strict=True):
            if pulled is None:
                assert not value.any(), str(program)
                continue
            gap = np.abs(value - pulled.array)
            bound = bound_of(pulled)
            # The tangents round too, and sum in another order: as many roundings again, of the largest term.
            unit = np.finfo(pulled.array.dtype).eps
            assert (
                gap <= 4 * bound + 64 * unit * max(1.0, float(np.abs(pulled.array).max(initial=0)))
            ).all(), program
            compared += 1
    assert compared > 2000


def chain(engine: Engine, length: int) -> tuple[Tensor, Tensor]:
    x = engine.tensor(np.array(0.5), requires_grad=True)
    y = x
    for k in range(length):
        y = engine.apply("neg", y) if k % 2 else engine.apply("add_scalar", y, value=1.0)
    return x, y


def test_a_chain_of_100_000_ops_neither_recurses_nor_crawls() -> None:
    engine = Engine()
    start = time.perf_counter()
    x, y = chain(engine, 100_000)
    engine.backward([y])
    assert x.grad is not None
    assert float(x.grad.array) == 1.0
    x, y = chain(engine, 100_000)
    (first,) = engine.grad([y], [x], create_graph=True)
    assert first is not None
    assert float(first.array) == 1.0
    assert time.perf_counter() - start < 60


def test_stacked_diamonds_are_not_walked_path_by_path() -> None:
    engine = Engine()
    x = engine.tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = x
    for _ in range(40):
        y = engine.apply("add", y, y)
    engine.backward([y], [engine.tensor(np.ones(2))])
    assert x.grad is not None
    assert x.grad.array.tolist() == [2.0**40, 2.0**40]


@pytest.mark.parametrize("point", [2.0, -1.5, 0.0])
def test_derivatives_of_any_order(point: float) -> None:
    engine = Engine()
    x = engine.tensor(np.array(point), requires_grad=True)
    y = engine.apply("mul", engine.apply("mul", x, x), engine.apply("mul", x, x))
    for factor, power in ((4, 3), (12, 2), (24, 1), (24, 0)):
        (derivative,) = engine.grad([y], [x], create_graph=True)
        assert derivative is not None
        y = derivative
        assert float(y.array) == factor * point**power


def test_a_write_through_a_view_moves_the_gradient() -> None:
    engine = Engine()
    x = engine.tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    y = engine.apply("clone", x)
    engine.inplace("mul_scalar_", engine.apply("narrow", y, dim=0, start=0, length=2), value=2.0)
    z = engine.apply("mul", y, y)
    engine.backward([engine.apply("sum", z, dim=None, keepdim=False)])
    assert x.grad is not None
    assert x.grad.array.tolist() == [8.0, 16.0, 6.0]


def test_overwritten_positions_get_nothing_and_the_written_tensor_its_slice() -> None:
    engine = Engine()
    x, w = (engine.tensor(np.array(v), requires_grad=True) for v in ([1.0, 2.0, 3.0], [5.0, 6.0]))
    y = engine.apply("clone", x)
    engine.inplace("set_slice_", y, engine.apply("select", w, dim=0, index=1), start=0, stop=2)
    engine.backward([engine.apply("mul", y, y)], [engine.tensor(np.ones(3))])
    assert x.grad is not None
    assert w.grad is not None
    assert x.grad.array.tolist() == [0.0, 0.0, 6.0]
    assert w.grad.array.tolist() == [0.0, 24.0]


def test_an_overwritten_operand_is_noticed() -> None:
    engine = Engine()
    x = engine.tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = engine.apply("clone", x)
    z = engine.apply("mul", y, y)
    engine.inplace("add_scalar_", y, value=1.0)
    with pytest.raises(MustRaise, match="INP-05"):
        engine.backward([z], [engine.tensor(np.ones(2))])


@pytest.mark.parametrize("copied", [False, True])
def test_an_operand_that_a_product_copies_may_be_overwritten(copied: bool) -> None:
    engine = Engine()
    x, w = (engine.tensor(np.array(v), requires_grad=True) for v in ([[1.0], [2.0]], [1.0]))
    y = engine.apply("clone", x)
    spread = engine.apply("expand", y, shape=(2, 2, 1) if copied else (1, 2, 1))
    z = engine.apply(
        "matmul", spread, w
    )  # the two dims in front are taken as one: rows 0, 1, 0, 1 are a copy
    engine.inplace("add_scalar_", y, value=1.0)
    gradient = [engine.tensor(np.ones((2, 2) if copied else (1, 2)))]
    if not copied:
        with pytest.raises(MustRaise, match="INP-05"):
            engine.backward([z], gradient)
        return
    engine.backward([z], gradient)
    assert w.grad is not None
    assert w.grad.array.tolist() == [6.0]


@pytest.mark.parametrize("listed", [0, 1, 2])
def test_an_input_that_is_listed_twice_gets_its_gradient_once(listed: int) -> None:
    engine = Engine()
    x = engine.tensor(np.array(3.0), requires_grad=True)
    y = engine.apply("mul", x, x)
    z = engine.apply("mul", y, y)
    wanted = (x, y, z)[listed]
    engine.backward([z], inputs=[wanted, wanted])
    assert wanted.grad is not None
    assert float(wanted.grad.array) == (108.0, 18.0, 1.0)[listed]


def test_hooks_see_the_whole_gradient_once_and_may_replace_it() -> None:
    engine = Engine()
    x = engine.tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = engine.apply("mul_scalar", x, value=3.0)
    calls: list[list[float]] = []

    def hook(g: Tensor) -> Tensor:
        calls.append(g.array.tolist())
        replaced: Tensor = engine.apply("neg", g)
        return replaced

    engine.register_hook(y, hook)
    engine.backward([engine.apply("add", y, y)], [engine.tensor(np.ones(2))])
    assert calls == [[2.0, 2.0]]
    assert x.grad is not None
    assert x.grad.array.tolist() == [-6.0, -6.0]


def test_steepest_ascent_for_complex_leaves() -> None:
    engine = Engine()
    z = engine.tensor(np.array([3.0 + 4.0j]), requires_grad=True)
    engine.backward([engine.apply("mul", z, z)], [engine.tensor(np.array([1.0 + 0.0j]))])
    assert z.grad is not None
    assert z.grad.array.tolist() == [6.0 - 8.0j]
