"""Programs in which one op is replaced by another of its kind: how a fault of one op is told from one of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gradlaws.conformance.entropy import Array, Entropy, stretched
from gradlaws.conformance.judgement.definedness import Contents
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Backward, Grad, InPlace, Leaf, Step, Var
from gradlaws.conformance.laws.invariants import explicit
from gradlaws.conformance.ops import INPLACE, TABLE, Op
from gradlaws.conformance.ops.table import Constant

#: Fewer ops of a kind say nothing of it: then all of the same number of operands are asked.
FEW = 3
#: So many others are enough to tell.
MOST = 24
#: What parameters are drawn from: any bytes.
_BYTES = stretched(b"another op of its kind")


def row_of(step: Apply | InPlace) -> Op:
    """The row of the op of a step."""
    return TABLE[step.op] if isinstance(step, Apply) else INPLACE[step.op].row


def replacements(program: Program, index: int, held: Contents, ops: frozenset[str]) -> Iterator[Program]:
    """The program with another op at step `index`, for each that the engine has and that fits there.

    held: what the tensors of the program hold.

    Ops of the same kind (rule, views or not) come alone, where there are some; a root whose shape has become another
    gets a gradient argument.
    """
    step = program.steps[index]
    assert isinstance(step, Apply | InPlace)
    names = INPLACE if isinstance(step, InPlace) else TABLE.rows
    mine = row_of(step)
    kin, others = list[Program](), list[Program]()
    for name in names:
        row = INPLACE[name].row if isinstance(step, InPlace) else TABLE[name]
        if name == step.op or name not in ops or not _alike(mine, row):
            continue
        near = (type(row.rule), row.alias) == (type(mine.rule), mine.alias)
        if len(kin if near else others) < MOST:
            made = _with(program, index, name, row, held)
            if made is not None:
                (kin if near else others).append(made)
    yield from kin if len(kin) >= FEW else [*kin, *others]


def _alike(mine: Op, row: Op) -> bool:
    """Whether one op can stand for the other at all."""
    odd = isinstance(row.rule, Constant) or "internal" in row.tags
    return row.arity == mine.arity and row.many == mine.many and not odd


def _with(program: Program, index: int, name: str, row: Op, held: Contents) -> Program | None:
    """The program with this op at that step; None where it does not fit its operands."""
    step = program.steps[index]
    values = [held[v][0] for v in step.uses() if v in held]
    if len(values) < row.arity or any(v.dtype.kind not in row.dtypes for v in values):
        return None
    try:
        params = row.params(Entropy(_BYTES), *values)
        if params is None or (row.domain is not None and not row.domain(*values, **params)):
            return None
        made = row(*values, **params)
    except Exception:
        return None
    assert isinstance(step, Apply | InPlace)
    other = replace(step, op=name, params=tuple(params.items()))
    steps = Program((*program.steps[:index], other, *program.steps[index + 1 :]))
    if isinstance(step, InPlace) or row.many:
        return steps
    out = step.outs[0]
    if out in held and np.shape(made) == held[out][0].shape:
        return steps
    like: dict[Var, Array] = {v: array for v, (array, _) in held.items()} | {out: np.asarray(made)}
    bare = [_bare(other, out) for other in steps]
    used = {v for other in bare for v in other.uses()}
    kept = Program(tuple(s for s in bare if not isinstance(s, Leaf) or not used.isdisjoint(s.outs)))
    try:
        return explicit(kept, like)
    except KeyError:
        return None


def _bare(step: Step, root: Var) -> Step:
    """A backward from this root without gradient argument, whose shape would be that of another op's result."""
    return (
        replace(step, gradients=None) if isinstance(step, Backward | Grad) and step.roots == (root,) else step
    )
