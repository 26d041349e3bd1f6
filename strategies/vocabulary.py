"""What an engine has, as far as drawing programs is concerned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from gradlaws.conformance.engines.backend import Backend, choice
from gradlaws.conformance.engines.capabilities import usual
from gradlaws.conformance.engines.conventions import PYTORCH, Dialect
from gradlaws.conformance.known_failures.op_calls import CALLS
from gradlaws.conformance.ops import INPLACE, TABLE, Op
from gradlaws.conformance.ops.table import Cast, Constant, Movement, Pick


@dataclass(frozen=True)
class Vocabulary:
    """What an engine has: the ops, in-place ops and capabilities that programs may use.

    accepts: whether an op is there with certain parameters: `accepts(op, shapes, **params)`, shapes of operands.
    constants: whether a leaf need not require grad.
    dialect: what the engine does differently on purpose.
    """

    ops: frozenset[str] = field(default_factory=lambda: TABLE.names() | frozenset(INPLACE))
    capabilities: frozenset[str] = frozenset()
    accepts: Callable[..., bool] = lambda op, shapes, **params: True
    constants: bool = True
    dialect: Dialect = PYTORCH

    @classmethod
    def of(cls, backend: Backend, ops: frozenset[str] | None = None) -> Vocabulary:
        """What programs for this backend may use; of its ops only those named, if any are."""
        has = backend.repertoire
        return _vocabulary(
            has if ops is None else has & ops, backend.capabilities, _told(backend.accepts), backend.dialect
        )

    def less(self, ops: frozenset[str], calls: frozenset[tuple[str, str]] = frozenset()) -> Vocabulary:
        """The same without these ops, and without these calls: an op, and a kind of calls as in `CALLS`."""
        if self.ops.isdisjoint(ops) and not calls:
            return self
        accepts = _sparing(self.accepts, calls) if calls else self.accepts
        return _vocabulary(self.ops - ops, self.capabilities, accepts, self.dialect)

    @cached_property
    def rows(self) -> tuple[Op, ...]:
        """The rows of the op table that programs may use, and those that the adapter has added, in their order."""
        return tuple(TABLE.of(self.ops))

    @cached_property
    def differentiable(self) -> tuple[Op, ...]:
        """The rows that have a derivative and take real numbers, in the order of the table."""
        return tuple(
            row
            for row in self.rows
            if not isinstance(row.rule, Constant)
            and not {"internal", "integer result", "complex"} & row.tags
            and row.name != "cast"
        )

    @cached_property
    def own(self) -> bool:
        """Whether the adapter has added rows."""
        return any("own" in row.tags for row in self.rows)

    @cached_property
    def unary(self) -> dict[str, tuple[Op, ...]]:
        """Differentiable ops of one operand by kind: `move`, `view`, `exact`, `smooth`; first what goes anywhere."""
        rows = [
            r
            for r in self.rows
            if r.arity == 1
            and not isinstance(r.rule, Constant)
            and not {"integer result", "internal", "complex"} & r.tags
            and not (isinstance(r.rule, Cast) and not self._precisions)
        ]
        return {
            "view": tuple(r for r in rows if r.alias == "view" and not r.many),
            "move": tuple(r for kind in (Movement, Pick) for r in rows if isinstance(r.rule, kind)),
            "exact": tuple(r for r in rows if r.exact and not isinstance(r.rule, Movement | Pick)),
            "smooth": tuple(r for r in rows if not r.exact),
        }

    @cached_property
    def binary(self) -> dict[str, tuple[Op, ...]]:
        """Differentiable ops of two operands by kind: `exact` elementwise, `other`."""
        rows = [
            r
            for r in self.rows
            if r.arity == 2 and not isinstance(r.rule, Constant) and not {"internal", "complex"} & r.tags
        ]
        plain = tuple(r for r in rows if r.name in ("add", "sub", "mul"))
        return {"exact": plain, "other": tuple(r for r in rows if r not in plain)}

    @cached_property
    def kernels(self) -> tuple[Op, ...]:
        """Differentiable ops that want operands made for them: of several, of certain shapes, of a narrow domain."""
        plain = self.binary["exact"]
        return tuple(
            r
            for r in self.rows
            if (r.arity > 1 or r.shapes is not None or r.domain is not None)
            and r not in plain
            and not isinstance(r.rule, Constant)
            and not {"internal", "complex"} & r.tags
        )

    @cached_property
    def usual(self) -> str:
        """The dtype of tensors where none in particular is asked for."""
        return usual(self.capabilities)

    @property
    def _precisions(self) -> bool:
        return {"float32", "float64"} <= self.capabilities or not self.capabilities


@lru_cache(maxsize=8)  # so that one and the same function stands for an adapter's
def _told(accepts: Callable[..., bool]) -> Callable[..., bool]:
    """The adapter's `accepts`, told the shapes of operands only if it names them."""
    return choice(accepts)


@lru_cache(maxsize=8)  # so that it is one and the same, too
def _sparing(accepts: Callable[..., bool], calls: frozenset[tuple[str, str]]) -> Callable[..., bool]:
    """An adapter's `accepts`, less some calls."""

    def spared(op: str, shapes: tuple[tuple[int, ...], ...], **params: Any) -> bool:
        return accepts(op, shapes, **params) and not any(
            op == name and CALLS[kind].holds(shapes, params) for name, kind in calls
        )

    return spared


@lru_cache(maxsize=8)  # each sorts the op table anew
def _vocabulary(
    ops: frozenset[str], has: frozenset[str], accepts: Callable[..., bool], dialect: Dialect
) -> Vocabulary:
    return Vocabulary(ops, has, accepts, "constants" in has, dialect)
