"""Faults of retain_grad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, ref

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.graph_traversal import ancestors
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor, fresh

Receivers = list[tuple[Node, Tensor]]
Inputs = Sequence[Tensor] | None


@fault("RET-01", "RET-12", "RET-13")
class RetainsNothing(ReferenceBackend):
    """retain_grad() sets the flag, and no gradient ever arrives."""

    def make_engine(self) -> Engine:
        return _Forgetful()


class _Forgetful(Engine):
    def _receivers(self, nodes: list[Node], inputs: Inputs) -> Receivers:
        return [(node, x) for node, x in Engine._receivers(self, nodes, inputs) if x.is_leaf]


@fault("RET-02")
class RetainsLeavesToo(Engine):
    """A leaf that is told to retain its gradient gets it twice: as a leaf, and as one that retains."""

    def retain_grad(self, x: Tensor) -> None:
        Engine.retain_grad(self, x)
        self._retaining.add(x)


@fault("RET-02", "RET-03")
class MarksLeaves(ReferenceBackend):
    """retains_grad becomes True on leaves."""

    def retain_grad(self, x: Tensor) -> None:
        super().retain_grad(x)
        x.retains = True

    def retains_grad(self, x: Tensor) -> bool:
        return x.retains


@fault("RET-03")
class MarksAllThatIsTracked(ReferenceBackend):
    """retains_grad is True for every tracked non-leaf, asked or not."""

    def retains_grad(self, x: Tensor) -> bool:
        return x.requires_grad and not x.is_leaf


@fault("RET-04")
class RetainsOncePerCall(Engine):
    """Each call of retain_grad() registers the tensor once more, and its gradient is added as many times."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: WeakKeyDictionary[Tensor, int] = WeakKeyDictionary()

    def retain_grad(self, x: Tensor) -> None:
        Engine.retain_grad(self, x)
        self.calls[x] = self.calls.get(x, 0) + 1

    def _receivers(self, nodes: list[Node], inputs: Inputs) -> Receivers:
        found = Engine._receivers(self, nodes, inputs)
        return [pair for pair in found for _ in range(1 if pair[1].is_leaf else self.calls.get(pair[1], 1))]


@fault("RET-05")
class RetainsConstants(ReferenceBackend):
    """retain_grad() on an untracked tensor is silently accepted."""

    def retain_grad(self, x: Tensor) -> None:
        if x.requires_grad:
            super().retain_grad(x)


@fault("RET-10")
class RetainsEverything(ReferenceBackend):
    """Every gradient is kept in secret, and retain_grad() makes visible what was computed before."""

    def make_engine(self) -> Engine:
        return _Secretive()

    def grad(self, x: Tensor) -> Tensor | None:
        return x.grad if x.is_leaf or x.retains else None


class _Secretive(Engine):
    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = Engine.apply(self, op, *inputs, **params)
        for x in made if isinstance(made, tuple) else (made,):
            if x.requires_grad:
                self._retaining.add(x)
        return made


@fault("RET-11")
class RetainsOnlyUnused(Engine):
    """retain_grad() comes too late once another tensor has been computed from the tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.used: WeakSet[Tensor] = WeakSet()

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = Engine.apply(self, op, *inputs, **params)
        self.used.update(inputs)
        return made

    def retain_grad(self, x: Tensor) -> None:
        Engine.retain_grad(self, x)
        if x in self.used:
            self._retaining.discard(x)


@fault("RET-12")
class RootsDoNotRetain(Engine):
    """The gradient of the root itself is thrown away, as there is no op after it."""

    def _plan(self, roots: Sequence[Tensor], gradients: Any, inputs: Inputs) -> Any:
        seeded, path, receivers = Engine._plan(self, roots, gradients, inputs)
        return (
            seeded,
            path,
            [(node, x) for node, x in receivers if x.is_leaf or not any(x is root for root in roots)],
        )


@fault("RET-13", "RET-14")
class RetainsTheOldValue(Engine):
    """After an in-place op a retained gradient is still that of the value before it."""

    #: Whether only views are stuck there.
    views = False

    def __init__(self) -> None:
        super().__init__()
        self.places: WeakKeyDictionary[Tensor, Node] = WeakKeyDictionary()

    def retain_grad(self, x: Tensor) -> None:
        Engine.retain_grad(self, x)
        self.places.setdefault(x, x.anchor)

    def _receivers(self, nodes: list[Node], inputs: Inputs) -> Receivers:
        known = {id(node) for node in nodes}
        stuck = [x for x in self.places if not x.is_leaf and not (self.views and x.is_root)]
        found = [
            (node, x) for node, x in Engine._receivers(self, nodes, inputs) if not any(x is y for y in stuck)
        ]
        return found + [(self.places[x], x) for x in stuck if id(self.places[x]) in known]


@fault("RET-14")
class ViewsRetainTheOldValue(RetainsTheOldValue):
    """The same for views only: an in-place op moves what retains on its target, and forgets the views."""

    views = True


@fault("RET-17")
class RetainingIsAHook(_Forgetful):
    """retain_grad() is one hook among others, so hooks registered after it have not yet been run."""

    def retain_grad(self, x: Tensor) -> None:
        if not x.retains:
            Engine.retain_grad(self, x)
            if x.retains:
                self.register_hook(x, self._storing(ref(x)))

    def _storing(self, holder: ref[Tensor]) -> Any:
        def store(g: Tensor) -> None:
            x = holder()
            if x is not None:
                x.grad = fresh(g.node if x.grad is None else x.grad.node + g.node)

        return store


@fault("RET-19")
class KeepsRetainingTensorsAlive(Engine):
    """The list of tensors that retain their gradient owns them."""

    def __init__(self) -> None:
        super().__init__()
        self.owned: list[Tensor] = []

    def retain_grad(self, x: Tensor) -> None:
        Engine.retain_grad(self, x)
        self.owned.append(x)


@fault("RET-20")
class RetainingCutsTheGraph(Engine):
    """A gradient that is retained goes no further: what the tensor was computed from gets nothing."""

    def _receivers(self, nodes: list[Node], inputs: Inputs) -> Receivers:
        found = Engine._receivers(self, nodes, inputs)
        below = {id(node) for place, x in found if not x.is_leaf for node in ancestors(place.inputs)}
        return [(node, x) for node, x in found if not x.is_leaf or id(node) not in below]


@fault("RET-20")
class RetainingCountsForLeaves(Engine):
    """Whatever is retained is also added to the leaves of the same shape."""

    def _receivers(self, nodes: list[Node], inputs: Inputs) -> Receivers:
        found = Engine._receivers(self, nodes, inputs)
        kept = [(node, x) for node, x in found if not x.is_leaf]
        extra = [
            (place, x)
            for place, _ in kept[:1]
            for node, x in found
            if x.is_leaf and node.shape == place.shape
        ]
        return found + extra
