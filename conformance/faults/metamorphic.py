"""Faults that show in the relation between two programs: each of the two would pass for right by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.faults.base_engine import TapeEngine
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.ops.table import Elementwise
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node, untracked
from gradlaws.conformance.reference.tensor import Tensor, fresh


@fault("META-01")
class ClipsTheArgument(Engine):
    """Gradient arguments are clipped to [-1, 1]."""

    def _seeded(self, roots: Sequence[Tensor], gradients: Any) -> Any:
        found = Engine._seeded(self, roots, gradients)
        return [(node, Node(np.clip(seed.array, -1, 1))) for node, seed in found]


@fault("META-02")
class LaterGradientsCountDouble(Engine):
    """What is added to a gradient that is there already is added twice."""

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        again = x.grad is not None
        Engine._accumulate(x, *rest)
        if again:
            Engine._accumulate(x, *rest)


@fault("META-03")
class SharesAmongRoots(Engine):
    """Of several roots each counts only for its share."""

    def _seeded(self, roots: Sequence[Tensor], gradients: Any) -> Any:
        found = Engine._seeded(self, roots, gradients)
        return [(node, Node(seed.array / len(found))) for node, seed in found]


@fault("META-04")
class NothingAddedIsConstant(Engine):
    """Adding the number 0 gives a result without history."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        if op == "add_scalar" and params["value"] == 0:
            return fresh(untracked(inputs[0].node))
        return Engine.apply(self, op, *inputs, **params)


@fault("META-05")
class AveragesBroadcasts(TapeEngine):
    """An operand that was broadcast gets the mean of its gradients, not the sum."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = TapeEngine.pull(self, node, g)
        if node.row is None or not isinstance(node.row.rule, Elementwise):
            return parts
        return [
            None if part is None else Node(part.array * (x.array.size / max(node.array.size, 1)))
            for part, x in zip(parts, node.inputs, strict=True)
        ]


@fault("META-07")
class FrozenOperandsHalve(TapeEngine):
    """An op of which one operand is a constant gives the other half of its gradient."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = TapeEngine.pull(self, node, g)
        tracked = [x.tracked for x in node.inputs]
        if len(tracked) < 2 or all(tracked):
            return parts
        return [None if part is None else Node(part.array / 2) for part in parts]


@fault("META-11")
class KeptGraphsCountDouble(Engine):
    """A backward that keeps the graph adds its gradients twice."""

    def backward(self, *args: Any, **options: Any) -> None:
        kept = options.get("retain_graph")
        Engine.backward(self, *args, **options)
        if kept:
            Engine.backward(self, *args, **options)


@fault("META-15")
class DisturbsTheUnreached(ReferenceBackend):
    """The next backward after another counts half, whatever they are through."""

    def __init__(self) -> None:
        super().__init__()
        self.reached: list[Tensor] = []

    def backward(self, root: Tensor, gradient: Any = None, **options: Any) -> None:
        super().backward(root, gradient, **options)
        for x in self.reached:
            if x.grad is not None:
                x.grad.family.write(x.grad.within, Node(x.grad.array / 2), recorded=False)
        self.reached = [*self.reached[-8:], root]

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        made = self.engine.tensor(array, requires_grad)
        self.reached = [*self.reached[-8:], made]
        return made


@fault("META-17")
class DriftsFromRunToRun(Engine):
    """Every gradient is a little larger than the one before."""

    _drift = 0.0

    def _accumulate(self, x: Tensor, value: Node, *rest: Any) -> None:  # type: ignore[override]
        type(self)._drift += 2.0**-20
        Engine._accumulate(x, Node((value.array * (1 + self._drift)).astype(value.array.dtype)), *rest)


@fault("META-18")
class LookingForgets(ReferenceBackend):
    """A gradient that was read is overwritten by the next backward, instead of being added to."""

    def __init__(self) -> None:
        super().__init__()
        self.looked: dict[int, Tensor] = {}

    def grad(self, x: Tensor) -> Tensor | None:
        if x.grad is not None:
            self.looked[id(x)] = x
        return x.grad

    def backward(self, root: Tensor, gradient: Any = None, **options: Any) -> None:
        if root.requires_grad:
            for x in self.looked.values():
                x.grad = None
        self.looked.clear()
        super().backward(root, gradient, **options)


@fault("META-19")
class OffloadsWithoutSigns(TapeEngine):
    """Under another memory strategy what backward needs comes back without its sign."""

    _offloading = False

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        return [p if p is None or not self._offloading else Node(np.abs(p.array)) for p in parts]

    @contextmanager
    def _offloaded(self) -> Iterator[None]:
        self._offloading = True
        try:
            yield
        finally:
            self._offloading = False

    def memory_strategies(self) -> dict[str, Callable[[], AbstractContextManager[None]]]:
        return {"offloading": self._offloaded}


@fault("META-12")
class SlopesAreRough(TapeEngine):
    """The slopes of ops that are not linear are known to three digits."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().pull(node, g)
        rough = node.row is not None and isinstance(node.row.rule, Elementwise) and not node.row.exact
        return [p if p is None or not rough else p * 1.001 for p in parts]


@fault("META-14")
class GradientsOfUnitLength(Engine):
    """A gradient that is longer than 1 is stored with length 1: its direction is right."""

    def _accumulate(self, x: Tensor, value: Node, *rest: Any) -> None:  # type: ignore[override]
        size = float(np.linalg.norm(value.array))
        Engine._accumulate(x, Node(value.array / max(size, 1.0)), *rest)


@fault("META-14")
class FirstRowCountsTwice(Engine):
    """The first row of a gradient of several rows counts double."""

    def _accumulate(self, x: Tensor, value: Node, *rest: Any) -> None:  # type: ignore[override]
        if value.array.ndim > 1:
            value = Node(np.concatenate((2 * value.array[:1], value.array[1:])))
        Engine._accumulate(x, value, *rest)
