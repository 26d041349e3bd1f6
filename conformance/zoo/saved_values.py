"""M3: a value that backward needs, overwritten without anyone noticing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults.base_engine import KernelEngine
from gradlaws.conformance.faults.inplace import Rereading, Unseeing
from gradlaws.conformance.reference.engine import Engine, MustRaise
from gradlaws.conformance.reference.node import Kept, Node, untracked
from gradlaws.conformance.reference.tensor import Tensor, fresh
from gradlaws.conformance.zoo.registry import bug


@bug("M3", "pytorch/pytorch/issues/14571", "INP-10", "INP-05")
class ClampingDoesNotCount(Unseeing):
    """One in-place op, clamp_, does not raise the version counter when it runs under no_grad."""

    def __init__(self) -> None:
        super().__init__(lambda target, recorded: self.op == "clamp_" and not recorded)
        self.op = ""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        self.op = op
        super().inplace(op, target, *inputs, **params)


@bug("M3", "pytorch/pytorch/issues/24413", "FUN-08")
class SavedViewsAreNotChecked(Rereading):
    """A user-defined function that saves a tensor which does not own its memory is not told of writes to it."""

    def careless(self, kept: Kept) -> bool:
        return kept.law == "FUN-08" and kept.within is not None


@bug("M3", "pytorch/pytorch/issues/197887", "INP-05", "INP-11")
class ViewsOfFactorsAreNotChecked(Rereading):
    """A matrix product that saved a view as a factor reads it again in backward, whatever was written to it."""

    def _check_alive(self, path: Sequence[Node]) -> None:
        self.products = {
            id(k) for node in path if node.row and node.row.name in ("mm", "mv", "matmul") for k in node.kept
        }
        super()._check_alive(path)

    def careless(self, kept: Kept) -> bool:
        return id(kept) in self.products and kept.within is not None


@bug("M3", "linkedin/Liger-Kernel/issues/272", "VAL-02", "ACC-01")
class KernelWritesToItsOperand(KernelEngine):
    """The kernel of silu leaves its gradient in its operand's memory, where exp had saved its own result."""

    kernels = frozenset({"silu"})

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        parts = super().kernel(node, g)
        operand, part = node.inputs[0], parts[0]
        if (
            part is not None
            and operand.row is not None
            and operand.row.name == "exp"
            and not self.modes.enabled
        ):
            operand.array = part.array
        return parts


@bug("M3", "pytorch/pytorch/issues/18619", "FUN-15")
class SavedResultsDifferentiateOnce(Engine):
    """A result that a user-defined function saved has its history in the first backward with create_graph alone."""

    def _pulled(self, call: Any, *args: Any) -> list[Node | None]:
        again = getattr(call, "differentiated", False)
        if self.modes.enabled and not self.rehearsing:
            if again:
                call.saved = [fresh(untracked(x.node)) if not x.is_leaf else x for x in call.saved]
            call.differentiated = True
        return super()._pulled(call, *args)


@bug("M3", "pytorch/pytorch/issues/2940", "INP-01")
class AddsBeforeItChecks(ReferenceBackend):
    """add_ on a leaf that requires grad raises after it has added; other in-place ops check first."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        try:
            super().inplace(op, target, *inputs, **params)
        except MustRaise:
            if op == "add_" and target.is_root and target.is_leaf:
                with self.engine.mode(False):
                    super().inplace(op, target, *inputs, **params)
            raise
