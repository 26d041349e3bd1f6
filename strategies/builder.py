"""Builds programs step by step, knowing at each step what the variables hold.

The builder carries along the NumPy value of every variable, its memory (views are NumPy views), whether it
is tracked and whether it may be written to. So steps fit shapes, dtypes, domains and magnitudes as they are
drawn, nearly nothing is discarded, and non-finite values do not arise unless wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import VALUES, Array, Entropy
from gradlaws.conformance.ops import INPLACE, TABLE, Op
from gradlaws.conformance.ops.table import Cast, Constant, Elementwise, Movement, Params, Pick
from gradlaws.conformance.program import Program
from gradlaws.conformance.steps import (
    Apply,
    Backward,
    ClearGrad,
    Detach,
    DetachInPlace,
    Forget,
    Grad,
    Hook,
    InPlace,
    Leaf,
    Literal,
    Mode,
    ReadGrad,
    RemoveHook,
    RequireGrad,
    RetainGrad,
    SetGrad,
    Step,
    Var,
    ZeroGrad,
)

#: Results larger than this are not used: they would soon overflow the range where arithmetic is exact.
LARGEST = 1e4
#: View ops that keep the order of dimensions. A permuted tensor can be contiguous only by dimensions of size 1,
#: and how an engine lays out what is computed from it is its own affair.
IN_ORDER = frozenset({"view", "reshape", "squeeze", "unsqueeze", "narrow", "select"})
#: Tensors have at most this many elements.
MOST = 24


@dataclass(frozen=True)
class Vocabulary:
    """What an engine has: the ops, in-place ops and capabilities that programs may use.

    accepts: whether an op is there with certain parameters: `accepts(op, **params)`.
    """

    ops: frozenset[str] = field(default_factory=lambda: TABLE.names() | frozenset(INPLACE))
    capabilities: frozenset[str] = frozenset()
    accepts: Callable[..., bool] = lambda op, **params: True

    @cached_property
    def unary(self) -> dict[str, tuple[Op, ...]]:
        """Differentiable ops of one operand by kind: `move`, `view`, `exact`, `smooth`."""
        rows = [r for r in TABLE if r.name in self.ops and r.arity == 1 and not isinstance(r.rule, Constant)
                and not {"integer result", "internal"} & r.tags and not (isinstance(r.rule, Cast) and not self._float32)]
        return {
            "view": tuple(r for r in rows if r.alias == "view" and not r.many),
            "move": tuple(r for r in rows if isinstance(r.rule, Movement | Pick)),
            "exact": tuple(r for r in rows if r.exact and not isinstance(r.rule, Movement | Pick)),
            "smooth": tuple(r for r in rows if not r.exact),
        }

    @cached_property
    def binary(self) -> dict[str, tuple[Op, ...]]:
        """Differentiable ops of two operands by kind: `exact` elementwise, `other`."""
        rows = [r for r in TABLE if r.name in self.ops and r.arity == 2 and not isinstance(r.rule, Constant)
                and "internal" not in r.tags]
        plain = tuple(r for r in rows if r.name in ("add", "sub", "mul"))
        return {"exact": plain, "other": tuple(r for r in rows if r not in plain)}

    @property
    def _float32(self) -> bool:
        return "float32" in self.capabilities or not self.capabilities


@dataclass(slots=True)
class Info:
    """What the builder knows of a variable.

    base:   the variable whose memory it lives in (itself, unless it is a view).
    kin:    the variable whose history it shares: its base, unless it was detached or viewed under no_grad.
    leaf:   made by the user, not by a recorded op.
    sealed: not to be written to: memory shared with who knows whom, or overlapping.
    contiguous: surely laid out row by row, so that `view` is defined.
    """

    value: Array
    tracked: bool
    leaf: bool
    base: Var
    sealed: bool = False
    contiguous: bool = True
    kin: Var = -1


class DeadEnd(Exception):  # noqa: N818 - a draw that leads nowhere is no error
    """The drawn bytes do not lead to a program of the wanted kind."""


class Builder:
    """A program under construction.

    entropy:    where decisions come from.
    vocabulary: what the engine has.
    """

    def __init__(self, entropy: Entropy, vocabulary: Vocabulary | None = None) -> None:
        self.entropy = entropy
        self.vocabulary = vocabulary or Vocabulary()
        self.steps: list[Step] = []
        self.info: dict[Var, Info] = {}
        self.recording = [True]
        #: Whether ops may leave their domain and the range of modest numbers, so that infinities and NaN arise.
        self.wild = False
        self._turn = 0

    def program(self) -> Program:
        """The program so far."""
        return Program(tuple(self.steps))

    def has(self, *names: str) -> bool:
        """Whether the engine has these capabilities or ops."""
        return all(n in self.vocabulary.capabilities or n in self.vocabulary.ops for n in names)

    def dtypes(self, kinds: str = "fcib") -> tuple[str, ...]:
        """The dtypes of these kinds that the engine has, the simplest first."""
        known = (("float64", ()), ("float32", ("float32",)), ("complex128", ("complex",)),
                 ("int64", ("integer",)), ("bool", ("integer",)))
        return tuple(dtype for dtype, needs in known if dtype[0] in kinds and self.has(*needs))

    def turn(self) -> None:
        """Read the next decisions from a chunk of their own, so that shrinking one step leaves the others."""
        self._turn += 1
        self.entropy.turn(self._turn)

    def _bind(self, info: Info) -> Var:
        var = len(self.info)
        self.info[var] = info
        if info.base < 0:
            info.base = var
        if info.kin < 0:
            info.kin = var
        return var

    def __getitem__(self, var: Var) -> Info:
        return self.info[var]

    def shape(self, var: Var) -> tuple[int, ...]:
        """The shape of a variable."""
        return self.info[var].value.shape

    # -- tensors ----------------------------------------------------------------------------------------------

    def leaf(
        self,
        shape: tuple[int, ...] | None = None,
        tracked: bool = True,
        dtype: str = "float64",
        values: Any = None,
        table: Array = VALUES,
    ) -> Var:
        """A new leaf; shape and contents are drawn unless given."""
        if values is None:
            shape = self.draw_shape() if shape is None else shape
            values = self.entropy.values(int(np.prod(shape)), table).reshape(shape)
        array = np.array(values, dtype=dtype)
        var = self._bind(Info(array.copy(), tracked, True, -1))
        self.steps.append(Leaf(Literal(array), tracked, outs=(var,)))
        return var

    def constant(self, shape: tuple[int, ...] | None = None, **more: Any) -> Var:
        """A leaf that does not require grad."""
        return self.leaf(shape, tracked=False, **more)

    def draw_shape(self, most: int = 6) -> tuple[int, ...]:
        """A shape of rank 0 to 3 with 1 to `most` elements, small ones more often."""
        shape = self.entropy.pick(((2,), (), (3,), (2, 2), (1,), (2, 3), (1, 3), (3, 1), (1, 1), (2, 1, 2), (4,), (1, 2, 3)))
        return shape if np.prod(shape) <= most else (2,)

    def partner(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A shape that broadcasts with `shape`: the same, or with dimensions dropped or stretched to 1."""
        kind = self.entropy.below(4)
        if kind == 0 or not shape:
            return shape
        if kind == 1:
            return shape[1:]
        return tuple(1 if self.entropy.chance(50) else n for n in shape)

    # -- ops --------------------------------------------------------------------------------------------------

    def apply(self, op: str, *inputs: Var, **params: Any) -> Any:
        """Append an op; its result (a tuple where it has several), or None where it does not fit the values."""
        row = TABLE[op]
        values = [self.info[v].value for v in inputs]
        if not self._fits(row, values, params) or _mixed(row, values) or not self.vocabulary.accepts(op, **params):
            return None
        even = all(self.info[v].contiguous for v in inputs)
        if "contiguous" in row.tags and not even:
            return None
        try:
            with np.errstate(all="ignore"):
                made = row(*values, **params)
        except (ValueError, IndexError, TypeError):
            return None
        results = list(made) if row.many else [made]
        if any(r.size > MOST or not (self.wild or _modest(r)) for r in results):
            return None
        differentiable = not isinstance(row.rule, Constant)
        tracked = self.recording[-1] and differentiable and any(self.info[v].tracked for v in inputs)
        source = self.info[inputs[0]]
        outs = []
        for result in results:
            value = np.asarray(result)
            if row.alias:
                info = Info(value, tracked, not tracked, source.base,
                            source.sealed or row.many or row.alias == "maybe" or not value.flags.writeable,
                            even and value.flags.c_contiguous and op in IN_ORDER, source.kin if self.recording[-1] else -1)
                if row.alias == "maybe" or row.many:
                    self.info[source.base].sealed = source.sealed = True
            else:
                info = Info(np.array(value, order="C"), tracked and value.dtype.kind in "fc", not tracked, -1,
                            contiguous=even)
            outs.append(self._bind(info))
        self.steps.append(Apply(op, inputs, tuple(params.items()), outs=tuple(outs)))
        return tuple(outs) if row.many else outs[0]

    def _fits(self, row: Op, values: list[Array], params: Params) -> bool:
        kinds = {v.dtype.kind for v in values}
        if isinstance(row.rule, Elementwise) and not kinds <= {"i", "b"}:
            kinds -= {"i", "b"}  # integers are promoted to the dtype of the other operand
        if not kinds <= set(row.dtypes):
            return False
        if any(v.dtype != values[0].dtype for v in values) and not all(v.ndim for v in values):
            return False  # whether a 0-d operand takes part in promotion is each engine's own convention
        return self.wild or row.domain is None or row.domain(*values, **params)

    def converted(self, x: Var, dtype: str) -> Var:
        """`x.to(dtype)`, which is x itself where x has that dtype already."""
        if str(self.info[x].value.dtype) != dtype:
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

    def drawn(self, row: Op, *inputs: Var) -> Any:
        """Append `row` with parameters drawn for these operands, or None."""
        params = row.params(self.entropy, *[self.info[v].value for v in inputs])
        return None if params is None else self.apply(row.name, *inputs, **params)

    def unary(self, x: Var, kinds: tuple[str, ...] = ("move", "exact", "smooth", "view", "exact", "move")) -> Var:
        """Some op of one operand on x."""
        rows = self.vocabulary.unary
        for _ in range(3):
            choices = rows[self.entropy.pick(kinds)]
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
            made = self.drawn(self.entropy.pick(rows["other"]), a, b)
            if made is not None and not isinstance(made, tuple):
                return int(made)
        if not _broadcast(self.shape(a), self.shape(b)):
            a, b = self.total(a), self.total(b)
        if self.info[a].value.dtype != self.info[b].value.dtype and not (self.shape(a) and self.shape(b)):
            b = self.must("cast", b, dtype=str(self.info[a].value.dtype))
        for row in (self.entropy.pick(rows["exact"]), TABLE["add"]):
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

    def refused(self, target: Var) -> bool:
        """Whether a write must be refused now: to a leaf that requires grad, or a view of one, in grad mode."""
        kin = self.info[self.info[target].kin]
        return self.recording[-1] and kin.leaf and kin.tracked

    def writable(self, target: Var) -> bool:
        """Whether a write is lawful now, and what becomes of the aliases is known."""
        info = self.info[target]
        return not (info.sealed or self.info[info.base].sealed or self.refused(target))

    def inplace(self, op: str, target: Var, *inputs: Var, **params: Any) -> bool:
        """Append an in-place op if it fits; whether it did. One that must be refused writes nothing.

        Operands that overlap the target are left alone: in which order elements are read and written is nowhere said.
        """
        row = INPLACE[op].row
        info = self.info[target]
        if any(v != target and np.shares_memory(info.value, self.info[v].value) for v in inputs):
            return False
        values = [info.value, *(self.info[v].value for v in inputs)]
        if not self._fits(row, values, params):
            return False
        try:
            with np.errstate(all="ignore"):
                made = np.asarray(row(*values, **params))
        except (ValueError, IndexError, TypeError):
            return False
        if made.shape != info.value.shape or made.dtype.kind != info.value.dtype.kind or not _modest(made):
            return False
        self.steps.append(InPlace(op, target, inputs, tuple(params.items())))
        if self.refused(target):
            return True
        if info.value.flags.writeable:
            info.value[...] = made
        if self.recording[-1] and any(self.info[v].tracked for k, v in enumerate(inputs, 1) if k not in row.passive):
            for other in self.info.values():
                if other.kin == info.kin:
                    other.tracked, other.leaf = True, False
        return True

    def drawn_inplace(self, target: Var, names: tuple[str, ...] | None = None) -> bool:
        """Some in-place op on target, with operands made for it; whether one fitted."""
        choices = [n for n in names or tuple(INPLACE) if n in self.vocabulary.ops]
        for _ in range(4):
            if not choices:
                return False
            variant = INPLACE[self.entropy.pick(choices)]
            others = tuple(
                self.leaf(self._slot(variant.name, target), tracked=self.entropy.chance(50)) for _ in range(variant.row.arity - 1)
            )
            params = variant.params(self.entropy, *[self.info[v].value for v in (target, *others)])
            if params is not None and self.inplace(variant.name, target, *others, **params):
                return True
        return self.inplace("mul_scalar_", target, value=2.0) if self.has("mul_scalar_") else False

    def _slot(self, op: str, target: Var) -> tuple[int, ...]:
        shape = self.shape(target)
        return shape[1:] if op in ("set_item_", "set_slice_") and shape else shape

    # -- everything else --------------------------------------------------------------------------------------

    def step(self, step: Step) -> None:
        """Append a step that makes no variable."""
        self.steps.append(step)

    def detach(self, x: Var) -> Var:
        """`x.detach()`."""
        info = self.info[x]
        var = self._bind(Info(info.value, False, True, info.base, info.sealed, info.contiguous))
        self.step(Detach(x, outs=(var,)))
        return var

    def detach_(self, x: Var) -> None:
        """`x.detach_()`."""
        self.info[x].tracked, self.info[x].leaf, self.info[x].kin = False, True, x
        self.step(DetachInPlace(x))

    def require(self, x: Var, flag: bool = True) -> None:
        """`x.requires_grad_(flag)`."""
        self.info[x].tracked = flag
        self.step(RequireGrad(x, flag))

    def retain(self, x: Var) -> None:
        """`x.retain_grad()`."""
        self.step(RetainGrad(x))

    def read_grad(self, x: Var) -> Var:
        """`out = x.grad`, where it is known to be a tensor."""
        var = self._bind(Info(np.zeros_like(self.info[x].value), False, True, -1))
        self.step(ReadGrad(x, outs=(var,)))
        return var

    def clear(self, x: Var) -> None:
        """`x.grad = None`."""
        self.step(ClearGrad(x))

    def zero(self, x: Var) -> None:
        """`x.grad.zero_()`."""
        self.step(ZeroGrad(x))

    def set_grad(self, x: Var, source: Var | None) -> None:
        """`x.grad = source` (None: a number, which is not a tensor)."""
        self.step(SetGrad(x, source))

    def forget(self, x: Var) -> None:
        """`del x`."""
        self.step(Forget(x))

    def enter(self, kind: str) -> None:
        """Enter `no_grad` or `enable_grad`."""
        self.recording.append(kind == "enable_grad")
        self.step(Mode(kind))

    def leave(self, by_exception: bool = False) -> None:
        """Leave the innermost grad mode."""
        self.recording.pop()
        self.step(Mode("raise" if by_exception else "exit"))

    def hook(self, x: Var, effect: str = "none", kind: str = "tensor") -> int:
        """Register a hook; its handle."""
        handle = sum(isinstance(step, Hook) for step in self.steps)
        self.step(Hook(x, handle, kind, effect))
        return handle

    def unhook(self, handle: int) -> None:
        """Remove a hook."""
        self.step(RemoveHook(handle))

    def backward(self, root: Var, gradient: Var | None = None, **options: Any) -> None:
        """`root.backward(gradient, **options)`; a root of several elements gets a drawn gradient."""
        if gradient is None and self.info[root].value.size != 1:
            gradient = self.seed(root)
        self.step(Backward((root,), None if gradient is None else (gradient,), **options))

    def backward_many(self, roots: tuple[Var, ...], **options: Any) -> None:
        """`autograd.backward(roots, gradients)` with drawn gradients where they are needed."""
        seeds = tuple(None if self.info[r].value.size == 1 and self.entropy.chance(50) else self.seed(r) for r in roots)
        self.step(Backward(roots, seeds, **options))

    def grad(self, roots: tuple[Var, ...], inputs: tuple[Var, ...], **options: Any) -> tuple[Var, ...]:
        """`autograd.grad(roots, inputs, gradients, **options)`; one variable per input."""
        seeds = tuple(None if self.info[r].value.size == 1 else self.seed(r) for r in roots)
        tracked = bool(options.get("create_graph"))
        outs = tuple(self._bind(Info(np.zeros_like(self.info[x].value), tracked, not tracked, -1)) for x in inputs)
        self.step(Grad(roots, inputs, seeds, outs=outs, **options))
        return outs

    def seed(self, root: Var) -> Var:
        """A gradient argument for root: random, or an expanded or transposed view of something smaller."""
        value = self.info[root].value
        kind, dtype = self.entropy.below(4), str(value.dtype)
        if kind == 1 and value.ndim and value.size and self.has("expand"):
            small = self.constant(value.shape[1:], dtype=dtype)
            return int(self.must("expand", small, shape=value.shape))
        if kind == 2 and value.ndim >= 2 and self.has("transpose"):
            turned = (*value.shape[:-2], value.shape[-1], value.shape[-2])
            return int(self.must("transpose", self.constant(turned, dtype=dtype), dim0=value.ndim - 2, dim1=value.ndim - 1))
        return self.constant(value.shape, dtype=dtype)


def _mixed(row: Op, values: list[Array]) -> bool:
    """Whether operand dtypes are mixed in an op that need not promote them."""
    mixed = any(v.dtype != values[0].dtype for v in values[1:])
    return mixed and (not isinstance(row.rule, Elementwise) or bool(row.passive))


def _modest(value: Any) -> bool:
    array = np.asarray(value)
    if not array.size or array.dtype.kind not in "fc":
        return True
    return bool(np.abs(array).max() <= LARGEST)


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    if any(m != n and m != 1 and n != 1 for m, n in zip(reversed(a), reversed(b), strict=False)):
        return False
    return int(np.prod(np.broadcast_shapes(a, b))) <= MOST
