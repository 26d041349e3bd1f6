"""Tries each op that an adapter claims, alone: what raises, or gives something else than the reference.

An op that is misspelled, or means something else in the engine, would otherwise show up as a failure of
whatever law draws it first. This is about the forward value, and about whether there is a backward at
all; gradients are the laws' business.

Whether that is the adapter's mistake or the engine's is asked of other operands. A spelling that names something
that is missing, gives another form of result, or is right nowhere, is to be mended. What is right for some operands
and not for others, or has no backward for a right value, is a defect of the engine, and a reason to keep the op.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from gradlaws.conformance.engines.backend import Backend, choice
from gradlaws.conformance.engines.exceptions import described
from gradlaws.conformance.entropy import Array, Entropy, stretched
from gradlaws.conformance.ops import INPLACE, TABLE, Op
from gradlaws.conformance.ops.table import Constant

SHAPES: tuple[tuple[int, ...], ...] = ((3,), (2, 2), (), (1, 2), (2, 3), (4,), (2, 1, 2), (1,), (0,))
#: Error bounds are the laws' business, too; here only what is plainly another number counts.
_NEAR = 1e-4
#: What Python says of arguments that a function does not take.
_NO_SUCH = ("unexpected keyword argument", "positional argument", "invalid keyword argument", "not callable")


@dataclass(frozen=True)
class Trouble:
    """An op that did not do what its row says, on these operands with these parameters."""

    op: str
    what: str
    operands: tuple[tuple[int, ...], ...]
    params: dict[str, Any]
    #: What the operands held.
    arrays: tuple[Array, ...] = ()
    #: Whether it is a defect of the engine, as far as can be told; else the adapter's spelling is in doubt.
    defect: bool = False
    #: Whether the value was right, and only the backward failed.
    forward: bool = False
    #: Whether another spelling would help: something was named that is not there, or a result has another form.
    misspelled: bool = False
    #: Of how many tries this went wrong in how many.
    tries: int = 0
    wrong: int = 0

    def __str__(self) -> str:
        shapes = ", ".join(map(str, self.operands))
        params = "".join(f", {name}={value!r}" for name, value in self.params.items())
        often = f"; {self.wrong} of {self.tries} tries" if self.defect and self.tries else ""
        return f"{self.op}: {self.what} (operands of shape {shapes}{params}{often})"


def troubles(backend: Backend, tracked: bool = True) -> list[Trouble]:
    """One line per claimed op that does not work, in the order of the table; `tracked`: on leaves that require grad.

    Ops of an engine in another process are tried by laws alone.
    """
    claimed = backend.repertoire if "calls" in backend.capabilities else frozenset()
    found = []
    with backend.session():
        for name in [*(row.name for row in TABLE.of(claimed)), *INPLACE]:
            if name in TABLE and "complex" in TABLE[name].tags - backend.capabilities:
                continue
            if name in claimed and (name in TABLE or "inplace" in backend.capabilities):
                trouble = _judged(list(_tries(backend, name, tracked)))
                found += [trouble] if trouble else []
    return found


def _judged(tries: list[Trouble]) -> Trouble | None:
    """The first trouble of an op, and whose it is, told from all tries; None where all went well."""
    wrong = [t for t in tries if t.what]
    if not wrong:
        return None
    worst = next((t for t in wrong if t.misspelled), None) or next(
        (t for t in wrong if not t.forward), wrong[0]
    )
    right = any(t.forward and all(x.size for x in t.arrays) for t in tries)  # nothing is right anyhow
    return replace(worst, defect=right and not worst.misspelled, tries=len(tries), wrong=len(wrong))


def _tries(backend: Backend, name: str, tracked: bool) -> Iterator[Trouble]:
    """For operands of several shapes what went wrong with the op; nothing, where it did what it should."""
    row = TABLE[name] if name in TABLE else INPLACE[name].row
    draw = row.params if name in TABLE else INPLACE[name].params
    for number, shapes in enumerate(_shapes(row)):
        entropy = Entropy(stretched(bytes([number % 256])))
        arrays = [_contents(entropy, shape).astype(backend.usual) for shape in shapes]
        if row.dtypes == "c":
            arrays = [x * (1 + 0.5j) for x in arrays]
        params = draw(entropy, *arrays)
        if params is None or (row.domain is not None and not row.domain(*arrays, **params)):
            continue
        if not choice(backend.accepts)(name, shapes, **params):
            continue
        try:
            want = row(*arrays, **params)
        except (ValueError, IndexError, TypeError):
            continue  # these shapes do not go together
        if name in INPLACE and want.shape != arrays[0].shape:
            continue
        what, forward, misspelled = _what(backend, name, arrays, params, want, tracked)
        found = Trouble(name, what, shapes, params, tuple(arrays), forward=forward, misspelled=misspelled)
        yield found


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
) -> tuple[str, bool, bool]:
    """(What went wrong, whether the value was right, whether another spelling would help)."""
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
        return f"raised {described(error)}", False, _missing(error)
    expected = list(want) if isinstance(want, tuple) else [np.asarray(want)]
    if len(got) != len(expected):
        return f"has {len(got)} results, expected {len(expected)}", False, True
    for mine, theirs in zip(got, expected, strict=True):
        if mine.shape != theirs.shape:
            return f"has shape {mine.shape}, expected {theirs.shape}", False, True
        if mine.dtype != theirs.dtype:
            return f"has dtype {mine.dtype}, expected {theirs.dtype}", False, True
        if not np.allclose(mine, theirs, rtol=_NEAR, atol=_NEAR, equal_nan=True):
            return f"is {mine.tolist()}, expected {theirs.tolist()}", False, False
    if (
        tracked
        and name in TABLE
        and not isinstance(TABLE[name].rule, Constant)
        and expected[0].dtype.kind == "f"
    ):
        try:
            backend.backward(made[0], backend.tensor(np.ones_like(expected[0])))
        except Exception as error:
            return f"backward raised {described(error)}", True, False
    return "", True, False


def _missing(error: Exception) -> bool:
    """Whether an exception says that a name, an attribute or a parameter is not there."""
    unknown = isinstance(error, TypeError) and any(word in str(error) for word in _NO_SUCH)
    return unknown or isinstance(error, NameError | AttributeError | NotImplementedError)
