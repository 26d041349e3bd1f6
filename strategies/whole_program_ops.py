"""Any op of the table as a step of a whole program: each row as often as any other.

What computes from whatever is there hardly ever comes to ops that want operands of certain shapes, of several tensors,
or of a narrow domain. So rows take turns, and what the program has not is made for them.
"""

from __future__ import annotations

import numpy as np

from gradlaws.conformance.language.steps import Var
from gradlaws.conformance.ops import Op
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.every_op_in_turn import operands
from gradlaws.strategies.op_choice import within
from gradlaws.strategies.ops_in_context import operand
from gradlaws.strategies.whole_program_cast import Cast

#: So many calls of a row are tried: of the tensors that there are, then of what is made for it.
TRIES = 4
#: Of a hundred operands, how many are tensors of the program that fit, where there are some.
THERE = 70


def table_op(b: Builder, cast: Cast) -> None:
    """The row whose turn it is, on tensors of the program where they fit, and on others where not; results join it."""
    row = _row_in_turn(b, cast)
    if row is None:
        return
    for k in range(TRIES):
        mark = b.mark()
        inputs = _there(b, cast, row) if k < 2 and row.shapes is None else _made(b, cast, row)
        made = None if inputs is None else b.drawn(row, *inputs)
        if inputs is not None and made is not None:
            cast.extend([v for v in inputs if v >= mark[1] and b.entropy.chance(40)])
            cast.extend(made if isinstance(made, tuple) else (made,))
            return
        b.undo(mark)


def _row_in_turn(b: Builder, cast: Cast) -> Op | None:
    """The program's number says which row is its first; a program that keeps to few ops keeps to it."""
    rows = b.vocabulary.differentiable
    turn = 0 if b.few else cast.turns
    cast.turns += 1
    return rows[(b.number + turn * (len(rows) // 3 + 1)) % len(rows)] if rows else None


def _there(b: Builder, cast: Cast, row: Op) -> tuple[Var, ...] | None:
    """Operands of whatever shapes broadcast, the first of them a tensor of the program."""
    fitting = [v for v in cast if b.dtype(v) == b.usual]
    if not fitting or row.passive:
        return None
    first = cast.among(fitting).someone(b)
    shapes = [b.partner(b.shape(first)) for _ in range(row.arity - 1)]
    others = [_fitting(b, fitting, shape) for shape in shapes]
    return (
        first,
        *(
            b.leaf(shape, b.entropy.chance(75), table=within(row)) if v is None else v
            for v, shape in zip(others, shapes, strict=True)
        ),
    )


def _made(b: Builder, cast: Cast, row: Op) -> tuple[Var, ...] | None:
    """Operands of shapes that go together in this row, and of contents in its domain unless they were there."""
    xs = operands(row, b.entropy)
    if xs is None:
        return None
    fitting = [v for v in cast if b.dtype(v) == b.usual]
    found = []
    for k, x in enumerate(xs):
        there = None if k in row.passive else _fitting(b, fitting, np.shape(x))
        if there is None:
            there = b.data(x.shape, values=x) if k in row.passive else operand(b, x)[0]
        found.append(there)
    return tuple(found)


def _fitting(b: Builder, among: list[Var], shape: tuple[int, ...]) -> Var | None:
    alike = [v for v in among if b.shape(v) == shape]
    return b.entropy.pick(alike[::-1]) if alike and b.entropy.chance(THERE) else None
