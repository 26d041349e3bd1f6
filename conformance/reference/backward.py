"""Backward and autograd.grad of the reference engine: who receives what, and whether it can still be had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.reference.broadcasting import broadcasts
from gradlaws.conformance.reference.error_bounds import Doubt, doubt, outlasting, unrounded
from gradlaws.conformance.reference.graph_traversal import Seeded, ancestors, backward, between, forward
from gradlaws.conformance.reference.jacobian_products import Formula, pull
from gradlaws.conformance.reference.node import Node, record
from gradlaws.conformance.reference.outcomes import MustRaise
from gradlaws.conformance.reference.saved_values import SavedValues
from gradlaws.conformance.reference.tensor import Tensor, fresh


class Backprop(SavedValues):
    """The verbs that differentiate."""

    _pull = staticmethod(pull)

    def __init__(self) -> None:
        super().__init__()
        self._retaining: WeakSet[Tensor] = WeakSet()

    def backward(
        self,
        roots: Sequence[Tensor],
        gradients: Sequence[Tensor | None] | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Sequence[Tensor] | None = None,
    ) -> Sequence[Tensor] | None:
        """Accumulate vector-Jacobian products into `.grad`; where backward returns something, returns the roots."""
        if any(not x.requires_grad for x in inputs or ()):
            self._may_raise("an input that does not require grad")
        seeded, path, receivers = self._plan(roots, gradients, inputs)
        retain = create_graph if retain_graph is None else retain_graph
        with self._freeing(path, retain):
            self._check_alive(path)
            arrived = self._bounded(seeded, path, [node for node, _ in receivers], create_graph)
        if self.dialect.intermediates == "root":
            given = {id(tensor) for _, tensor in receivers}
            for root, (_, seed) in zip((x for x in roots if x.requires_grad), seeded, strict=True):
                if id(root) not in given:
                    root.grad, root.error = fresh(Node(seed.array)), None
        for (_, tensor), (value, error) in zip(receivers, arrived, strict=True):
            if value is not None:
                if self.dialect.accumulation == "overwrites":
                    tensor.grad = tensor.error = None
                self._accumulate(tensor, value, error, create_graph)
        with self.mode(create_graph):
            for tensor in {id(t): t for t in self._called_back(receivers, [g for g, _ in arrived])}.values():
                for hook in list(tensor.post_hooks):
                    hook(tensor)
        return roots if self.dialect.returns == "something" else None

    @staticmethod
    def _called_back(receivers: list[tuple[Node, Tensor]], arrived: list[Node | None]) -> list[Tensor]:
        """Whose post-accumulate hooks run."""
        return [tensor for (_, tensor), g in zip(receivers, arrived, strict=True) if g is not None]

    def _plan(
        self,
        roots: Sequence[Tensor],
        gradients: Sequence[Tensor | None] | None,
        inputs: Sequence[Tensor] | None,
    ) -> tuple[Seeded, list[Node], list[tuple[Node, Tensor]]]:
        """(roots with their seeds, the nodes that gradients travel through, who receives them)."""
        seeded = self._seeded(roots, gradients)
        nodes = ancestors(root for root, _ in seeded)
        receivers = self._receivers(nodes, inputs)
        ends = [node for node, _ in receivers]
        if inputs is None:
            # A leaf whose flag was cleared receives nothing, but the graph is what was recorded.
            ends += [node for node in nodes if node.owner is not None and not node.owner.requires_grad]
        return seeded, between(nodes, ends), receivers

    def contributions(
        self,
        roots: Sequence[Tensor],
        gradients: Sequence[Tensor | None] | None = None,
        inputs: Sequence[Tensor] | None = None,
        hooked: bool = False,
        **_: Any,
    ) -> list[tuple[Tensor, Node]]:
        """What a backward would add to which tensors, were nothing freed or overwritten; changes nothing.

        hooked: let tensor hooks have their say; those that raise have none.
        """
        seeded, path, receivers = self._plan(roots, gradients, inputs)
        visit = self._tried if hooked else lambda node, g: g
        with self.rehearsal():
            arrived = backward(seeded, path, [node for node, _ in receivers], visit)
        found = zip(receivers, arrived, strict=True)
        return [(t, self._turned(value)) for (_, t), value in found if value is not None]

    def grad_contributions(
        self, roots: Sequence[Tensor], gradients: Sequence[Tensor | None] | None, inputs: Sequence[Tensor]
    ) -> list[tuple[Tensor, Node]]:
        """What an `autograd.grad` that fails may have added to which tensors: nothing."""
        return []

    def grad(
        self,
        roots: Sequence[Tensor],
        inputs: Sequence[Tensor],
        gradients: Sequence[Tensor | None] | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        allow_unused: bool = False,
        materialize_grads: bool = False,
    ) -> tuple[Tensor | None, ...]:
        """The same products as a tuple, one per input; touches no `.grad`."""
        for x in inputs:
            if not x.requires_grad:
                raise MustRaise("HO-09", "an input does not require grad")
        seeded = self._seeded(roots, gradients)
        nodes = ancestors(root for root, _ in seeded)
        known = {id(node) for node in nodes}
        targets = list({id(x.anchor): x.anchor for x in inputs if id(x.anchor) in known}.values())
        path = between(nodes, targets)
        retain = create_graph if retain_graph is None else retain_graph
        unused = len({id(t) for t in targets}) < len({id(x.anchor) for x in inputs})
        with self._freeing(path, retain):
            if unused and not (allow_unused or materialize_grads):
                # Whether it is noticed before the graph was used up is open.
                raise MustRaise("HO-05", "an input was not used in the graph")
            self._check_alive(path)
            products = self._bounded(seeded, path, targets, create_graph)
        arrived = dict(zip(map(id, targets), products, strict=True))
        found: list[Tensor | None] = []
        for x in inputs:
            value, error = arrived.get(id(x.anchor), (None, None))
            if value is None and (materialize_grads or id(x.anchor) in known):
                if not (materialize_grads or allow_unused):  # zeros, or called unused
                    self._may_raise("no gradient arrives, by an op's formula or a user-defined one")
                value = Node(np.zeros_like(x.array))
            if value is not None and not create_graph:
                value.noise = error
            found.append(None if value is None else fresh(value))
        return tuple(found)

    def _seeded(self, roots: Sequence[Tensor], gradients: Sequence[Tensor | None] | None) -> Seeded:
        if gradients is not None and len(gradients) != len(roots):
            raise MustRaise("ROOT-09", f"{len(roots)} roots and {len(gradients)} gradients")
        found = []
        for k, root in enumerate(roots):
            gradient = None if gradients is None else gradients[k]
            if not root.requires_grad:
                nothing = self.dialect.untracked_root == "nothing"
                self._unless(nothing, "ROOT-07", "a root does not require grad")
                continue
            node = root.node
            if gradient is None:
                if node.array.size != 1:
                    ones = self.dialect.bare_root == "any"
                    self._unless(ones, "ROOT-01", "only a root of one element has an implicit gradient")
                elif node.array.ndim and self.dialect.bare_root == "0-d":
                    raise MustRaise("ROOT-02", "only a root of no dimensions has an implicit gradient")
                if node.array.dtype.kind == "c":
                    raise MustRaise("ROOT-06", "only a real root has an implicit gradient")
                seed = Node(np.ones_like(node.array))
            else:
                if not isinstance(gradient, Tensor):
                    array = self.dialect.gradient_type == "array"
                    kind = type(gradient).__name__
                    self._unless(array, "ROOT-11", f"a gradient is a tensor or None, not {kind}")
                    gradient = fresh(Node(np.asarray(gradient, node.array.dtype)))
                fits = gradient.array.shape == node.array.shape
                if not fits:
                    self._unless(
                        self.dialect.gradient_shape == "broadcasts"
                        and broadcasts(gradient.array.shape, node.array.shape),
                        "ROOT-03",
                        f"a gradient of shape {gradient.array.shape} for a root of {node.array.shape}",
                    )
                if (gradient.array.dtype.kind == "c") != (node.array.dtype.kind == "c"):
                    raise MustRaise("ROOT-05", "one of gradient and root is complex, the other real")
                seed = gradient.node
                if not fits:
                    seed = record(TABLE["expand"], (seed,), {"shape": node.array.shape})
                if seed.array.dtype != node.array.dtype:
                    seed = record(TABLE["cast"], (seed,), {"dtype": str(node.array.dtype)})
            found.append((node, self._turned(seed)))
        return found

    def _receivers(self, nodes: list[Node], inputs: Sequence[Tensor] | None) -> list[tuple[Node, Tensor]]:
        """(node, the tensor whose .grad gets what arrives there)."""
        listed = None if inputs is None else {id(x) for x in inputs}
        found = [
            (node, node.owner)
            for node in nodes
            if node.owner is not None
            and node.owner.requires_grad
            and (listed is None or id(node.owner) in listed)
        ]
        # What is listed twice gets its gradient once, as in PyTorch.
        listed_too = {id(x): x for x in inputs or () if not x.is_leaf}.values()
        keepers = [(t.anchor, t) for t in listed_too] if inputs is not None else self._retainers()
        if keepers:
            known = {id(node) for node in nodes}
            found += [(place, t) for place, t in keepers if id(place) in known]
        return found

    def _retainers(self) -> list[tuple[Node, Tensor]]:
        """Who retains its gradient, and where in the history."""
        return [(t.anchor, t) for t in list(self._retaining)]

    def _bounded(self, *call: Any) -> list[tuple[Node | None, Doubt | None]]:
        """What `_products` finds, with bounds that can be had when the graph is gone."""
        found = [(node and self._turned(node), error) for node, error in self._products(*call)]
        return outlasting(found) if self.dialect.freed == "stops" else found

    def _products(
        self, seeded: Seeded, path: list[Node], targets: list[Node], create_graph: bool
    ) -> list[tuple[Node | None, Doubt | None]]:
        """For each target what arrives, and how to bound the error in it."""
        hooked = any([node.hooks or (node.owner is not None and node.owner.hooks) for node in path])
        hooked = hooked or any([node.row is not None and type(node.row.rule) is Formula for node in path])
        empty = not any([target.array.size for target in targets])
        values = None if hooked or create_graph or empty else forward(seeded, path, targets)
        if values is not None:
            pulled: list[Node | None] = []

            def bound_of(k: int) -> Doubt:
                def bound(onto: Array | None = None) -> Array:
                    # The other way's error, and how far the two ways are apart.
                    if not pulled:
                        pulled.extend(backward(seeded, path, targets, lambda node, g: g))
                    again = pulled[k]
                    if again is None:
                        return np.zeros(targets[k].shape)
                    return np.asarray(doubt(again)(onto) + np.abs(again.array - values[k]))

                return bound

            return [(Node(value), bound_of(k)) for k, value in enumerate(values)]
        found: list[tuple[Node | None, Doubt | None]] = []
        with self.mode(create_graph):
            arrived = backward(seeded, path, targets, self._visit, self._pull)
        for node in arrived:
            if node is None:
                found.append((None, None))
                continue
            kept = node if create_graph else Node(node.array)
            found.append((kept, doubt(node)))
        return found

    def _tried(self, node: Node, g: Node) -> Node:
        try:
            return self._visit(node, g)
        except Exception:
            return g

    def _visit(self, node: Node, g: Node) -> Node:
        hooks = node.owner.hooks if node.owner is not None else node.hooks or []
        g = self._turned(g)
        for hook in list(hooks):
            answer = hook(fresh(g))
            if answer is not None:
                if (
                    not isinstance(answer, Tensor)
                    or answer.array.shape != g.shape
                    or answer.array.dtype != g.array.dtype
                ):
                    raise MustRaise(
                        "HOOK-08", "a hook must return None or a tensor of the gradient's shape and dtype"
                    )
                g = answer.node
        return self._turned(g)

    @staticmethod
    def _accumulate(x: Tensor, value: Node, error: Doubt | None, create_graph: bool) -> None:
        if value.row is None and not create_graph:
            value.noise = error  # for what the program computes from the gradient
        total: Node | None = None
        if value.array.dtype != x.array.dtype:
            value = record(TABLE["cast"], (value,), {"dtype": str(x.array.dtype)})
        old, earlier = x.grad, x.error
        held = None if old is None else old.array
        if old is None:
            x.grad = fresh(value)
        elif create_graph or old.requires_grad:
            x.grad = fresh(old.node + value)
        else:
            total = Node(old.array + value.array)
            old.family.write(old.within, total, recorded=False)
        result = x.grad.array if x.grad else value.array

        def bound() -> Array:
            # An engine may add contribution by contribution, or their sum.
            exact = held is None or unrounded(held, value.array, result)
            own = error(None if exact else held) if error else np.zeros(value.shape)
            return np.asarray(own + (earlier() if earlier else 0.0))

        x.error = bound
        if total is not None:
            total.noise = bound
