"""Rows of one's own: what an adapter adds to the op table, for its engine alone.

A row says how the engine calls an op, what it gives, as a function over NumPy arrays, and how that is differentiated.
It goes by the adapter's name and its own, as `fused.swish`, and is part of that adapter's vocabulary and no other's.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from gradlaws.conformance.engines.spelled_calls import code
from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops import TABLE, Op
from gradlaws.conformance.ops.differences import Jacobians, Slopes
from gradlaws.conformance.ops.elementwise import between
from gradlaws.conformance.ops.table import Composite, Params, Rule, small

#: Operands of rows that mix elements, and whose derivative is taken by differences, have so many elements at most.
MOST = 24
Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Row:
    """An op of one's own, such as a fused kernel or a function with a derivative of its own.

    name:        a word; the op goes by it behind the adapter's name: `fused.swish`.
    call:        how the engine computes it: a function of the engine's tensors and the parameters, or its spelling,
                 `kernels.swish({0}, {beta})`, whose modules are imported.
    forward:     the value over NumPy arrays, `forward(*arrays, **params)`; an array, or a sequence where `many`. It
                 has to take arrays of float32 and of extended precision (`numpy.longdouble`), too. May be left out
                 beside a `Composite`.
    rule:        the derivative, a rule of the op table; None to have it taken by differences in extended precision,
                 within the bounds that `gradlaws.conformance.ops.differences` states.
    elementwise: whether it works position by position, broadcasting its operands.
    arity:       how many tensors it takes.
    params:      by parameter what it may be; or a function that draws them, `params(entropy, *arrays)`.
    shapes:      shapes of all operands that go together, to choose from; or a function `shapes(entropy)` that draws
                 them. None where whatever broadcasts does.
    domain:      (lowest, highest) of all elements; or `domain(*arrays, **params)`. By default within 100 of 0. It has
                 to leave out kinks, which are not judged.
    ulps:        by how many units in the last place an engine's numbers may be off.
    saves:       `operands` or `result`, where the op's documentation says that overwriting these before backward is an
                 error.
    many:        whether there are several results.
    passive:     positions of operands that never get a gradient.
    """

    name: str
    call: Callable[..., Any] | str
    forward: Callable[..., Any] | None = None
    rule: Rule | None = None
    elementwise: bool = False
    arity: int = 1
    params: Mapping[str, Sequence[Any]] | Callable[..., Params | None] = field(default_factory=dict)
    shapes: Sequence[Shapes] | Callable[[Entropy], Shapes] | None = None
    domain: tuple[float, float] | Callable[..., bool] | None = None
    ulps: float = 8
    saves: Literal["", "operands", "result"] = ""
    many: bool = False
    passive: tuple[int, ...] = ()
    #: File and line where it was written down.
    place: str = field(init=False, default="")

    def __post_init__(self) -> None:
        frame = sys._getframe(1)
        while (
            frame.f_back is not None and frame.f_code.co_filename == "<string>"
        ):  # what dataclasses generate
            frame = frame.f_back
        object.__setattr__(self, "place", f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")

    def misstated(self) -> str:
        """What is wrong with what it says, as far as can be told without running it; empty if nothing is."""
        if not isinstance(self.name, str) or not self.name.isidentifier():
            return f"the name {self.name!r} is not a word of letters, digits and _"
        if self.name in TABLE:
            return "the op table has a row of this name: give another name, or spell that one in `spellings`"
        wrong = [
            f.name
            for f in fields(self)
            if f.name in _KINDS and not isinstance(getattr(self, f.name), _KINDS[f.name])
        ]
        if wrong:
            return f"{wrong[0]} is {getattr(self, wrong[0])!r:.60}; help(gradlaws.Row) says what it has to be"
        if self.forward is None and not isinstance(self.rule, Composite):
            return "there is no forward: give the value as a function over NumPy arrays"
        try:
            _ = self.modules
        except SyntaxError as error:
            return f"call is no expression: {error.msg}"
        if self.arity < 1:
            return f"arity is {self.arity}, expected 1 or more operands"
        return ""

    def op(self, prefix: str) -> Op:
        """The row of the table that it is for an adapter of this name."""
        return _op(self, prefix)

    def run(self, *inputs: Any, **params: Any) -> Any:
        """The op on the engine's tensors."""
        return self._call(*inputs, **params)

    @cached_property
    def _call(self) -> Callable[..., Any]:
        if not isinstance(self.call, str):
            return self.call
        scope: dict[str, Any] = {name: import_module(name) for name in self.modules}
        exec(f"def call(*xs, **params): return {code(self.call)}", scope)  # the adapter's own code
        return scope["call"]  # type: ignore[no-any-return]

    @cached_property
    def spell(self) -> str:
        """The call as it is printed."""
        if isinstance(self.call, str):
            return self.call
        given = [f"{{{k}}}" for k in range(self.arity)]
        known = self.params if isinstance(self.params, Mapping) else ()
        return f"{self._path or self.name}({', '.join([*given, *(f'{p}={{{p}}}' for p in known)])})"

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """What has to be imported for the printed call to run."""
        if not isinstance(self.call, str):
            return (self._path.split(".")[0],) if self._path else ()
        named = (node.id for node in ast.walk(ast.parse(code(self.call))) if isinstance(node, ast.Name))
        return tuple(dict.fromkeys(n for n in named if n not in ("xs", "params", *vars(builtins))))

    @cached_property
    def _path(self) -> str:
        """Where the function is found by name, as `kernels.Swish.apply`; empty where it is not."""
        owner = getattr(self.call, "__self__", None)
        home = owner if isinstance(owner, type) else self.call
        path = f"{getattr(home, '__module__', '')}.{getattr(home, '__qualname__', '')}"
        path += f".{self.call.__name__}" if isinstance(owner, type) else ""  # type: ignore[union-attr]
        module = sys.modules.get(str(getattr(home, "__module__", "")))
        found: Any = module
        for part in path.removeprefix(f"{getattr(home, '__module__', '')}.").split("."):
            found = getattr(found, part, None)
        return path if module is not None and found == self.call else ""


_KINDS: dict[str, Any] = {
    "call": (str, Callable),
    "forward": (type(None), Callable),
    "rule": (type(None), Rule),
    "elementwise": bool,
    "arity": int,
    "params": (Mapping, Callable),
    "shapes": (type(None), Sequence, Callable),
    "domain": (type(None), tuple, Callable),
    "ulps": (int, float),
    "saves": str,
    "many": bool,
    "passive": tuple,
}


@cache
def _op(row: Row, prefix: str) -> Op:
    forward = None if row.forward is None else _forward(row)
    rule = row.rule
    if rule is None:
        assert forward is not None, "see `misstated`"
        rule = (Slopes if row.elementwise else Jacobians)(forward, row.arity, row.ulps, row.passive)
    domain = row.domain
    if domain is None:
        domain = small(100)
    elif isinstance(domain, tuple):
        low, high = domain
        domain = lambda *xs, **_: all(between(low, high)(x) for x in xs)  # noqa: E731
    if isinstance(rule, Jacobians):
        fits = domain
        domain = lambda *xs, **params: all(x.size <= MOST for x in xs) and fits(*xs, **params)  # noqa: E731
    params, shapes = row.params, row.shapes
    if isinstance(params, Mapping):
        choices = dict(params)
        params = lambda entropy, *_: {name: entropy.pick(tuple(them)) for name, them in choices.items()}  # noqa: E731
    if isinstance(shapes, Sequence):
        forms = tuple(shapes)
        shapes = lambda entropy: entropy.pick(forms)  # noqa: E731
    made = Op(
        f"{prefix}.{row.name}", row.spell, rule, forward, row.arity, params, shapes, domain, row.ulps, row.saves,
        many=row.many, passive=row.passive, tags=frozenset({"own"}),
    )  # fmt: skip
    return TABLE.own(made)


def _forward(row: Row) -> Callable[..., Any]:
    """The value, of the operands' dtype whatever numbers the formula has in it."""
    assert row.forward is not None
    formula = row.forward

    def forward(*xs: Array, **params: Any) -> Any:
        made = formula(*xs, **params)
        dtype = np.result_type(*(x.dtype for x in xs))
        parts = [np.asarray(part) for part in (made if row.many else (made,))]
        parts = [part.astype(dtype, copy=False) if part.dtype.kind == "f" else part for part in parts]
        return tuple(parts) if row.many else parts[0]

    return forward


class WithRows:
    """What an adapter has of rows of its own."""

    #: Rows that the adapter adds to the op table, for its engine alone.
    rows: ClassVar[Sequence[Row]] = ()
    #: The same by the names that programs call them.
    own: ClassVar[Mapping[str, Row]] = {}

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        rows = cls.rows if isinstance(cls.rows, Sequence) else ()
        prefix = getattr(cls, "name", "") or cls.__name__
        said = [row for row in rows if isinstance(row, Row) and not row.misstated()]
        cls.own = {row.op(prefix).name: row for row in said}
        apply: Any = cls.apply  # type: ignore[attr-defined]
        if cls.own and getattr(apply, "__qualname__", "") != "Backend.apply" and not hasattr(apply, "beside"):
            cls.apply = _also(apply)  # type: ignore[attr-defined]

    def run_row(self, op: str, inputs: Sequence[Any], params: Params) -> Any:
        """The result of a row of its own."""
        return self.own[op].run(*inputs, **params)

    @cached_property
    def repertoire(self) -> frozenset[str]:
        """All ops that programs may use: the engine's of the table, and the adapter's own."""
        return frozenset(self.ops()).union(self.own)  # type: ignore[attr-defined]


def _also(inner: Any) -> Callable[..., Any]:
    """An adapter's `apply`, and its own rows beside."""

    def apply(self: WithRows, op: str, *inputs: Any, **params: Any) -> Any:
        if op in self.own:
            return self.run_row(op, inputs, params)
        return inner.__get__(self)(op, *inputs, **params)

    apply.beside = inner  # type: ignore[attr-defined]
    return apply
