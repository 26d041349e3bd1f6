"""Adapters for engines without `.grad`: functions are differentiated there, not tensors.

A tape of pure ops stands between: it records what is computed, replays it as a function of the leaves, and has
the engine pull the gradient argument back through that function. What the engine computes is judged so: values,
shapes and dtypes of gradients, gradient arguments, higher order. That gradients are None before, are added up,
cleared or kept is the tape's doing, so the capability `stored` is withheld, and laws about it are UNSUPPORTED.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Container, Sequence
from functools import partial, reduce
from typing import Any

import numpy as np

from gradlaws.conformance.engines.capabilities import NotClaimed
from gradlaws.conformance.engines.op_spelling import Spelled
from gradlaws.conformance.engines.user_function import UserFunction
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import TABLE, Op
from gradlaws.conformance.ops.table import Constant, Params


class Traced:
    """A value of the engine, and how it is computed from others: `make` of `parents`; leaves have neither."""

    __slots__ = ("__weakref__", "grad", "make", "parents", "tracked", "value")

    def __init__(
        self,
        value: Any,
        tracked: bool = False,
        make: Callable[..., Any] | None = None,
        parents: Sequence[Traced] = (),
    ) -> None:
        self.value = value
        self.tracked: bool = tracked or any(p.tracked for p in parents)
        self.make = make if self.tracked else None
        self.parents = tuple(parents) if self.tracked else ()
        self.grad: Traced | None = None


def order(roots: Sequence[Traced]) -> list[Traced]:
    """What the roots are computed from by recorded ops, operands first."""
    found: dict[Traced, None] = {}
    stack = [(root, False) for root in roots]
    while stack:
        node, done = stack.pop()
        if done:
            found[node] = None
        elif node not in found:
            stack.append((node, True))
            stack += [(p, False) for p in node.parents if p.tracked]
    return list(found)


def replayed(roots: Sequence[Traced], inputs: Sequence[Traced]) -> Callable[..., list[Any]]:
    """The roots' values as a function of the values of `inputs`."""
    nodes = order(roots)

    def function(*values: Any) -> list[Any]:
        known = dict(zip(inputs, values, strict=True))
        for node in nodes:
            if node not in known and node.make is not None:
                known[node] = node.make(*(known.get(p, p.value) for p in node.parents))
        return [known.get(root, root.value) for root in roots]

    return function


class Functional(Spelled):
    """A tape over an engine that differentiates functions; `vjp`, `array`, `numpy` and `ones_like` are its own."""

    features = frozenset({"create_graph", "grad_roots", "order", "float32", "integer", "retain_graph"})
    withheld = frozenset({"stored"})

    @abstractmethod
    def vjp(self, function: Callable[..., Any], values: Sequence[Any], seed: Any) -> Sequence[Any]:
        """The products of `seed` with the Jacobians of `function` at `values`, by the engine."""

    @abstractmethod
    def array(self, array: Array) -> Any:
        """A value of the engine with these contents."""

    def sample(self) -> Any:
        return self.array(np.ones(2, self.usual))

    def tensor(self, array: Array, requires_grad: bool = False) -> Traced:
        return Traced(self.array(array), requires_grad)

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        return self._traced(TABLE[op], partial(Spelled.apply, self, op), inputs, params)

    def run_row(self, op: str, inputs: Sequence[Any], params: Params) -> Any:
        """A row of its own, whose call takes the engine's values."""
        return self._traced(TABLE[op], self.own[op].run, inputs, params)

    @staticmethod
    def _traced(row: Op, call: Callable[..., Any], inputs: Sequence[Any], params: Params) -> Any:
        def make(*values: Any) -> Any:
            return call(*values, **params)

        made = make(*(x.value for x in inputs))
        # What an op has no derivative by is no way for a gradient to come.
        inputs = tuple(
            Traced(x.value) if k in row.passive or isinstance(row.rule, Constant) else x
            for k, x in enumerate(inputs)
        )
        if not row.many:
            return Traced(made, False, make, inputs)
        return [
            Traced(part, False, lambda *values, k=k: make(*values)[k], inputs) for k, part in enumerate(made)
        ]

    def called(self, function: UserFunction, values: Sequence[Any]) -> Sequence[Any]:
        """The values of a user-defined function's results, by the engine's own means; for adapters that claim it."""
        raise NotClaimed

    def applied(self, function: UserFunction, inputs: Sequence[Traced]) -> Sequence[Traced]:
        """A user-defined function on the tape; an adapter whose engine has such calls it from `user_function`."""
        return self.recorded(partial(self.called, function), inputs, function.constant)

    def recomputed(
        self,
        part: Callable[..., Sequence[Traced]],
        inputs: Sequence[Traced],
        wrapped: Callable[[Callable[..., tuple[Any, ...]]], Callable[..., Sequence[Any]]],
    ) -> Sequence[Traced]:
        """A checkpointed part on the tape; `wrapped` is what the engine makes of a function to compute it again."""
        call = wrapped(lambda *values: tuple(x.value for x in part(*map(Traced, values))))
        return self.recorded(lambda values: call(*values), inputs)

    @staticmethod
    def recorded(
        function: Callable[[Sequence[Any]], Sequence[Any]],
        inputs: Sequence[Traced],
        constant: Container[int] = (),
    ) -> Sequence[Traced]:
        """The results of a function of several values, on the tape; those numbered in `constant` have no history."""
        return [
            Traced(part, False, lambda *values, k=k: function(values)[k], () if k in constant else inputs)
            for k, part in enumerate(function([x.value for x in inputs]))
        ]

    @staticmethod
    def forward(function: UserFunction, values: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """(results, saved) of a user's forward, as values."""
        results, saved = function.forward(*map(Traced, values))
        return tuple(x.value for x in results), tuple(x.value for x in saved)

    @staticmethod
    def formula(function: UserFunction, saved: Sequence[Any], gradients: Sequence[Any]) -> list[Any]:
        """What a user's backward computes, as values; None for none."""
        found = function.backward(list(map(Traced, saved)), list(map(Traced, gradients)))
        return [None if x is None else x.value for x in found]

    def backward(self, root: Traced, gradient: Traced | None = None, **options: Any) -> None:
        self.backward_many([root], [gradient], **options)

    def backward_many(
        self, roots: Sequence[Traced], gradients: Sequence[Traced | None] | None = None, **options: Any
    ) -> None:
        """Several roots are pulled back at once, as one number: the sum of their products with the gradients."""
        seeds = gradients or [None] * len(roots)
        for root, seed in zip(roots, seeds, strict=True):
            if not root.tracked or (seed is None and self.size(root.value) != 1):
                raise RuntimeError(
                    "a root does not require grad, or has several elements and no gradient argument"
                )
        leaves = [node for node in order(roots) if node.make is None]
        for leaf, product in zip(leaves, self._pulled(roots, leaves, seeds, **options), strict=True):
            leaf.grad = product if leaf.grad is None else self.apply("add", leaf.grad, product)

    def autograd_grad(
        self,
        roots: Sequence[Any],
        inputs: Sequence[Any],
        gradients: Sequence[Any] | None = None,
        **options: Any,
    ) -> Sequence[Any]:
        """One input at a time: it may have been computed from another one, or be there twice."""
        seeds = gradients or [None] * len(roots)
        return [self._pulled(roots, [x], seeds, **options)[0] for x in inputs]

    def _pulled(
        self,
        roots: Sequence[Traced],
        inputs: Sequence[Traced],
        gradients: Sequence[Traced | None],
        create_graph: bool = False,
        retain_graph: bool | None = None,
    ) -> list[Traced]:
        """The gradients of inputs, by the engine; a function can be pulled back again in any case."""
        seeds = [g or Traced(self.ones_like(r.value)) for r, g in zip(roots, gradients, strict=True)]
        # gradients of gradients may be asked for any leaf
        leaves = [x for x in order(roots) if x.make is None and x not in inputs]
        function, known = replayed(roots, [*inputs, *leaves]), len(inputs) + len(leaves)

        def products(*values: Any) -> Sequence[Any]:
            given = values[known:]
            if len(roots) == 1:
                return self.vjp(lambda *xs: function(*xs)[0], values[:known], given[0])[: len(inputs)]
            one = self.ones_like(self._weighed(function(*values[:known]), given))
            whole = self.vjp(lambda *xs: self._weighed(function(*xs), given), values[:known], one)
            return whole[: len(inputs)]

        parents = [*inputs, *leaves, *seeds]
        made = products(*(x.value for x in parents))
        if not create_graph:
            return [Traced(value) for value in made]
        return [
            Traced(value, False, lambda *values, k=k: products(*values)[k], parents)
            for k, value in enumerate(made)
        ]

    def _weighed(self, values: Sequence[Any], weights: Sequence[Any]) -> Any:
        """The sum of the products of roots with their gradient arguments, by the engine's own ops."""
        call = partial(Spelled.apply, self)
        parts = [
            call("sum", call("mul", x, w), dim=None, keepdim=False)
            for x, w in zip(values, weights, strict=True)
        ]
        return reduce(lambda one, other: call("add", one, other), parts)

    def size(self, value: Any) -> int:
        """How many elements a value has: its `size`, a number or a method; an engine with another name overrides it."""
        size = value.size
        return int(size() if callable(size) else size)

    @abstractmethod
    def ones_like(self, value: Any) -> Any:
        """Ones of the shape and dtype of a value."""

    def grad(self, x: Traced) -> Traced | None:
        return x.grad
