"""Drafts of programs: tensors and ops, with what the variables hold at each step.

A draft carries along the NumPy value of every variable, its memory (views are NumPy views), whether it is
tracked and whether it may be written to. So steps fit shapes, dtypes, domains and magnitudes as they are
drawn, nearly nothing is discarded, and non-finite values do not arise unless wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np

from gradlaws.conformance.drawn_values import VALUES
from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Leaf, Literal, Step, Var
from gradlaws.conformance.ops import TABLE, Op
from gradlaws.conformance.ops.kinks import KINKS, kinked
from gradlaws.conformance.ops.table import Constant, Elementwise, Params
from gradlaws.conformance.reach.op_cells import special
from gradlaws.conformance.reach.reached import Call
from gradlaws.strategies.shapes import SIZES, drawn_shape, partner_shape
from gradlaws.strategies.vocabulary import Vocabulary

#: Results larger than this are not used: they would soon overflow the range where arithmetic is exact.
LARGEST = 1e4
#: View ops that keep the order of dimensions. A permuted tensor can be contiguous only by dimensions of size 1,
#: and how an engine lays out what is computed from it is its own affair.
IN_ORDER = frozenset({"view", "reshape", "squeeze", "unsqueeze", "narrow", "select"})
ROWS = TABLE.rows
#: Tensors have at most this many elements, where a program does not keep to larger ones.
MOST = 24
#: Of a hundred choices of an op, how many fall on what the adapter has added, if it fits there.
OWN = 25
#: So many elements are drawn one by one; more are these again and again.
DRAWN = 97


@dataclass(slots=True)
class Info:
    """What the builder knows of a variable.

    base:   the variable whose memory it lives in: itself, unless it is a view (-1 until it is bound).
    kin:    the variable whose history it shares: its base, unless it was detached or viewed under no_grad.
    leaf:   made by the user, not by a recorded op.
    sealed: not to be written to: memory shared with who knows whom, or overlapping.
    contiguous: surely laid out row by row, so that `view` is defined.
    known:  the value is what it will be; gradients, and what is made of them, are not known while drawing.
    """

    value: Array
    tracked: bool
    leaf: bool
    base: Var = -1
    sealed: bool = False
    contiguous: bool = True
    kin: Var = -1
    known: bool = True


class DeadEnd(Exception):
    """The drawn bytes do not lead to a program of the wanted kind."""


class Draft:
    """A forward program under construction.

    entropy:    where decisions come from.
    vocabulary: what the engine has.
    number:     which of its batch the program is, for leanings that take things in turn.
    """

    def __init__(self, entropy: Entropy, vocabulary: Vocabulary | None = None, number: int = 0) -> None:
        self.entropy = entropy
        self.number = number
        self.vocabulary = vocabulary or Vocabulary()
        self.steps: list[Step] = []
        self.info: dict[Var, Info] = {}
        self.recording = [True]
        #: Whether ops may leave their domain and the range of modest numbers, so that infinities and NaN arise.
        self.wild = False
        #: Whether ops may be where they have no derivative but a choice of subgradients, which is a convention.
        self.kinks = False
        #: What the program keeps to: sizes of its own, a dtype where none is asked for, few ops of each kind (0: all).
        self.sizes, self.usual, self.few, self._first = "", self.vocabulary.usual, 0, 0
        self.most = MOST
        #: The ops so far, as they were drawn; those of steps that were taken back included.
        self.calls: list[Call] = []
        #: Whether operands of an op may have two dtypes; where that is refused, the law about it says so.
        self.mixes = self.vocabulary.dialect.mixed_dtypes == "promoted"
        self._turn = 0

    def program(self) -> Program:
        """The program so far."""
        return Program(tuple(self.steps))

    def has(self, *names: str) -> bool:
        """Whether the engine has these capabilities or ops."""
        return all(n in self.vocabulary.capabilities or n in self.vocabulary.ops for n in names)

    def dtypes(self, kinds: str = "fcib") -> tuple[str, ...]:
        """The dtypes of these kinds that the engine has, the simplest first."""
        known = (
            (self.vocabulary.usual, ()),
            ("float32", ("float32", "float64")),
            ("complex128", ("complex",)),
            ("int64", ("integer",)),
            ("bool", ("integer",)),
        )
        return tuple(dtype for dtype, needs in known if dtype[0] in kinds and self.has(*needs))

    def turn(self) -> None:
        """Read the next decisions from a chunk of their own, so that shrinking one step leaves the others."""
        self._turn += 1
        self.entropy.turn(self._turn)

    def bind(self, info: Info) -> Var:
        """A new variable, of which this is known."""
        var = len(self.info)
        self.info[var] = info
        if info.base < 0:
            info.base = var
        if info.kin < 0:
            info.kin = var
        return var

    def step(self, step: Step) -> None:
        """Append a step."""
        self.steps.append(step)

    def mark(self) -> tuple[int, int]:
        """How far the program has come, for `undo`."""
        return len(self.steps), len(self.info)

    def undo(self, mark: tuple[int, int]) -> None:
        """Take back what was done since a mark: leaves and ops only, of which nobody knows yet."""
        del self.steps[mark[0] :]
        for var in range(mark[1], len(self.info)):
            del self.info[var]

    def __getitem__(self, var: Var) -> Info:
        return self.info[var]

    def shape(self, var: Var) -> tuple[int, ...]:
        """The shape of a variable."""
        return self.info[var].value.shape

    def dtype(self, var: Var) -> str:
        """The name of the dtype of a variable."""
        return _named(self.info[var].value.dtype)

    # -- tensors ----------------------------------------------------------------------------------------------

    def leaf(
        self,
        shape: tuple[int, ...] | None = None,
        tracked: bool = True,
        dtype: str | None = None,
        values: Any = None,
        table: Array = VALUES,
    ) -> Var:
        """A new leaf; shape and contents are drawn unless given, its dtype is the program's usual one unless given."""
        dtype = dtype or self.usual
        if values is None:
            shape = self.draw_shape() if shape is None else shape
            size = prod(shape)
            values = self.entropy.values(min(size, DRAWN), table)
            values = (values if size <= DRAWN else np.resize(values, size)).reshape(shape)
            array = values if dtype == "float64" else values.astype(dtype)
        else:
            array = np.array(values, dtype=dtype)
        tracked = tracked or (not self.vocabulary.constants and array.dtype.kind in "fc")
        var = self.bind(Info(array.copy(), tracked, leaf=True))
        self.steps.append(Leaf(Literal(array), tracked, outs=(var,)))
        return var

    def data(self, shape: tuple[int, ...] | None = None, **more: Any) -> Var:
        """A leaf whose gradient nobody asks for; it requires grad only where the engine has no constants."""
        return self.leaf(shape, tracked=False, **more)

    def draw_shape(self, most: int = 6) -> tuple[int, ...]:
        """A shape of a program's own; of the sizes that it keeps to, where up to six elements are as good as any."""
        if self.sizes and most >= 6 and self.entropy.chance(60):
            return self.entropy.pick(SIZES[self.sizes].shapes)
        return drawn_shape(self.entropy, most)

    def keep_to(self, sizes: str = "", usual: str = "", few: int = 0, first: int = 0) -> None:
        """Have this program keep to some of what there is: a name of `SIZES`, a dtype, so many ops of each kind."""
        self.sizes, self.usual = sizes, usual or self.vocabulary.usual
        self.few, self._first = few, first
        self.most = SIZES[sizes].most if sizes else MOST

    def some(self, rows: tuple[Op, ...]) -> tuple[Op, ...]:
        """Those of some rows that the program keeps to."""
        if self.vocabulary.own and self.entropy.chance(OWN):
            rows = tuple(row for row in rows if "own" in row.tags) or rows
        if not self.few or len(rows) <= self.few:
            return rows
        start = self._first % len(rows)
        return (rows + rows)[start : start + self.few]

    def partner(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A shape that broadcasts with `shape`."""
        return partner_shape(self.entropy, shape)

    # -- ops --------------------------------------------------------------------------------------------------

    def apply(self, op: str, *inputs: Var, **params: Any) -> Any:
        """Append an op; its result (a tuple where it has several), or None where it does not fit, or is not there."""
        row = ROWS[op]
        infos = [self.info[v] for v in inputs]
        values = [info.value for info in infos]
        if (
            op not in self.vocabulary.ops
            or not self._fits(row, values, params)
            or (len(values) > 1 and _mixed(row, values, self.mixes))
            or not self.vocabulary.accepts(op, tuple([v.shape for v in values]), **params)
        ):
            return None
        known = even = True
        for info in infos:
            known, even = known and info.known, even and info.contiguous
        if (self.particular(row) and not known) or (not even and "contiguous" in row.tags):
            return None
        if "own memory" in row.tags and any(info.base != v for info, v in zip(infos, inputs, strict=True)):
            return None
        try:
            made = row(*values, **params)
        except (ValueError, IndexError, TypeError):
            return None
        results = [np.asarray(result) for result in made] if row.many else [np.asarray(made)]
        most = max([self.most, *(2 * value.size for value in values)])
        for value in results:
            if value.size > most or not (self.wild or modest(value)):
                return None
        recording = self.recording[-1]
        tracked = (
            recording
            and not isinstance(row.rule, Constant)
            and any([info.tracked and k not in row.passive for k, info in enumerate(infos)])
        )
        outs = tuple(
            [self.bind(self._result(row, infos[0], value, tracked, even, known)) for value in results]
        )
        if row.alias and (row.alias == "maybe" or row.many):
            self.info[infos[0].base].sealed = infos[0].sealed = True
        step = Apply(op, inputs, tuple(params.items()), outs=outs)
        homes = [info.base for info in infos]
        self.calls.append(Call(len(self.steps), step, values, homes, special(values) if self.wild else 0))
        self.steps.append(step)
        return outs if row.many else outs[0]

    def _result(self, row: Op, source: Info, value: Array, tracked: bool, even: bool, known: bool) -> Info:
        """What is known of a result of `row`, whose first operand is `source`."""
        if not row.alias:
            differentiable = tracked and value.dtype.kind in "fc"
            own = np.array(value, order="C")
            sealed, even = "view inside" in row.tags, even and "strided" not in row.tags
            return Info(own, differentiable, leaf=not tracked, sealed=sealed, contiguous=even, known=known)
        return Info(
            value,
            tracked,
            leaf=not tracked,
            base=source.base,
            sealed=source.sealed or row.many or row.alias == "maybe" or not value.flags.writeable,
            contiguous=even and value.flags.c_contiguous and row.name in IN_ORDER,
            kin=source.kin if self.recording[-1] else -1,
            known=known,
        )

    def particular(self, row: Op) -> bool:
        """Whether it depends on the values of the operands whether an op may be used."""
        return row.domain is not None or (row.name in KINKS and not self.kinks)

    def _fits(self, row: Op, values: list[Array], params: Params) -> bool:
        dtype = values[0].dtype
        if len(values) == 1 or all([v.dtype == dtype for v in values]):
            if dtype.kind not in row.dtypes:
                return False
        else:
            kinds = {v.dtype.kind for v in values}
            if isinstance(row.rule, Elementwise) and not kinds <= {"i", "b"}:
                kinds -= {"i", "b"}  # integers are promoted to the dtype of the other operand
            if not kinds <= set(row.dtypes):
                return False
            if not all([v.ndim for v in values]):
                return False  # whether a 0-d operand takes part in promotion is each engine's own convention
        if not self.wild and row.domain is not None and not row.domain(*values, **params):
            return False
        try:
            return self.kinks or not kinked(row, *values, **params)
        except ValueError:
            return False  # they do not broadcast

    def converted(self, x: Var, dtype: str) -> Var:
        """`x.to(dtype)`, which is x itself where x has that dtype already."""
        if self.dtype(x) != dtype:
            return int(self.must("cast", x, dtype=dtype))
        var = len(self.info)
        self.info[var] = self.info[x]
        self.step(Apply("cast", (x,), (("dtype", dtype),), outs=(var,)))
        return var

    def must(self, op: str, *inputs: Var, **params: Any) -> Any:
        """Like `apply`, where not fitting is a dead end."""
        made = self.apply(op, *inputs, **params)
        if made is None:
            raise DeadEnd(f"{op} does not fit")
        return made


@cache
def _named(dtype: np.dtype[Any]) -> str:
    return str(dtype)  # which takes as long as a small op


def _mixed(row: Op, values: list[Array], mixes: bool) -> bool:
    """Whether operand dtypes are mixed in an op that need not promote them."""
    mixed = any(v.dtype != values[0].dtype for v in values[1:])
    return mixed and (not mixes or not isinstance(row.rule, Elementwise) or bool(row.passive))


def modest(value: Any) -> bool:
    """Whether all elements are of modest size (integers always are)."""
    array = np.asarray(value)
    if not array.size or array.dtype.kind not in "fc":
        return True
    # Most arrays have few elements, all of them so small that even their sum is modest: no NumPy is cheaper.
    return sum(map(abs, array.ravel().tolist())) <= LARGEST or bool(np.abs(array).max() <= LARGEST)
