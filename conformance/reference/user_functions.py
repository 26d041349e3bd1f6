"""User-defined functions on the reference engine: one node for the call, whose derivative is the user's formula.

The node holds the results laid end to end, and each result is taken from it; so what arrives at the results arrives
there together, and the formula is asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gradlaws.conformance.ops import TABLE, Op
from gradlaws.conformance.reference.backward import Backprop
from gradlaws.conformance.reference.broadcasting import broadcasts, summed_to
from gradlaws.conformance.reference.graph_traversal import ancestors
from gradlaws.conformance.reference.jacobian_products import Formula
from gradlaws.conformance.reference.node import Node, record, untracked
from gradlaws.conformance.reference.outcomes import MustRaise
from gradlaws.conformance.reference.tensor import Tensor, alias, fresh


class Defined(Protocol):
    """What the user has defined, as an adapter is given it."""

    forward: Callable[..., tuple[Sequence[Tensor], Sequence[Tensor]]]
    backward: Callable[[Sequence[Tensor], Sequence[Tensor]], Sequence[Tensor | None]]
    constant: frozenset[int]
    once: bool


@dataclass
class Call:
    """One call of a user-defined function: values alone, so that it keeps no tensor of the program alive.

    results: as forward returned them, without history.
    saved:   what backward will be given.
    """

    function: Defined
    operands: Sequence[Node]
    results: Sequence[Node]
    saved: Sequence[Tensor] = ()

    def differentiable(self, k: int) -> bool:
        """Whether result number k may have a gradient."""
        return k not in self.function.constant and self.results[k].array.dtype.kind in "fc"


class UserFunctions(Backprop):
    """The verb that calls them."""

    def user_function(self, function: Defined, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """The results of a user-defined function; its backward defines the gradients, whatever its forward computes.

        Source of the rules: `torch.autograd.Function`, and the notes on extending PyTorch.
        """
        self._used(inputs)
        with self.mode(False):
            results, saved = function.forward(*inputs)
        operands = tuple(x.node if self.modes.enabled else untracked(x.node) for x in inputs)
        call = Call(function, operands, [untracked(x.node) for x in results])
        parts = [k for k in range(len(results)) if call.differentiable(k)]
        flat = laid_out([call.results[k] for k in parts])
        whole = Node(flat.array, None, tracked=bool(parts) and any(x.tracked for x in operands))
        whole.row, whole.inputs = formula(lambda g: self._pulled(call, parts, g), flat), operands
        made: list[Tensor] = []
        start = 0
        for k, result in enumerate(results):
            node = call.results[k]
            if k in parts and whole.tracked:
                node = part(whole, start, node)
            start += result.array.size if k in parts else 0
            made.append(alias(result, node))
            if self.dialect.intermediates == "kept" and self.modes.enabled:
                self._retaining.add(made[-1])
        own = dict(zip(map(id, results), made, strict=True))
        own.update((id(x), x) for x in inputs)  # what is handed through is saved as the operand
        call.saved = self._saved(whole, [own.get(id(x), x) for x in saved])
        return made

    def checkpoint(self, part: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """The results of a part whose inner values are computed again in backward: those of the part itself.

        What backward needs of it is the operands; an engine may refuse where these were modified, and need not where
        anything else was.
        """
        self._used(inputs)
        begun = Node(np.zeros(())).order
        operands = [x.kept("") for x in inputs]
        results = part(*inputs)
        for node in ancestors(x.node for x in results):
            if node.order > begun:
                node.kept = [kept._replace(law="") for kept in node.kept] + operands
        return results

    def _saved(self, whole: Node, saved: Sequence[Tensor]) -> Sequence[Tensor]:
        """Tensors as they are now, with their history: what was saved is not what is there later."""
        whole.kept += [x.kept("FUN-08") for x in saved]
        return [fresh(x.node) for x in saved]

    def _pulled(self, call: Call, parts: Sequence[int], g: Node) -> list[Node | None]:
        """What arrives at each operand, given what arrives at the results that are differentiable."""
        arriving = self._arriving(call, parts, g)
        if call.function.once and self.modes.enabled:
            with self.mode(False):
                answer = call.function.backward(call.saved, arriving)
            answer = [None if a is None else self._once(a, call, g) for a in answer]
        else:
            try:
                answer = call.function.backward(call.saved, arriving)
            except Exception:
                if not self.rehearsing:
                    raise
                answer = [None] * len(call.operands)  # what it has not said has not arrived
        return [self._fitting(a, x) for a, x in zip(answer, call.operands, strict=True)]

    def _arriving(self, call: Call, parts: Sequence[int], g: Node) -> list[Tensor]:
        """The gradient of each result: zeros where it was not used, or is not differentiable."""
        arriving: list[Tensor] = []
        start = 0
        for k, result in enumerate(call.results):
            if k in parts:
                arriving.append(fresh(part(g, start, result)))
                start += result.array.size
            else:
                arriving.append(fresh(Node(np.zeros_like(result.array))))
        return arriving

    def _once(self, answer: Tensor, call: Call, g: Node) -> Tensor:
        """A gradient from a formula that cannot be differentiated again: whoever tries is refused."""

        def refused(_: Node) -> Sequence[Node | None]:
            if not self.rehearsing:
                raise MustRaise("FUN-16", "a user-defined function that is differentiable once only")
            return [None] * (len(call.operands) + 1)

        inputs = (*call.operands, g)
        value = untracked(answer.node)
        return fresh(
            Node(value.array, formula(refused, value), inputs, tracked=any(x.tracked for x in inputs))
        )

    def _fitting(self, answer: Tensor | None, x: Node) -> Node | None:
        """A gradient as its operand has it: summed to its shape where that was broadcast, and of its dtype."""
        if answer is None:
            return None
        g = answer.node
        if not broadcasts(x.shape, g.shape):
            raise MustRaise("FUN-04", f"a gradient of shape {g.shape} for an operand of {x.shape}")
        g = summed_to(g, x.shape)
        if g.array.dtype != x.array.dtype:
            g = record(TABLE["cast"], (g,), {"dtype": str(x.array.dtype)})
        return g


def laid_out(values: Sequence[Node]) -> Node:
    """Values end to end, as a constant."""
    arrays = [x.array.ravel() for x in values] or [np.zeros(0)]
    array = np.concatenate(arrays)
    index = np.arange(1, array.size + 1)
    return Node(array, TABLE["take"], tuple(map(untracked, values)), {"index": index})


def part(whole: Node, start: int, like: Node) -> Node:
    """What was laid out from `start` on, of the shape and dtype of `like`."""
    index = start + np.arange(1, like.array.size + 1).reshape(like.shape)
    node: Node = record(TABLE["take"], (whole,), {"index": index})
    if node.array.dtype != like.array.dtype:
        node = record(TABLE["cast"], (node,), {"dtype": str(like.array.dtype)})
    return node


def formula(pull: Callable[[Node], Sequence[Node | None]], value: Node) -> Op:
    """The row of one call: `pull` says what arrives at its operands; `value`, how what it holds was computed."""
    return Op("user_function", "", Formula(pull, value))
