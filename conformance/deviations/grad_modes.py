"""What is computed, and differentiated, while nothing is recorded, and of what nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlaws.conformance.deviations.registry import deviation, products
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import Op
from gradlaws.conformance.ops.table import Constant
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.error_bounds import bound_of
from gradlaws.conformance.reference.graph_traversal import Seeded
from gradlaws.conformance.reference.node import Node, untracked
from gradlaws.conformance.reference.tensor import Tensor


@deviation
class UnrecordedRequiresGrad(Engine):
    """Whatever is computed under no_grad, of numbers with a fraction, is a leaf that requires grad."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        for x in () if self.modes.enabled else made if isinstance(made, tuple) else (made,):
            if x.array.dtype.kind == "f" and all(x is not y for y in inputs):
                _become_leaf(x)
        return made


@deviation
class UnrecordedBackwardDoesNothing(Engine):
    """A backward under no_grad does nothing, whatever it is given."""

    def backward(self, *args: Any, **options: Any) -> Sequence[Tensor] | None:
        return super().backward(*args, **options) if self.modes.enabled else None


@deviation
class ConstantsGetGradients(Engine):
    """Whatever is made of numbers with a fraction requires grad, whether that was asked for or not."""

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        return super().tensor(array, requires_grad or array.dtype.kind in "fc")


@deviation
class ConstantsStayConstant(Engine):
    """What is written into a tensor that does not require grad is not recorded."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        with self.mode(self.modes.enabled and target.requires_grad):
            super().inplace(op, target, *inputs, **params)


@deviation
class UnrecordedViewsBecomeLeaves(Engine):
    """A clone, or a view with all elements, made under no_grad of what requires grad is a leaf that requires grad."""

    _WHOLE = frozenset({"clone", "permute", "reshape", "squeeze", "transpose", "unsqueeze", "view"})

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        if op in self._WHOLE and not self.modes.enabled and inputs[0].requires_grad and made is not inputs[0]:
            _become_leaf(made)
        return made


@deviation
class FlagsAreReadInBackward(Engine):
    """Whether a tensor gets a gradient of an op is read from its flag when a backward runs.

    So uses from before the flag was set count, but those that are composed of other ops (a - b is a + -b); after it was
    cleared those count that have no other operand.
    """

    def __init__(self) -> None:
        super().__init__()
        #: What required no grad when it was used.
        self._late: dict[int, Node] = {}

    def set_requires_grad(self, x: Tensor, flag: bool) -> Tensor:
        node = x.node
        if flag and not node.tracked and node.array.dtype.kind in "fc":
            node.tracked, node.owner = True, x
            self._late[id(node)] = node
        return super().set_requires_grad(x, flag)

    def _receivers(self, nodes: list[Node], inputs: Sequence[Tensor] | None) -> list[tuple[Node, Tensor]]:
        late = [(x, x.owner) for x in nodes if x.owner is not None and not x.owner.requires_grad]
        return super()._receivers(nodes, inputs) + (late if inputs is None else [])

    def _products(self, seeded: Seeded, path: list[Node], targets: list[Node], create_graph: bool) -> Any:
        if self._late.keys().isdisjoint(map(id, path)) and all(
            x.owner is None or x.owner.requires_grad for x in path
        ):
            return super()._products(seeded, path, targets, create_graph)
        return products(self, seeded, path, targets, create_graph)

    def _pull(self, node: Node, g: Node) -> Sequence[Node | None]:  # type: ignore[override]
        parts = super()._pull(node, g)
        if node.row is None or len(node.inputs) < 2:
            return parts
        composed = {"matmul": node.inputs, "sub": node.inputs[1:]}.get(node.row.name, ())
        gone = [x.owner is not None and not x.owner.requires_grad for x in node.inputs]
        gone = [
            out or (id(x) in self._late and any(x is y for y in composed))
            for out, x in zip(gone, node.inputs, strict=True)
        ]
        return tuple(None if out else part for part, out in zip(parts, gone, strict=True))


@deviation
class IntegersStayTracked(Engine):
    """What is made integers of numbers that require grad requires grad, as if rounding were the identity."""

    @classmethod
    def _record(cls, row: Op, nodes: tuple[Node, ...], params: dict[str, Any]) -> Any:
        made = super()._record(row, nodes, params)
        for node in () if isinstance(row.rule, Constant) else made if row.many else (made,):
            node.tracked = node.tracked or any(x.tracked for k, x in enumerate(nodes) if k not in row.passive)
        return made


@deviation
class GradientsRequireGrad(Engine):
    """Each .grad is a leaf that requires grad, whether it was differentiated with create_graph or not."""

    def _accumulate(self, x: Tensor, value: Node, error: Any, create_graph: bool) -> None:  # type: ignore[override]
        self._plain(x.grad)
        super()._accumulate(x, value, error, create_graph)
        if x.grad is not None and not x.grad.requires_grad:
            _become_leaf(x.grad)

    def backward(self, *args: Any, **options: Any) -> Sequence[Tensor] | None:
        done = super().backward(*args, **options)
        for x in self._retaining:
            if x.grad is not None and not x.grad.requires_grad:
                _become_leaf(x.grad)
        return done

    def zero_grad(self, x: Tensor) -> None:
        self._plain(x.grad)
        super().zero_grad(x)
        if x.grad is not None:
            _become_leaf(x.grad)

    @staticmethod
    def _plain(g: Tensor | None) -> None:
        if g is not None and g.is_root and g.is_leaf and g.requires_grad:
            g.family.relabel(untracked(g.node))


def _become_leaf(x: Tensor) -> None:
    before = x.node
    shown = Node(before.array, tracked=True, owner=x)
    shown.noise = lambda: bound_of(before)
    x.family.relabel(shown)


@deviation
class CastsAreConstant(Engine):
    """A cast to another precision is not recorded."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        with self.mode(self.modes.enabled and op != "cast"):
            return super().apply(op, *inputs, **params)
