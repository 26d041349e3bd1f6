"""When hooks run, and what becomes of what they return."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from gradlaws.conformance.deviations.registry import deviation
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.error_bounds import doubt
from gradlaws.conformance.reference.graph_traversal import ancestors
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.outcomes import MustRaise
from gradlaws.conformance.reference.tensor import Tensor
from gradlaws.conformance.reference.user_functions import Defined


@deviation
class AskedBeforeItsHooks(Engine):
    """An input of autograd.grad from which another one is reached gets its gradient as it was before its hooks."""

    _before: dict[int, Node] | None = None

    def grad(
        self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any
    ) -> tuple[Tensor | None, ...]:
        self._before = {}
        try:
            return super().grad(roots, inputs, *args, **options)
        finally:
            self._before = None

    def _visit(self, node: Node, g: Node) -> Node:
        if self._before is not None:
            self._before.setdefault(id(node), g)
        return super()._visit(node, g)

    def _products(self, seeded: Any, path: list[Node], targets: list[Node], create_graph: bool) -> list[Any]:
        found = super()._products(seeded, path, targets, create_graph)
        within = {id(node) for node in path}
        before = self._before or {}
        for k, node in enumerate(targets):
            g = before.get(id(node))
            if g is not None and any(id(x) in within for x in node.inputs):
                found[k] = (g if create_graph else Node(g.array)), doubt(g)
        return found


@deviation
class FrozenLeafCallsBack(Engine):
    """Post-accumulate hooks run at a leaf whose flag was cleared, though nothing is accumulated there."""

    def _plan(self, roots: Any, gradients: Any, inputs: Any) -> Any:
        seeded, path, receivers = super()._plan(roots, gradients, inputs)
        owners = {id(node.owner): node.owner for node in path if inputs is None and node.owner is not None}
        self._frozen = [x for x in owners.values() if not x.requires_grad]
        return seeded, path, receivers

    def contributions(self, *args: Any, **options: Any) -> list[tuple[Tensor, Node]]:
        """Nothing to a leaf whose hooks a backward that fails may have called all the same."""
        found = super().contributions(*args, **options)
        called = [x for x in self._frozen if x.post_hooks and x.grad is not None]
        return found + [(x, Node(np.zeros_like(x.array))) for x in called]

    def backward(self, *args: Any, **options: Any) -> Sequence[Tensor] | None:
        done = super().backward(*args, **options)
        for x in self._frozen:
            for hook in list(x.post_hooks):
                hook(x)
        return done


@deviation
class NothingCallsBack(Engine):
    """Post-accumulate hooks run at a leaf on the way to which a user-defined function returned None."""

    @staticmethod
    def _called_back(receivers: list[tuple[Node, Tensor]], arrived: list[Node | None]) -> list[Tensor]:
        return [tensor for _, tensor in receivers]


@deviation
class SiblingsAreTold(Engine):
    """A hook on one of several results of an op is called with None where a gradient comes to another alone."""

    def __init__(self) -> None:
        super().__init__()
        self._siblings: WeakKeyDictionary[Tensor, Sequence[Node]] = WeakKeyDictionary()
        self._hooked: list[tuple[Node, Sequence[Node]]] = []

    def _born(self, made: Sequence[Tensor]) -> None:
        places = [x.anchor for x in made]
        self._siblings.update((x, places) for x in made)

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        if isinstance(made, tuple):
            self._born(made)
        return made

    def user_function(self, function: Defined, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        made = super().user_function(function, inputs)
        self._born(made)
        return made

    def register_hook(self, x: Tensor, hook: Callable[[Tensor], Any]) -> Any:
        handle = super().register_hook(x, hook)
        self._hooked.append((x.anchor, self._siblings.get(x, ())))
        return handle

    def _products(self, seeded: Any, path: list[Node], targets: list[Node], create_graph: bool) -> list[Any]:
        found = super()._products(seeded, path, targets, create_graph)
        within = {id(node) for node in path}
        for node, siblings in {id(node): (node, siblings) for node, siblings in self._hooked}.values():
            if id(node) not in within and not within.isdisjoint(map(id, siblings)):
                for hook in list(node.hooks or ()):
                    hook(None)
        return found


@deviation
class HooksSeeEachContribution(Engine):
    """A hook is called with each contribution to a gradient as it arrives, and twice at a leaf that is a root.

    An op takes its turn when as many contributions have come as other ops use its result. Whatever the roots depend
    on is gone through, asked for or not.
    """

    @np.errstate(all="ignore")
    def _products(self, seeded: Any, path: list[Node], targets: list[Node], create_graph: bool) -> list[Any]:
        path = ancestors(root for root, _ in seeded)
        composed = [node.row is not None and node.row.name == "sub" for node in path]  # a - b is a + -b
        used = [list(map(id, node.inputs)) for node in path]
        uses = Counter(x for xs, two in zip(used, composed, strict=True) for x in (xs if two else {*xs}))
        within, came = {id(node) for node in path}, Counter[int]()
        arrived, pending = dict[int, Node](), dict[int, Node]()
        ready = deque[Node | tuple[Node, Node]]()

        def add(node: Node, part: Node) -> None:
            part = self._visit(node, part)
            for sums in (arrived, pending):
                old = sums.get(id(node))
                sums[id(node)] = part if old is None else old + part
            came[id(node)] += 1
            if came[id(node)] >= uses[id(node)]:
                ready.append(node)

        with self.mode(create_graph):
            for root, seed in seeded:
                if id(root) in within:
                    add(root, self._visit(root, seed) if root.row is None else seed)
            while ready:
                node = ready.popleft()
                if isinstance(node, tuple):
                    add(*node)
                    continue
                g = pending.pop(id(node), None)
                parts = () if g is None or node.row is None else self._pull(node, g)
                for place, (operand, part) in enumerate(zip(node.inputs, parts, strict=False)):
                    if part is None or id(operand) not in within:
                        continue
                    if place and node.row is not None and node.row.name == "sub":
                        ready.append((operand, part))
                    else:
                        add(operand, part)
        found = [arrived.get(id(target)) for target in targets]
        return [
            (None, None) if g is None else (g if create_graph else Node(g.array), doubt(g)) for g in found
        ]


@deviation
class HookErrorsAreReplaced(Engine):
    """Where a hook raises, an error of the engine's own comes out."""

    def _visit(self, node: Node, g: Node) -> Node:
        try:
            return super()._visit(node, g)
        except MustRaise:
            raise
        except Exception as error:
            raise MustRaise("HOOK-09", "a hook has raised") from error
