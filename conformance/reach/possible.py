"""What there is to reach: the cells of each row in which its forward is defined, and the conjunctions of steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from math import prod

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy, stretched
from gradlaws.conformance.ops import TABLE, Op
from gradlaws.conformance.ops.table import Constant
from gradlaws.conformance.reach.op_cells import CELLS, GROUPS, bit, called
from gradlaws.conformance.reach.step_cells import KINDS

Shape = tuple[int, ...]
#: Shapes at which rows are tried: of all ranks, empty, with sides of 1, and of all sizes.
TRIED: tuple[Shape, ...] = (
    (), (1,), (3,), (2, 3), (3, 3), (2, 2, 3), (1, 2, 1, 3), (2, 1, 2, 1, 2), (1, 2, 1, 2, 1, 2), (0,),
    (0, 2), (2, 0, 3), (1, 1), (33,), (6, 6), (9, 64), (18, 64),
)  # fmt: skip
#: Pairs of shapes at which rows of two operands are tried besides.
BROADCAST: tuple[tuple[Shape, Shape], ...] = (
    ((2, 3), (3,)),
    ((2, 3), ()),
    ((2, 3), (1, 3)),
    ((2, 1), (1, 3)),
)
#: Parameters are drawn so often for each.
TIMES = 6
#: Contents: what most domains include.
_CONTENTS = (0.5, 0.25, 0.75)


def differentiable(row: Op) -> bool:
    """Whether a row has a derivative, and programs use it."""
    return not isinstance(row.rule, Constant) and not {"internal", "integer result"} & row.tags


@cache
def cells(name: str) -> int:
    """The cells of a row in which it can be, as bits; those of dtypes and of special contents for all there are."""
    row = TABLE[name]
    entropy = Entropy(stretched(name.encode(), 1 << 14), 1 << 14)
    found = 0
    with np.errstate(all="ignore"):
        for shapes in _forms(row, entropy):
            found |= _tried(row, shapes, entropy)
    if found and differentiable(row):
        found |= bit("order", "1") | bit("order", "2")
    if found & (bit("rank", "1") | bit("rank", "2") | bit("rank", "3")):
        found |= bit("operand", "view") | bit("operand", "expanded")
    if found & (bit("rank", "2") | bit("rank", "3")):
        found |= bit("operand", "strided")
    if row.arity > 1:
        found |= bit("operand", "alias of another")
    if found & bit("broadcast", "same"):
        found |= bit("operand", "given twice")
    kinds = {"f": ("float64", "float32", "float16", "bfloat16"), "c": ("complex128",), "b": ("bool",)}
    kinds["i"] = ("int64", "int32", "uint8")
    found &= ~sum(bit("dtype", dtype) for dtype in GROUPS["dtype"])
    if row.shapes is not None:  # operands that need not have one shape do not broadcast for that
        found &= ~sum(bit("broadcast", value) for value in GROUPS["broadcast"])
    for kind in row.dtypes:
        for dtype in kinds[kind]:
            found |= bit("dtype", dtype)
    if row.domain is None and "f" in row.dtypes:
        for value in GROUPS["special"]:
            found |= bit("special", value)
    return found


def _forms(row: Op, entropy: Entropy) -> Iterator[tuple[Shape, ...]]:
    if row.shapes is not None:
        for _ in range(30):
            yield row.shapes(entropy)
        return
    for shape in TRIED:
        yield (shape,) * row.arity
    for pair in BROADCAST if row.arity > 1 else ():
        yield pair + (pair[0],) * (row.arity - 2)


def _tried(row: Op, shapes: tuple[Shape, ...], entropy: Entropy) -> int:
    found = 0
    kind = "float64" if "f" in row.dtypes else "complex128"
    xs: list[Array] = [np.resize(_CONTENTS, prod(s)).reshape(s).astype(kind) for s in shapes]
    for _ in range(TIMES if prod(shapes[0]) < 30 else 1):
        try:
            params = row.params(entropy, *xs)
            if params is None:
                continue
            row(*xs, **params)
        except (ValueError, IndexError, TypeError, ZeroDivisionError):
            continue
        found |= called(row.name, xs, range(len(xs)), range(len(xs)), params)
    return found


def rows(ops: Iterable[str]) -> list[str]:
    """Those of an engine's ops that are rows of the table which programs use."""
    return sorted(set(ops) & TABLE.names())


def own(ops: Iterable[str], capabilities: Iterable[str]) -> dict[str, int]:
    """The cells in which rows of an adapter's own can be: only where the adapter is are these known."""
    return {op: of_engine(op, dtypes(capabilities)) for op in ops}


def dtypes(capabilities: Iterable[str]) -> frozenset[str]:
    """The dtypes that an engine claims."""
    has = set(capabilities)
    wanted = {
        "float64": "float64" in has, "float32": "float32" in has,
        "float16": "float16" in has, "bfloat16": "bfloat16" in has,
        "complex128": "complex" in has, "int64": "integer" in has, "bool": "integer" in has,
        "int32": "small_integers" in has, "uint8": "small_integers" in has,
    }  # fmt: skip
    return frozenset(name for name, claimed in wanted.items() if claimed)


def of_engine(name: str, claimed: frozenset[str]) -> int:
    """The cells of a row that an engine with these dtypes can be in."""
    lacking = sum(bit("dtype", dtype) for dtype in GROUPS["dtype"] if dtype not in claimed)
    return cells(name) & ~lacking


#: What each kind of step needs of an engine.
NEEDS: dict[str, tuple[str, ...]] = {
    "view": ("views",), "write": ("inplace",), "write unrecorded": ("inplace", "no_grad"), "detach": ("detach",),
    "detach_": ("detach_inplace",), "requires_grad_": ("set_requires_grad",), "retain_grad": ("retain_grad",),
    "hook": ("register_hook",), "post hook": ("register_post_accumulate_hook",), "remove hook": ("register_hook",),
    "read grad": (), "clear grad": ("set_grad",), "zero grad": ("zero_grad",), "assign grad": ("set_grad",),
    "backward inputs": ("inputs",), "grad": ("autograd_grad",), "user function": ("user_function",),
    "checkpoint": ("checkpoint",), "optimizer": ("optimizer",), "optimizer step": ("optimizer",),
    "optimizer zero": ("optimizer",), "clip": ("clip_grad_norm",),
}  # fmt: skip


def kinds(capabilities: Iterable[str]) -> tuple[str, ...]:
    """The kinds of steps that an engine can take, in their order; a refusal is one that any can."""
    return _kinds(frozenset(capabilities))


@cache
def _kinds(has: frozenset[str]) -> tuple[str, ...]:
    return tuple(kind for kind in KINDS if has.issuperset(NEEDS.get(kind, ())))


def names(group: str, bits: int) -> list[str]:
    """The cells of a group that are set."""
    return [value for at, value in CELLS if at == group and bits & bit(at, value)]
