"""Drafts of programs that choose ops: of one operand, of two, or one with operands made for it."""

from __future__ import annotations

from functools import cache
from itertools import zip_longest
from typing import Any

import numpy as np

from gradlaws.conformance.drawn_values import VALUES
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.language.steps import Var
from gradlaws.conformance.ops import TABLE, Op
from gradlaws.conformance.ops.table import no_params
from gradlaws.strategies.draft import DeadEnd, Draft


class OpDraft(Draft):
    """A forward program under construction, whose ops are drawn."""

    def drawn(self, row: Op, *inputs: Var) -> Any:
        """Append `row` with parameters drawn for these operands, or None."""
        params = row.params(self.entropy, *[self.info[v].value for v in inputs])
        return None if params is None else self.apply(row.name, *inputs, **params)

    def kernel(self) -> Var:
        """Some op of several operands, or of operands with shapes of their own, on leaves made for it."""
        rows = self.some(self.vocabulary.kernels)
        mark = self.mark()
        for _ in range(4 if rows else 0):
            row = self.entropy.pick(rows)
            made = self.drawn(row, *self.operands(row))
            if made is not None:
                return int(self.entropy.pick(made) if isinstance(made, tuple) else made)
            self.undo(mark)
        return self._plain(self.leaf())

    def operands(self, row: Op) -> tuple[Var, ...]:
        """Leaves that may go together as operands of `row`, some of them with an op in between."""
        if row.shapes is not None:
            shapes = row.shapes(self.entropy)
        else:
            first = self.draw_shape()
            shapes = (first, *(self.partner(first) for _ in range(row.arity - 1)))
        found = []
        dtype = "float32" if self.has("float32") and self.entropy.chance(15) else self.usual
        for k, shape in enumerate(shapes):
            tracked = k == 0 or self.entropy.chance(75)
            x = self.leaf(shape, tracked, dtype, table=within(row))
            found.append(self._plain(x) if self.entropy.chance(25) else x)
        return tuple(found)

    def unary(
        self, x: Var, kinds: tuple[str, ...] = ("move", "exact", "smooth", "view", "exact", "move")
    ) -> Var:
        """Some op of one operand on x."""
        rows = self.vocabulary.unary
        for _ in range(3):
            choices = self.some(rows[self.entropy.pick(kinds)])
            if choices:
                made = self.drawn(self.entropy.pick(choices), x)
                if made is not None:
                    return int(self.entropy.pick(made) if isinstance(made, tuple) else made)
        return self._plain(x)

    def _plain(self, x: Var) -> Var:
        for op, params in (("neg", {}), ("clone", {}), ("mul_scalar", {"value": -1.0}), ("add", None)):
            if op in self.vocabulary.ops:
                made = self.apply(op, x, x) if params is None else self.apply(op, x, **params)
                if made is not None:
                    return int(made)
        raise DeadEnd("no op of one operand fits")

    def binary(self, a: Var, b: Var) -> Var:
        """Some op of two operands on a and b, which are summed to scalars first if they do not broadcast."""
        rows = self.vocabulary.binary
        if self.entropy.chance(25) and rows["other"]:
            made = self.drawn(self.entropy.pick(self.some(rows["other"])), a, b)
            if made is not None and not isinstance(made, tuple):
                return int(made)
        if not _broadcast(self.shape(a), self.shape(b), self.most):
            a, b = self.total(a), self.total(b)
        unlike = self.info[a].value.dtype != self.info[b].value.dtype
        if unlike and not (self.mixes and self.shape(a) and self.shape(b)):
            dtype = self.dtype(a)
            b = (
                self.must("cast", b, dtype=dtype)
                if self.has("cast")
                else self.leaf(self.shape(b), dtype=dtype)
            )
        # Where a law is tried again without the ops that fail, there may be none left.
        exact = (self.entropy.pick(rows["exact"]),) if rows["exact"] else ()
        for row in (*exact, *([TABLE["add"]] if self.has("add") else [])):
            made = self.apply(row.name, a, b)
            if made is not None:
                return int(made)
        raise DeadEnd("no op of two operands fits")

    def total(self, x: Var) -> Var:
        """The sum of x, a scalar."""
        return x if self.shape(x) == () else int(self.must("sum", x, dim=None, keepdim=False))

    def view(self, x: Var) -> Var:
        """Some view of x."""
        return self.unary(x, ("view",))


@cache
def within(row: Op) -> Array:
    """The usual numbers; of those only the ones in its domain, for an op of one operand without parameters."""
    if row.arity > 1 or row.domain is None or row.params is not no_params or row.shapes is not None:
        return VALUES
    fitting = [value for value in VALUES if row.domain(np.full(1, value))]
    return np.resize(fitting, len(VALUES)) if fitting else VALUES


def _broadcast(a: tuple[int, ...], b: tuple[int, ...], most: int) -> bool:
    size = 1
    for m, n in zip_longest(reversed(a), reversed(b), fillvalue=1):
        if m != n and m != 1 and n != 1:
            return False
        size *= n if m == 1 else m
    return size <= most
