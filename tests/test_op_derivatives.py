"""Every row of the op table: its derivative by differences in extended precision, its value against PyTorch."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.deviations import deviant
from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.execution.oracle import believe
from gradlaws.conformance.known_failures.toml_parser import shipped
from gradlaws.conformance.laws.value_comparison import excess
from gradlaws.conformance.ops import INPLACE, TABLE, Op
from gradlaws.conformance.ops.table import Constant
from gradlaws.conformance.reference.engine import Engine
from gradlaws.strategies.builder import Builder, DeadEnd, Vocabulary

VISIBLE = [row for row in TABLE if not {"internal", "complex"} & row.tags]
SMOOTH = [row for row in VISIBLE if not isinstance(row.rule, Constant) and not {"integer result"} & row.tags]
SHAPES: list[tuple[int, ...]] = [
    (),
    (1,),
    (3,),
    (2, 2),
    (2, 3),
    (3, 1),
    (1, 3),
    (2, 1, 2),
    (4,),
    (3, 3),
    (2, 2, 2),
    (1, 1),
]
Call = tuple[list[Array], dict[str, Any]]


def shapes(row: Op, entropy: Entropy, builder: Builder) -> tuple[tuple[int, ...], ...]:
    """Shapes of operands that may go together."""
    if row.shapes is not None:
        return row.shapes(entropy)
    first = entropy.pick(SHAPES)
    rest = [
        builder.partner(first) if entropy.chance(60) else entropy.pick(SHAPES) for _ in range(row.arity - 1)
    ]
    return (first, *rest)


def calls(row: Op, count: int, offset: float) -> list[Call]:
    """Operands and parameters that the row accepts; values lie `offset` off the kinks at dyadic numbers."""
    chance = random.Random(row.name)
    found: list[Call] = []
    for _ in range(count * 40):
        entropy = Entropy(chance.randbytes(300))
        builder = Builder(entropy)
        xs = []
        for own in shapes(row, entropy, builder):
            size = int(np.prod(own))
            jitter = np.round(1024 * offset * (1 + np.array([chance.random() for _ in range(size)]))) / 1024
            xs.append((entropy.values(size) + jitter).reshape(own))
        params = row.params(entropy, *xs)
        if params is None or (row.domain is not None and not row.domain(*xs, **params)):
            continue
        try:
            row(*xs, **params)
        except ValueError:
            continue  # these shapes do not go together
        found.append((xs, params))
        if len(found) == count:
            break
    assert found, f"no operands were found for {row.name}"
    return found


def difference(f: Any, x: Array) -> Array:
    """The gradient of a scalar function at x, by central differences of fourth order in extended precision."""
    step = np.longdouble(1e-4)
    out = np.zeros(x.shape, np.longdouble)
    for index in np.ndindex(*x.shape):
        nudge = np.zeros(x.shape, np.longdouble)
        nudge[index] = step
        near = f(x + nudge) - f(x - nudge)
        far = f(x + 2 * nudge) - f(x - 2 * nudge)
        out[index] = (8 * near - far) / (12 * step)
    return out


def weighted(value: Any, weights: list[Array]) -> Any:
    parts = value if isinstance(value, tuple) else (value,)
    return sum((np.sum(part * w) for part, w in zip(parts, weights, strict=True)), np.longdouble(0))


def test_the_table_is_large_enough() -> None:
    assert len(VISIBLE) >= 60
    assert {
        "add_",
        "sub_",
        "mul_",
        "div_",
        "zero_",
        "fill_",
        "copy_",
        "exp_",
        "relu_",
        "masked_fill_",
    } <= set(INPLACE)


@pytest.mark.parametrize("row", SMOOTH, ids=lambda row: row.name)
def test_derivatives_agree_with_differences(row: Op) -> None:
    chance = np.random.default_rng(7)
    for xs, params in calls(row, 6, 0.013):
        if row.name == "cast":
            continue  # rounding to float32 is no smooth function; its gradient is a cast, compared with torch below
        value = row(*xs, **params)
        shapes = [part.shape for part in (value if row.many else (value,))]
        weights = [chance.uniform(-2, 2, shape) for shape in shapes]
        engine = Engine()
        leaves = [engine.tensor(x, requires_grad=True) for x in xs]
        made = engine.apply(row.name, *leaves, **params)
        roots = list(made) if row.many else [made]
        if not roots[0].requires_grad:
            continue
        engine.backward(roots, [engine.tensor(w) for w in weights])
        pulled = engine.contributions(roots, [engine.tensor(w) for w in weights])
        for k, x in enumerate(xs):
            wide = [np.asarray(v, np.longdouble) for v in xs]

            def along(z: Array, k: int = k, wide: list[Array] = wide) -> Any:
                return weighted(row(*wide[:k], z, *wide[k + 1 :], **params), weights)

            want = difference(along, np.asarray(x, np.longdouble))
            got = leaves[k].grad
            if got is None:
                assert k in row.passive
                assert not want.any()
                continue
            scale = np.maximum(1, np.abs(want))
            assert (np.abs(got.array - want) <= 1e-10 * scale).all(), (xs, params, got.array, want)
            back = next(np.asarray(node.array) for tensor, node in pulled if tensor is leaves[k])
            assert (np.abs(back - want) <= 1e-10 * scale).all(), (xs, params, back, want)


@pytest.mark.parametrize("row", SMOOTH, ids=lambda row: row.name)
def test_second_derivatives_agree_with_differences(row: Op) -> None:
    chance = np.random.default_rng(8)
    for xs, params in calls(row, 2, 0.013):
        if row.name == "cast":
            continue
        wide = [np.asarray(x, np.longdouble) for x in xs]
        value = row(*wide, **params)
        shapes = [part.shape for part in (value if row.many else (value,))]
        weights = [chance.uniform(-2, 2, shape).astype(np.longdouble) for shape in shapes]
        outer = [chance.uniform(-2, 2, x.shape).astype(np.longdouble) for x in xs]

        def first(zs: list[Array]) -> tuple[Engine, list[Any], list[Any]]:
            engine = Engine()
            leaves = [engine.tensor(z, requires_grad=True) for z in zs]
            made = engine.apply(row.name, *leaves, **params)
            roots = list(made) if row.many else [made]
            if not roots[0].requires_grad:
                return engine, leaves, []
            seeds = [engine.tensor(w) for w in weights]
            found = engine.grad(roots, leaves, seeds, create_graph=True, allow_unused=True)
            return engine, leaves, list(found)

        engine, leaves, grads = first(wide)
        tracked = [(g, w) for g, w in zip(grads, outer, strict=False) if g is not None and g.requires_grad]
        if not tracked:
            continue
        seeds = [engine.tensor(w) for _, w in tracked]
        second = engine.grad([g for g, _ in tracked], leaves, seeds, allow_unused=True)
        for k, x in enumerate(wide):

            def along(z: Array, k: int = k) -> Any:
                _, _, found = first([*wide[:k], z, *wide[k + 1 :]])
                return sum(
                    (np.sum(g.array * w) for g, w in zip(found, outer, strict=True) if g is not None),
                    np.longdouble(0),
                )

            want = difference(along, x)
            got = np.zeros(x.shape) if second[k] is None else second[k].array  # type: ignore[union-attr]
            assert (np.abs(got - want) <= 1e-9 * np.maximum(1, np.abs(want))).all(), (xs, params, got, want)


@pytest.mark.parametrize("name", [row.name for row in VISIBLE] + list(INPLACE))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rows_agree_with_torch(name: str, dtype: str) -> None:
    """Forward, gradient and what an in-place op leaves behind, within the error bound, but for listed defects."""
    pytest.importorskip("torch")
    from gradlaws.conformance.adapters.torch import TorchBackend
    from gradlaws.conformance.execution.interpreter import run

    backend = TorchBackend()
    listed = shipped("torch").applying(backend.capabilities, backend.version()).deviations
    vocabulary = Vocabulary(frozenset(backend.ops()), backend.capabilities)
    chance = random.Random(name + dtype)
    ran = 0
    with backend.session():
        for _ in range(900):
            if ran == 30:
                break
            entropy = Entropy(chance.randbytes(300))
            builder = Builder(entropy, vocabulary)
            forms = shapes(TABLE[name] if name in TABLE else INPLACE[name].row, entropy, builder)
            first = builder.leaf(forms[0], dtype=dtype)
            try:
                if name in INPLACE:
                    copy = builder.must("clone", first)
                    before = len(builder.steps)
                    builder.drawn_inplace(copy, (name,))
                    if not any(getattr(step, "op", "") == name for step in builder.steps[before:]):
                        continue
                    roots = (copy,)
                else:
                    others = [builder.leaf(form, dtype=dtype) for form in forms[1:]]
                    made = builder.drawn(TABLE[name], first, *others)
                    if made is None:
                        continue
                    roots = made if isinstance(made, tuple) else (made,)
            except DeadEnd:
                continue
            for root in roots:
                if builder[root].tracked:
                    builder.backward(root, retain_graph=True)
            program = builder.program()
            got = run(program, backend)
            want = believe(program, got, reference=ReferenceBackend(engine=deviant(listed)))
            assert want.derailed is None, f"{program}\n{got.moments[want.derailed or 0].raised}"
            for moment, expected in zip(got, want, strict=True):
                for var, seen in moment.seen.items():
                    wanted = expected.seen[var]
                    if seen.value is not None and wanted.value is not None:
                        assert excess(seen.value, wanted.value, wanted.value_error) <= 1, program
                    assert (seen.grad is None) == (wanted.grad is None), program
                    if seen.grad is not None and wanted.grad is not None:
                        assert excess(seen.grad, wanted.grad, wanted.error) <= 1, program
            ran += 1
    assert ran >= 3, f"only {ran} programs reached {name}"
