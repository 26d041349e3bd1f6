"""Who writes to the .grad of tensors that retain theirs, and who begins to retain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import ref

from gradlaws.conformance.deviations.registry import deviation
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.error_bounds import doubt
from gradlaws.conformance.reference.graph_traversal import ORDER, Seeded, ancestors, backward, between
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor, fresh


def _on_the_way(
    engine: Engine, seeded: Seeded, path: list[Node]
) -> tuple[list[Node], list[tuple[Node, Tensor]]]:
    """The path with the roots, and who retains its gradient at which of its nodes."""
    nodes = {id(node): node for node in (*path, *(root for root, _ in seeded))}
    there = [(place, x) for place, x in engine._retainers() if id(place) in nodes]
    return sorted(nodes.values(), key=ORDER), there


@deviation
class ListedInputRetains(Engine):
    """A non-leaf that is listed in inputs= retains its gradient from then on."""

    def backward(
        self,
        roots: Sequence[Tensor],
        gradients: Sequence[Tensor | None] | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Sequence[Tensor] | None = None,
    ) -> Sequence[Tensor] | None:
        for x in inputs or ():
            if x.requires_grad and not x.is_leaf:
                self.retain_grad(x)
        return super().backward(roots, gradients, retain_graph, create_graph, inputs)


@deviation
class InputsLeaveRetained(Engine):
    """A backward with inputs= also adds to the .grad of those on its way, roots included, that retain theirs."""

    def _plan(self, roots: Any, gradients: Any, inputs: Any) -> Any:
        seeded, path, receivers = super()._plan(roots, gradients, inputs)
        if inputs is None:
            return seeded, path, receivers
        path, more = _on_the_way(self, seeded, path)
        listed = {id(x) for _, x in receivers}
        return seeded, path, receivers + [(place, x) for place, x in more if id(x) not in listed]


@deviation
class GradWritesRetained(Engine):
    """autograd.grad adds to the .grad of those on its way, roots included, that retain theirs; failing, it may have."""

    _functional = False

    def grad(
        self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any
    ) -> tuple[Tensor | None, ...]:
        self._functional = True
        try:
            return super().grad(roots, inputs, *args, **options)
        finally:
            self._functional = False

    def _products(self, seeded: Any, path: list[Node], targets: list[Node], create_graph: bool) -> list[Any]:
        if not self._functional:
            return super()._products(seeded, path, targets, create_graph)
        path, more = _on_the_way(self, seeded, path)
        found = super()._products(seeded, path, [*targets, *(place for place, _ in more)], create_graph)
        for (_, x), (value, error) in zip(more, found[len(targets) :], strict=True):
            if value is not None:
                self._accumulate(x, value, error, create_graph)
        return found[: len(targets)]

    def grad_contributions(
        self, roots: Sequence[Tensor], gradients: Any, inputs: Sequence[Tensor]
    ) -> list[tuple[Tensor, Node]]:
        seeded = self._seeded(roots, gradients)
        nodes = ancestors(root for root, _ in seeded)
        path, more = _on_the_way(self, seeded, between(nodes, [x.anchor for x in inputs]))
        with self.rehearsal():
            arrived = backward(seeded, path, [place for place, _ in more], self._tried)
        return [(x, value) for (_, x), value in zip(more, arrived, strict=True) if value is not None]


@deviation
class RetainingHooksOverwrite(Engine):
    """retain_grad() is a hook like others, which stays where the tensor is then, and puts what it is shown into .grad.

    So hooks registered later have not run, what is written later does not count, `autograd.grad` calls it, and
    another backward overwrites.
    """

    def retain_grad(self, x: Tensor) -> None:
        if not x.retains:
            super().retain_grad(x)
            if x.retains:
                self.register_hook(x, self._storing(ref(x)))

    def _receivers(self, nodes: list[Node], inputs: Sequence[Tensor] | None) -> list[tuple[Node, Tensor]]:
        return [(node, x) for node, x in super()._receivers(nodes, inputs) if x.is_leaf]

    def _storing(self, holder: ref[Tensor]) -> Callable[[Tensor], None]:
        def store(g: Tensor) -> None:
            if (x := holder()) is not None and not self.rehearsing:
                x.grad, x.error = fresh(Node(g.array)), doubt(g.node)

        return store
