"""The reference engine: what the documentation promises of `.grad`, executable.

How a call can end is said in `gradlaws.conformance.reference.outcomes`, what backward does in `backward`. The
engine keeps immutable values, so it always knows the right gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import INPLACE, TABLE, Op
from gradlaws.conformance.ops.kinks import choosing
from gradlaws.conformance.ops.table import Constant, Elementwise
from gradlaws.conformance.reference.error_bounds import bound_of
from gradlaws.conformance.reference.jacobian_products import origins
from gradlaws.conformance.reference.node import Node, record, untracked
from gradlaws.conformance.reference.optimizers import GradientDescent, clipped_by_norm, clipped_by_value
from gradlaws.conformance.reference.outcomes import MayRaise, MustRaise
from gradlaws.conformance.reference.tensor import Tensor, alias, fresh, leaf, view
from gradlaws.conformance.reference.user_functions import UserFunctions

ROWS = TABLE.rows
__all__ = ["Engine", "MayRaise", "MustRaise"]


class Handle:
    """Removes a hook; removing twice is harmless."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        hooks.append(hook)
        self._hooks = hooks
        self._hook = hook

    def remove(self) -> None:
        """Unregister the hook."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)


class Engine(UserFunctions):
    """The verbs. Tensors are `gradlaws.conformance.reference.tensor.Tensor`."""

    _descent = GradientDescent

    def __init__(self) -> None:
        super().__init__()
        #: What was shown for gradients that never came, where they are zeros: the same when read again.
        self._absent: WeakKeyDictionary[Tensor, Tensor] = WeakKeyDictionary()
        #: Results of ops that were recorded for nothing, where these are no leaves.
        self._computed: WeakSet[Tensor] = WeakSet()

    # -- making tensors ---------------------------------------------------------------------------------------

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        """A leaf with a copy of the contents of `array`."""
        if requires_grad:
            self._differentiable(array, "REQ-02")
        return leaf(np.array(array), requires_grad)

    def parameter(self, array: Array) -> Tensor:
        """A leaf that requires grad without being asked."""
        return self.tensor(array, requires_grad=True)

    def on_other_device(self, x: Tensor) -> Tensor:
        """A tensor like x on a device that differs by name only."""
        other = fresh(Node(x.array))
        other.device = "elsewhere"
        return other

    @staticmethod
    def _differentiable(array: Array, law: str) -> None:
        if array.dtype.kind not in "fc":
            raise MustRaise(
                law, f"only floating-point and complex tensors can require grad, not {array.dtype}"
            )

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        """The result of a row of the table (a tuple where it has several)."""
        row = self._row(ROWS[op])
        self._used(inputs)
        if self.dialect.mixed_dtypes == "refused":
            self._alike(row, inputs)
        if op == "cast" and params["dtype"] == str(inputs[0].array.dtype):
            return inputs[0]  # there is nothing to convert
        nodes = tuple([x.node for x in inputs])
        if not self.modes.enabled:
            nodes = tuple([untracked(node) for node in nodes])
        made = self._record(row, nodes, params)
        results, computed = [], self.dialect.untracked_result
        spent: list[bool] | None = [] if row.many else None
        for node in made if row.many else (made,):
            node.spent = spent
            result = self._placed(row, inputs, node) if row.alias else fresh(node)
            if node.tracked and row.alias != "view":
                self._keep(row, node, inputs, result)
            if self.dialect.intermediates == "kept":
                self._retaining.add(result)
            if computed != "leaf" and not node.tracked and (self.modes.enabled or computed == "non-leaf"):
                self._computed.add(result)
            results.append(result)
        return tuple(results) if row.many else results[0]

    @staticmethod
    def _alike(row: Op, operands: Sequence[Tensor]) -> None:
        """Refuse operands of two dtypes."""
        if (
            isinstance(row.rule, Elementwise)
            and not row.passive
            and len({x.array.dtype for x in operands}) > 1
        ):
            raise MustRaise("VAL-04", f"{row.name} takes operands of one dtype")

    def leaf_shown(self, x: Tensor) -> bool:
        """`x.is_leaf`."""
        return x.is_leaf and (x.requires_grad or x not in self._computed)

    def _row(self, row: Op) -> Op:
        """The row, with the elements of the subdifferential that the dialect takes."""
        kinks = self.dialect.kinks
        return choosing(row.name, dict(kinks)[row.name]) if kinks and row.name in dict(kinks) else row

    @staticmethod
    def _record(row: Op, nodes: tuple[Node, ...], params: dict[str, Any]) -> Any:
        made = record(row, nodes, params)
        for node in made if row.many else (made,):
            if node.tracked and (isinstance(row.rule, Constant) or node.array.dtype.kind not in "fc"):
                node.tracked = False
        return made

    def _placed(self, row: Op, inputs: tuple[Tensor, ...], node: Node) -> Tensor:
        parent = inputs[0]
        where = origins(node)
        if node.tracked or (self.modes.enabled and not parent.requires_grad):
            return view(parent, node, where)
        return alias(parent, node, where)

    @staticmethod
    def _keep(row: Op, node: Node, inputs: tuple[Tensor, ...], result: Tensor) -> None:
        law = "INP-05" if row.saves == "operands" and all([x.requires_grad for x in inputs]) else ""
        kept = [x.kept(law) for x in inputs]
        if "folds" in row.tags:
            kept = [one if one.even else one._replace(law="") for one in kept]
        node.kept += kept
        node.kept.append(result.kept("INP-06" if row.saves == "result" else ""))

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        """Write the result of an in-place op into `target`."""
        row = self._row(INPLACE[op].row)
        recorded = self.modes.enabled
        if recorded and target.family.anchor.owner is not None:
            law = "INP-01" if target.is_root else "INP-02"
            self._unless(
                self.dialect.leaf_write == "recorded",
                law,
                "a leaf that requires grad, or a view of one, may not be modified in place",
            )
            target.family.anchor.owner = None
        if self.dialect.inplace != "recorded" and recorded:
            self._unrecordable(target, inputs)
        if np.unique(target.within).size != target.within.size:
            self._may_raise("more than one element of the target refers to the same memory")
        if any(x is not target and self.shares_memory(x, target) for x in inputs):
            self._may_raise("an operand overlaps the memory that is written to")
        operands = (target, *inputs)
        self._used(operands)
        if recorded and self.dialect.intermediates == "kept":
            self._retaining.add(target)
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
        if made.tracked and made.row is row:
            made.kept = [*before, target.kept("INP-06" if row.saves == "result" else "")]
            if not target.is_root:
                # A write through a view may be one op, which runs even where only the base's gradient is asked for.
                target.family.anchor.kept = [kept._replace(law="") for kept in made.kept]

    def _unrecordable(self, target: Tensor, inputs: Sequence[Tensor]) -> None:
        """Refuse an in-place op that would have to be recorded."""
        anything = self.dialect.inplace == "unrecorded"
        if target.requires_grad or (anything and any(x.requires_grad for x in inputs)):
            raise MustRaise("INP-08", "what requires grad may not be modified in place")

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
        self._retaining.discard(x)  # a leaf gets its gradient anyway
        if flag and x.place is not None:
            x.family.resume(x.place)
        elif flag != node.tracked:
            made = Node(node.array, tracked=flag, owner=x if flag else None)  # graphs keep theirs
            if node.row is not None or node.noise is not None:
                made.noise = lambda: bound_of(node)
            x.place = made if flag else x.family.anchor
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
        if x.family.anchor.owner is x:
            x.place = x.family.anchor
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

    def no_grad(self) -> AbstractContextManager[Any]:
        """A block within which nothing is recorded."""
        return self.mode(False)

    def enable_grad(self) -> AbstractContextManager[Any]:
        """A block within which ops are recorded again."""
        return self.mode(True)

    def is_grad_enabled(self) -> bool:
        """Whether ops are recorded now, in this thread."""
        return self.modes.enabled

    # -- .grad ------------------------------------------------------------------------------------------------

    def read_grad(self, x: Tensor) -> Tensor | None:
        """`x.grad`."""
        if x.grad is None and self.dialect.absent == "zeros" and x.array.dtype.kind in "fc":
            shown = self._absent.get(x)
            if shown is None or shown.array.shape != x.array.shape or shown.array.any():
                shown = self._absent[x] = fresh(Node(np.zeros_like(x.array)))
            return shown
        return x.grad

    def set_grad(self, x: Tensor, value: Any) -> None:
        """`x.grad = value`."""
        if value is not None:
            if not isinstance(value, Tensor):
                raise MustRaise("SET-02", f"a gradient is a tensor or None, not {type(value).__name__}")
            if value.array.shape != x.array.shape:
                raise MustRaise(
                    "SET-03", f"a gradient of shape {value.array.shape} for a tensor of shape {x.array.shape}"
                )
            if value.device != x.device:
                raise MustRaise("SET-05", f"a gradient on device {value.device} for a tensor on {x.device}")
            if value.array.dtype != x.array.dtype:
                raise MustRaise(
                    "SET-04", f"a gradient of dtype {value.array.dtype} for a tensor of dtype {x.array.dtype}"
                )
        x.grad = value
        x.error = None

    def zero_grad(self, x: Tensor) -> None:
        """`x.grad.zero_()`."""
        if x.grad is None:
            if self.dialect.absent == "zeros":
                return
            raise TypeError("there is no gradient to zero")
        if self.dialect.inplace != "recorded":
            with self.mode(False):
                self.inplace("zero_", x.grad, value=0.0)
        else:
            self.inplace(
                "zero_", x.grad, value=0.0
            )  # a write like any other: recorded where .grad has a history
        x.error = None

    # -- users of .grad ---------------------------------------------------------------------------------------

    def optimizer(
        self, parameters: Sequence[Tensor], lr: float, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> GradientDescent:
        """Gradient descent over leaves."""
        if any(not x.is_leaf for x in parameters):
            raise MustRaise("OPT-07", "only leaves can be optimized")
        return self._descent(self, parameters, lr, momentum, weight_decay)

    def clip_grad_norm(self, parameters: Sequence[Tensor], limit: float) -> None:
        """Scale all gradients in place so that their common norm is at most the limit."""
        clipped_by_norm(self, parameters, limit)

    def clip_grad_value(self, parameters: Sequence[Tensor], limit: float) -> None:
        """Cut the elements of all gradients in place to within plus or minus the limit."""
        clipped_by_value(self, parameters, limit)

    # -- hooks ------------------------------------------------------------------------------------------------

    def register_hook(self, x: Tensor, hook: Callable[[Tensor], Any]) -> Handle:
        """Call `hook` with the gradient of x's present value, until the handle removes it."""
        if not x.requires_grad:
            raise MustRaise("HOOK-07", "a tensor that does not require grad cannot have a hook")
        node = x.anchor
        if node.owner is not None:
            hooks = node.owner.hooks
        else:
            hooks = node.hooks = node.hooks if node.hooks is not None else []
        return Handle(hooks, hook)

    def register_post_accumulate_hook(self, x: Tensor, hook: Callable[[Tensor], None]) -> Handle:
        """Call `hook` with the leaf x after each accumulation, until the handle removes it."""
        if not x.requires_grad or not x.is_leaf:
            raise MustRaise("HOOK-18", "a post-accumulate hook needs a leaf that requires grad")
        return Handle(x.post_hooks, hook)

    @staticmethod
    def shares_memory(a: Tensor, b: Tensor) -> bool:
        """Whether a write to one tensor may change the other."""
        if a.family.storage is not b.family.storage:
            return False
        cells = [set((x.family.where.ravel()[x.within.ravel() - 1]).tolist()) for x in (a, b)]
        return not cells[0].isdisjoint(cells[1])
