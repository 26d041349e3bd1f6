"""Faults of the lifetime of graphs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any
from weakref import ReferenceType, ref

import numpy as np

from gradlaws.conformance.faults.base_engine import TapeEngine
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor


@fault("LIFE-01", "LIFE-06", strict=True)
class NeverFrees(Engine):
    """Graphs are kept although nobody asked for it, so that a mistaken second backward goes unnoticed."""

    def _freeing(self, path: Sequence[Node], retain: bool) -> AbstractContextManager[None]:  # type: ignore[override]
        return super()._freeing(path, True)


@fault("LIFE-01", "LIFE-06")
class ReadsWhatWasFreed(TapeEngine):
    """A second backward goes on with whatever is left where saved values were freed: zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: set[int] = set()

    def _check_alive(self, path: Sequence[Node]) -> None:
        self.gone = {id(node) for node in path if node.freed}

    def visit(self, node: Node, g: Node, seed: Node | None) -> Node:
        return Node(np.zeros_like(g.array)) if id(node) in self.gone else g


@fault("LIFE-02")
class StaleBuffers(TapeEngine):
    """The gradients of intermediate results survive in a kept graph and are added again."""

    def __init__(self) -> None:
        super().__init__()
        self.buffers: dict[Node, Node] = {}

    def visit(self, node: Node, g: Node, seed: Node | None) -> Node:
        if node.row is not None and seed is None:
            g = self.buffers[node] = g + self.buffers[node] if node in self.buffers else g
        return g


@fault("LIFE-03")
class CreateGraphFrees(Engine):
    """create_graph=True does not imply retain_graph=True."""

    def backward(self, *args: Any, **options: Any) -> None:
        super().backward(*args, **{**options, "retain_graph": bool(options.get("retain_graph"))})

    def grad(self, *args: Any, **options: Any) -> Any:
        return super().grad(*args, **{**options, "retain_graph": bool(options.get("retain_graph"))})


@fault("LIFE-03", strict=True)
class CreateGraphKeepsAnyway(Engine):
    """create_graph=True keeps the graph even with retain_graph=False."""

    def backward(self, *args: Any, **options: Any) -> None:
        keep = options.get("retain_graph") or options.get("create_graph")
        super().backward(*args, **{**options, "retain_graph": bool(keep)})


@fault("LIFE-06", strict=True)
class FreesTheRootOnly(Engine):
    """A backward marks its root as used up, not the graph below, which other roots may share."""

    def _freeing(self, path: Sequence[Node], retain: bool) -> AbstractContextManager[None]:  # type: ignore[override]
        return super()._freeing(path[-1:], retain)


@fault("LIFE-09")
class ClearsOnFailure(Engine):
    """Gradients are cleared before it turns out that the graph has been freed."""

    def _check_alive(self, path: Sequence[Node]) -> None:
        kept = [(node.owner, node.owner.grad) for node in path if node.owner is not None]
        for leaf, _ in kept:
            leaf.grad = None
        super()._check_alive(path)
        for leaf, grad in kept:
            leaf.grad = grad


@fault("LIFE-10")
class HoldsWeakly(Engine):
    """The graph refers to intermediate results weakly: where the program drops one, gradients stop."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[Node, ReferenceType[Tensor]] = {}

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        for x in made if isinstance(made, tuple) else (made,):
            self.held[x.node] = ref(x)
        return made

    def _plan(self, roots: Sequence[Tensor], gradients: Any, inputs: Any) -> Any:
        seeded, path, receivers = super()._plan(roots, gradients, inputs)
        alive = [node for node in path if node not in self.held or self.held[node]() is not None]
        return seeded, alive, receivers


@fault("LIFE-12")
class SleepsUnderNoGrad(Engine):
    """A backward within no_grad does nothing."""

    def backward(self, *args: Any, **options: Any) -> None:
        if self.modes.enabled:
            super().backward(*args, **options)
