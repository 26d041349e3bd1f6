"""Tries each op that an adapter claims, alone: what raises, or gives something else than the reference.

An op that is misspelled, or means something else in the engine, would otherwise show up as a failure of
whatever law draws it first. This is about the forward value, and about whether there is a backward at
all; gradients are the laws' business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exceptions import described
from gradlaws.conformance.entropy import Array, Entropy, stretched
from gradlaws.conformance.ops import INPLACE, TABLE, Op
from gradlaws.conformance.ops.table import Constant

SHAPES: tuple[tuple[int, ...], ...] = ((3,), (2, 2), (), (1, 2), (2, 3), (4,), (2, 1, 2), (1,), (0,))
#: Error bounds are the laws' business, too; here only what is plainly another number counts.
_NEAR = 1e-4


@dataclass(frozen=True)
class Trouble:
    """An op that did not do what its row says, on these operands with these parameters."""

    op: str
    what: str
    operands: tuple[tuple[int, ...], ...]
    params: dict[str, Any]

    def __str__(self) -> str:
        shapes = ", ".join(map(str, self.operands))
        params = "".join(f", {name}={value!r}" for name, value in self.params.items())
        return f"{self.op}: {self.what} (operands of shape {shapes}{params})"


def troubles(backend: Backend, tracked: bool = True) -> list[Trouble]:
    """One line per claimed op that does not work, in the order of the table; `tracked`: on leaves that require grad.

    Ops of an engine in another process are tried by laws alone.
    """
    claimed = set(backend.ops()) if "calls" in backend.capabilities else set()
    found = []
    with backend.session():
        for name in [*(row.name for row in TABLE), *INPLACE]:
            if name in TABLE and "complex" in TABLE[name].tags - backend.capabilities:
                continue
            if name in claimed and (name in TABLE or "inplace" in backend.capabilities):
                trouble = next(_trouble(backend, name, tracked), None)
                found += [trouble] if trouble else []
    return found


def _trouble(backend: Backend, name: str, tracked: bool) -> Iterator[Trouble]:
    row = TABLE[name] if name in TABLE else INPLACE[name].row
    draw = row.params if name in TABLE else INPLACE[name].params
    for number, shapes in enumerate(_shapes(row)):
        entropy = Entropy(stretched(bytes([number % 256])))
        arrays = [_contents(entropy, shape) for shape in shapes]
        if row.dtypes == "c":
            arrays = [x * (1 + 0.5j) for x in arrays]
        params = draw(entropy, *arrays)
        if params is None or (row.domain is not None and not row.domain(*arrays, **params)):
            continue
        if not backend.accepts(name, **params):
            continue
        try:
            want = row(*arrays, **params)
        except (ValueError, IndexError, TypeError):
            continue  # these shapes do not go together
        if name in INPLACE and want.shape != arrays[0].shape:
            continue
        what = _what(backend, name, arrays, params, want, tracked)
        if what:
            yield Trouble(name, what, shapes, params)


def _shapes(row: Op) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Shapes of operands to try."""
    if row.shapes is None:
        return product(SHAPES, repeat=row.arity)
    return (row.shapes(Entropy(stretched(bytes([number])))) for number in range(12))


def _contents(entropy: Entropy, shape: tuple[int, ...]) -> Array:
    size = int(np.prod(shape))
    return (1 + entropy.values(size)[:size] * 0.25 + np.arange(size) / 16).reshape(shape)


def _what(
    backend: Backend, name: str, arrays: list[Array], params: dict[str, Any], want: Any, tracked: bool
) -> str:
    try:
        if name in TABLE:
            made = backend.apply(name, *(backend.tensor(a, tracked) for a in arrays), **params)
            made = list(made) if TABLE[name].many else [made]
            got = [backend.numpy(x) for x in made]
        else:
            target, *others = (backend.tensor(a) for a in arrays)
            backend.inplace(name, target, *others, **params)
            got = [backend.numpy(target)]
    except Exception as error:
        return f"raised {described(error)}"
    expected = list(want) if isinstance(want, tuple) else [np.asarray(want)]
    if len(got) != len(expected):
        return f"has {len(got)} results, expected {len(expected)}"
    for mine, theirs in zip(got, expected, strict=True):
        if mine.shape != theirs.shape:
            return f"has shape {mine.shape}, expected {theirs.shape}"
        if mine.dtype != theirs.dtype:
            return f"has dtype {mine.dtype}, expected {theirs.dtype}"
        if not np.allclose(mine, theirs, rtol=_NEAR, atol=_NEAR, equal_nan=True):
            return f"is {mine.tolist()}, expected {theirs.tolist()}"
    if (
        tracked
        and name in TABLE
        and not isinstance(TABLE[name].rule, Constant)
        and expected[0].dtype.kind == "f"
    ):
        try:
            backend.backward(made[0], backend.tensor(np.ones_like(expected[0])))
        except Exception as error:
            return f"backward raised {described(error)}"
    return ""
