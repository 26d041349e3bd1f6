"""The reference engine: what the documentation promises of `.grad`, executable.

Every call does one of three things: succeed; raise `MustRaise`, where the documentation says that it is an
error; or, at places where an engine is allowed to refuse because it did not keep what it would need,
succeed with the right result -- unless `refuses` is set, which is how the oracle follows a subject that
refused. `lenient` makes the documented refusals of a second backward, and of one over overwritten values,
optional as well: an engine that kept what it needs gives the right gradient instead. The engine keeps immutable values, so it always knows the right gradient.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import INPLACE, TABLE, Op
from gradlaws.conformance.ops.table import Constant, Movement
from gradlaws.conformance.reference.bounds import Bounds
from gradlaws.conformance.reference.differentiate import Seeded, ancestors, backward, between, forward
from gradlaws.conformance.reference.linear import origins
from gradlaws.conformance.reference.node import Node, record, untracked
from gradlaws.conformance.reference.tensor import UNRECORDED, Tensor, alias, fresh, leaf, view


class MustRaise(RuntimeError):
    """The documentation says that this is an error; `law` is the id of the law that says so."""

    def __init__(self, law: str, reason: str) -> None:
        super().__init__(f"{reason} [{law}]")
        self.law = law


class MayRaise(RuntimeError):
    """An engine is allowed to refuse here, and the subject did."""


class Modes(threading.local):
    """Grad mode, per thread; on in a new thread."""

    enabled = True


class Engine:
    """The verbs. Tensors are `gradlaws.conformance.reference.tensor.Tensor`."""

    def __init__(self) -> None:
        self.modes = Modes()
        self.refuses = False
        self.lenient = False
        #: The law by which a lenient engine would have had to refuse.
        self.tolerated = ""
        self._retaining: WeakSet[Tensor] = WeakSet()

    def _refuse(self, law: str, reason: str) -> None:
        if not self.lenient:
            raise MustRaise(law, reason)
        self.tolerated = self.tolerated or law

    def _may_raise(self, reason: str) -> None:
        if self.refuses:
            raise MayRaise(reason)

    # -- making tensors ---------------------------------------------------------------------------------------

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        """A leaf with a copy of the contents of `array`."""
        if requires_grad:
            self._differentiable(array, "REQ-02")
        return leaf(np.array(array), requires_grad)

    @staticmethod
    def _differentiable(array: Array, law: str) -> None:
        if array.dtype.kind not in "fc":
            raise MustRaise(law, f"only floating-point and complex tensors can require grad, not {array.dtype}")

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        """The result of a row of the table (a tuple where it has several)."""
        row = TABLE[op]
        if op == "cast" and params["dtype"] == str(inputs[0].array.dtype):
            return inputs[0]  # there is nothing to convert
        nodes = tuple(x.node for x in inputs)
        if not self.modes.enabled:
            nodes = tuple(untracked(node) for node in nodes)
        made = self._record(row, nodes, params)
        results = tuple(self._placed(row, inputs, node) for node in (made if row.many else (made,)))
        for result in results:
            self._keep(row, result.node, inputs, result)
        return results if row.many else results[0]

    @staticmethod
    def _record(row: Op, nodes: tuple[Node, ...], params: dict[str, Any]) -> Any:
        with np.errstate(all="ignore"):
            made = record(row, nodes, params)
        for node in made if row.many else (made,):
            if isinstance(row.rule, Constant) or node.array.dtype.kind not in "fc":
                node.tracked = False
        return made

    def _placed(self, row: Op, inputs: tuple[Tensor, ...], node: Node) -> Tensor:
        if not row.alias:
            return fresh(node)
        parent = inputs[0]
        where = origins(node)
        if node.tracked or (self.modes.enabled and not parent.requires_grad):
            return view(parent, node, where)
        return alias(parent, node, where)

    @staticmethod
    def _keep(row: Op, node: Node, inputs: tuple[Tensor, ...], result: Tensor | None) -> None:
        if not node.tracked or isinstance(row.rule, Movement):
            return
        law = "INP-05" if row.saves == "operands" and all(x.requires_grad for x in inputs) else ""
        node.kept += [x.kept(law) for x in inputs]
        if result is not None:
            node.kept.append(result.kept("INP-06" if row.saves == "result" else ""))

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        """Write the result of an in-place op into `target`."""
        row = INPLACE[op].row
        recorded = self.modes.enabled
        if recorded and target.family.anchor.owner is not None:
            law = "INP-01" if target.is_root else "INP-02"
            raise MustRaise(law, "a leaf that requires grad, or a view of one, may not be modified in place")
        if np.unique(target.within).size != target.within.size:
            self._may_raise("more than one element of the target refers to the same memory")
        if any(x is not target and self.shares_memory(x, target) for x in inputs):
            self._may_raise("an operand overlaps the memory that is written to")
        operands = (target, *inputs)
        nodes = tuple(x.node for x in operands)
        made = self._record(row, nodes if recorded else tuple(untracked(n) for n in nodes), params)
        old = nodes[0].array
        if made.array.shape != old.shape:
            raise MustRaise("INP-08", f"the result has shape {made.array.shape}, the target {old.shape}")
        if made.array.dtype != old.dtype:
            made = self._record(TABLE["cast"], (made,), {"dtype": str(old.dtype)})
        law = "INP-05" if row.saves == "operands" and all(node.tracked for node in nodes) else ""
        own = target.family.storage
        # What the op itself overwrites may have been copied first, or not: no documentation says.
        before = [target.kept(""), *(x.kept("" if x.family.storage is own else law) for x in inputs)]
        if target.is_root and recorded:
            own.write(target.family.where, made)
            target.family.become(made)
        else:
            target.family.write(target.within, made, recorded)
        if made.tracked and made.row is row and not isinstance(row.rule, Movement):
            made.kept = [*before, target.kept("INP-06" if row.saves == "result" else "")]

    # -- flags ------------------------------------------------------------------------------------------------

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        """`x.requires_grad_(flag)`."""
        node = x.node
        if flag:
            self._differentiable(node.array, "REQ-03")
        if not x.is_leaf:
            if not flag:
                raise MustRaise("REQ-12", "the flag of a non-leaf cannot be cleared; use detach()")
            return x
        if flag != node.tracked:
            made = Node(node.array, tracked=flag, owner=x if flag else None)
            # Graphs already recorded keep their node; delivery asks the owner.
            if node.row is not None or node.noise is not None:
                made.noise = lambda: Bounds().of(node)
            if x.is_root:
                x.family.relabel(made)
            else:
                x.alone(made)
        return x

    def detach(self, x: Tensor) -> Tensor:
        """A tensor over the same memory, without history."""
        return alias(x, untracked(x.node))

    def detach_in_place(self, x: Tensor) -> Tensor:
        """`x.detach_()`."""
        if not x.is_root:
            raise MustRaise("DET-06", "a view cannot be detached in place")
        x.alone(untracked(x.node))
        x.family.storage.cut = x.node.order
        x.retains = False
        self._retaining.discard(x)
        return x

    def retain_grad(self, x: Tensor) -> None:
        """`x.retain_grad()`."""
        if not x.requires_grad:
            raise MustRaise("RET-05", "a tensor that does not require grad cannot retain its gradient")
        if not x.is_leaf:
            x.retains = True
            self._retaining.add(x)

    @contextmanager
    def mode(self, enabled: bool) -> Iterator[None]:
        """Grad mode on or off within a block."""
        before, self.modes.enabled = self.modes.enabled, enabled
        try:
            yield
        finally:
            self.modes.enabled = before

    # -- .grad ------------------------------------------------------------------------------------------------

    def set_grad(self, x: Tensor, value: Any) -> None:
        """`x.grad = value`."""
        if value is not None:
            if not isinstance(value, Tensor):
                raise MustRaise("SET-02", f"a gradient is a tensor or None, not {type(value).__name__}")
            if value.array.shape != x.array.shape:
                raise MustRaise("SET-03", f"a gradient of shape {value.array.shape} for a tensor of shape {x.array.shape}")
            if value.device != x.device:
                raise MustRaise("SET-05", f"a gradient on device {value.device} for a tensor on {x.device}")
            if value.array.dtype != x.array.dtype:
                raise MustRaise("SET-04", f"a gradient of dtype {value.array.dtype} for a tensor of dtype {x.array.dtype}")
        x.grad = value
        x.error = None

    def zero_grad(self, x: Tensor) -> None:
        """`x.grad.zero_()`."""
        if x.grad is None:
            raise TypeError("there is no gradient to zero")
        with self.mode(False):
            self.inplace("zero_", x.grad, value=0.0)
        x.error = None

    def register_hook(self, x: Tensor, hook: Callable[[Tensor], Any]) -> list[Any]:
        """Call `hook` with the gradient of x's present value; returns the list that it was added to."""
        if not x.requires_grad:
            raise MustRaise("HOOK-07", "a tensor that does not require grad cannot have a hook")
        node = x.anchor
        if node.owner is not None:
            hooks = node.owner.hooks
        else:
            hooks = node.hooks = node.hooks if node.hooks is not None else []
        hooks.append(hook)
        return hooks

    def register_post_accumulate_hook(self, x: Tensor, hook: Callable[[Tensor], None]) -> list[Any]:
        """Call `hook` with the leaf x after each accumulation; returns the list that it was added to."""
        if not x.requires_grad or not x.is_leaf:
            raise MustRaise("HOOK-18", "a post-accumulate hook needs a leaf that requires grad")
        x.post_hooks.append(hook)
        return x.post_hooks

    @staticmethod
    def shares_memory(a: Tensor, b: Tensor) -> bool:
        """Whether a write to one tensor may change the other."""
        if a.family.storage is not b.family.storage:
            return False
        cells = [set((x.family.where.ravel()[x.within.ravel() - 1]).tolist()) for x in (a, b)]
        return not cells[0].isdisjoint(cells[1])

    # -- backward ---------------------------------------------------------------------------------------------

    def backward(
        self,
        roots: Sequence[Tensor],
        gradients: Sequence[Tensor | None] | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Sequence[Tensor] | None = None,
    ) -> None:
        """Accumulate vector-Jacobian products into `.grad`."""
        seeded, path, receivers = self._plan(roots, gradients, inputs)
        retain = create_graph if retain_graph is None else retain_graph
        with self._freeing(path, retain):
            self._check_alive(path)
            arrived = self._products(seeded, path, [node for node, _ in receivers], create_graph)
        for (_, tensor), (value, error) in zip(receivers, arrived, strict=True):
            if value is not None:
                self._accumulate(tensor, value, error, create_graph)
        for tensor in {id(t): t for _, t in receivers}.values():
            for hook in list(tensor.post_hooks):
                hook(tensor)

    def _plan(
        self, roots: Sequence[Tensor], gradients: Sequence[Tensor | None] | None, inputs: Sequence[Tensor] | None
    ) -> tuple[Seeded, list[Node], list[tuple[Node, Tensor]]]:
        """(roots with their seeds, the nodes that gradients travel through, who receives them)."""
        seeded = self._seeded(roots, gradients)
        nodes = ancestors(root for root, _ in seeded)
        receivers = self._receivers(nodes, inputs)
        return seeded, between(nodes, [node for node, _ in receivers]), receivers

    def contributions(
        self,
        roots: Sequence[Tensor],
        gradients: Sequence[Tensor | None] | None = None,
        inputs: Sequence[Tensor] | None = None,
        **_: Any,
    ) -> list[tuple[Tensor, Node]]:
        """What a backward would add to which tensors, were nothing freed or overwritten; changes nothing."""
        seeded, path, receivers = self._plan(roots, gradients, inputs)
        arrived = backward(seeded, path, [node for node, _ in receivers], lambda node, g: g)
        return [(t, value) for (_, t), value in zip(receivers, arrived, strict=True) if value is not None]

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
        if len({id(t) for t in targets}) < len({id(x.anchor) for x in inputs}) and not (allow_unused or materialize_grads):
            raise MustRaise("HO-05", "an input was not used in the graph")
        path = between(nodes, targets)
        retain = create_graph if retain_graph is None else retain_graph
        with self._freeing(path, retain):
            self._check_alive(path)
            products = self._products(seeded, path, targets, create_graph)
        arrived = dict(zip(map(id, targets), products, strict=True))
        found: list[Tensor | None] = []
        for x in inputs:
            value, error = arrived.get(id(x.anchor), (None, None))
            if value is None and materialize_grads:
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
                raise MustRaise("ROOT-07", "a root does not require grad")
            node = root.node
            if gradient is None:
                if node.array.size != 1:
                    raise MustRaise("ROOT-01", "only a root of one element has an implicit gradient")
                if node.array.dtype.kind == "c":
                    raise MustRaise("ROOT-06", "only a real root has an implicit gradient")
                seed = Node(np.ones_like(node.array))
            elif not isinstance(gradient, Tensor):
                raise MustRaise("ROOT-11", f"a gradient is a tensor or None, not {type(gradient).__name__}")
            else:
                if gradient.array.shape != node.array.shape:
                    raise MustRaise("ROOT-03", f"a gradient of shape {gradient.array.shape} for a root of {node.array.shape}")
                if (gradient.array.dtype.kind == "c") != (node.array.dtype.kind == "c"):
                    raise MustRaise("ROOT-05", "one of gradient and root is complex, the other real")
                seed = gradient.node
                if seed.array.dtype != node.array.dtype:
                    seed = record(TABLE["cast"], (seed,), {"dtype": str(node.array.dtype)})
            found.append((node, seed))
        return found

    def _receivers(self, nodes: list[Node], inputs: Sequence[Tensor] | None) -> list[tuple[Node, Tensor]]:
        """(node, the tensor whose .grad gets what arrives there)."""
        listed = None if inputs is None else {id(x) for x in inputs}
        found = [
            (node, node.owner)
            for node in nodes
            if node.owner is not None and node.owner.requires_grad and (listed is None or id(node.owner) in listed)
        ]
        known = {id(node): node for node in nodes}
        keepers = list(self._retaining) if inputs is None else [x for x in inputs if not x.is_leaf]
        found += [(known[id(t.anchor)], t) for t in keepers if id(t.anchor) in known]
        return found

    def _check_alive(self, path: Sequence[Node]) -> None:
        """Refuse where something that backward needs is gone; documented cases first."""
        within = set(map(id, path))
        optional = ""
        for node in path:
            if node.row is None:
                continue
            if node.freed:
                if any(kept.law for kept in node.kept):
                    self._refuse("LIFE-01", f"a second backward through {node.row.name}: its saved values were freed")
                optional = f"a second backward through {node.row.name}"
            elif node.freed is None:
                optional = f"a backward after one that failed, or ended, at {node.row.name}"
            for kept in node.kept:
                if kept.touched:
                    # What only an operand outside the path needs is not needed.
                    if kept.law and kept.lost and all(id(x) in within for x in node.inputs if x.tracked):
                        self._refuse(kept.law, f"a value that {node.row.name} needs was modified by an in-place op")
                    optional = f"a value around {node.row.name} was modified by an in-place op"
                if kept.storage.cut > node.order:
                    optional = f"a tensor around {node.row.name} was detached in place"
        if optional:
            self._may_raise(optional)

    @staticmethod
    @contextmanager
    def _freeing(path: Sequence[Node], retain: bool) -> Iterator[None]:
        """Free the graph when done. A failure leaves open what was freed before it, and so does a target."""
        within = set(map(id, path))
        freed: bool | None = None
        try:
            yield
            freed = True
        finally:
            if not retain:
                for node in path:
                    if node.row is not UNRECORDED:  # that is no op of the program: there is nothing to free
                        passed = any(id(x) in within for x in node.inputs)
                        node.freed = (freed if passed else None) or node.freed or None

    def _products(
        self, seeded: Seeded, path: list[Node], targets: list[Node], create_graph: bool
    ) -> list[tuple[Node | None, Callable[[], Array] | None]]:
        """For each target what arrives, and how to bound the error in it."""
        hooked = any(node.hooks or (node.owner is not None and node.owner.hooks) for node in path)
        empty = not any(target.array.size for target in targets)
        values = None if hooked or create_graph or empty else forward(seeded, path, targets)
        if values is not None:
            def bound_of(k: int) -> Callable[[], Array]:
                def bound() -> Array:
                    # The other way's error, and how far the two ways are apart.
                    again = backward(seeded, path, targets, lambda node, g: g)[k]
                    if again is None:
                        return np.zeros(targets[k].shape)
                    return np.asarray(Bounds().of(again) + np.abs(again.array - values[k]))

                return bound
            return [(Node(value), bound_of(k)) for k, value in enumerate(values)]
        found: list[tuple[Node | None, Callable[[], Array] | None]] = []
        for node in backward(seeded, path, targets, self._visit):
            if node is None:
                found.append((None, None))
                continue
            kept = node if create_graph else Node(node.array)
            found.append((kept, lambda node=node: Bounds().of(node)))  # type: ignore[misc]
        return found

    def _visit(self, node: Node, g: Node) -> Node:
        hooks = node.owner.hooks if node.owner is not None else node.hooks or []
        for hook in list(hooks):
            answer = hook(fresh(g))
            if answer is not None:
                if not isinstance(answer, Tensor) or answer.array.shape != g.shape or answer.array.dtype != g.array.dtype:
                    raise MustRaise("HOOK-08", "a hook must return None or a tensor of the gradient's shape and dtype")
                g = answer.node
        return g

    @staticmethod
    def _accumulate(x: Tensor, value: Node, error: Callable[[], Array] | None, create_graph: bool) -> None:
        if value.array.dtype != x.array.dtype:
            value = record(TABLE["cast"], (value,), {"dtype": str(x.array.dtype)})
        old, earlier = x.grad, x.error
        if old is None:
            x.grad = fresh(value)
        elif create_graph or old.requires_grad:
            x.grad = fresh(old.node + value)
        else:
            total = Node(old.array + value.array)
            old.family.write(old.within, total, recorded=False)
        result = x.grad.array if x.grad else value.array

        def bound() -> Array:
            own = error() if error else np.zeros(value.shape)
            before = earlier() if earlier else np.zeros(value.shape)
            if old is None or not (own.any() or before.any()):
                return own + before
            return np.asarray(own + before + np.abs(result) * np.finfo(result.dtype).eps)

        x.error = bound
