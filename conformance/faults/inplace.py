"""Faults of in-place ops: leaves destroyed, needed values overwritten unseen, history lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine, MustRaise
from gradlaws.conformance.reference.node import Kept, Node, untracked
from gradlaws.conformance.reference.tensor import Storage, Tensor, alias

Blind = Callable[[Tensor, bool], bool]


# -- leaves --------------------------------------------------------------------------------------------------


@fault("INP-01")
class WritesToLeaves(Engine):
    """A leaf that requires grad is quietly written to, as if under no_grad."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        leaf = target.is_root and target.is_leaf and target.requires_grad
        with self.mode(self.modes.enabled and not leaf):
            Engine.inplace(self, op, target, *inputs, **params)


@fault("INP-01")
class WritesBeforeItRefuses(Engine):
    """An in-place op on a leaf that requires grad raises, but only after it has written."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        try:
            Engine.inplace(self, op, target, *inputs, **params)
        except MustRaise:
            with self.mode(False):
                Engine.inplace(self, op, target, *inputs, **params)
            raise


@fault("INP-03")
class UpdatedLeavesAreDetached(Engine):
    """A leaf that is written to under no_grad does not require grad any more."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        Engine.inplace(self, op, target, *inputs, **params)
        if not self.modes.enabled and target.is_leaf:
            target.family.relabel(untracked(target.node))


@fault("INP-03")
class LeavesAreAlwaysGuarded(Engine):
    """A leaf that requires grad may not be written to even under no_grad."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        if target.is_leaf and target.requires_grad:
            raise ValueError("a leaf is constant")
        Engine.inplace(self, op, target, *inputs, **params)


@fault("INP-04")
class NoLeafIsWrittenTo(Engine):
    """In-place ops are refused on all leaves, whether they require grad or not."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        if self.modes.enabled and target.is_leaf:
            raise ValueError("a leaf is constant")
        Engine.inplace(self, op, target, *inputs, **params)


@fault("INP-04")
class WrittenLeavesGetNothing(Engine):
    """A leaf that was written to before it was made to require grad gets no gradient."""

    def _receivers(self, nodes: list[Node], inputs: Sequence[Tensor] | None) -> list[tuple[Node, Tensor]]:
        found = Engine._receivers(self, nodes, inputs)
        return [(node, x) for node, x in found if not (x.is_leaf and x.family.storage.version)]


# -- needed values -------------------------------------------------------------------------------------------


class Rereading(Engine):
    """Computes derivatives from what is in memory now, where `careless(kept)` holds."""

    def careless(self, kept: Kept) -> bool:
        return True

    def _check_alive(self, path: Sequence[Node]) -> None:
        for node in path:
            for kept in node.kept:
                if kept.touched and self.careless(kept):
                    for value in (node, *node.inputs):
                        if value.array is kept.array:
                            value.array = kept.storage.array[kept.where]
            node.kept = [kept for kept in node.kept if not (kept.touched and self.careless(kept))]
        Engine._check_alive(self, path)


class _RereadingSome(Rereading):
    def __init__(self, *needs: str) -> None:
        super().__init__()
        self.needs = needs

    def careless(self, kept: Kept) -> bool:
        return kept.law in self.needs


class Unseeing(Rereading):
    """Does not notice some of the writes: those for which `blind(target, recorded)` holds."""

    def __init__(self, blind: Blind) -> None:
        super().__init__()
        self.blind = blind
        self.unseen: dict[int, set[int]] = {}
        self.storages: list[Storage] = []

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        storage = target.family.storage
        before, blind = storage.version, self.blind(target, self.modes.enabled)
        Engine.inplace(self, op, target, *inputs, **params)
        if blind:
            self.storages.append(storage)
            self.unseen.setdefault(id(storage), set()).update(range(before + 1, storage.version + 1))

    def careless(self, kept: Kept) -> bool:
        since = set(range(kept.version + 1, kept.storage.version + 1))
        return since <= self.unseen.get(id(kept.storage), set())


@fault("INP-10")
class UnrecordedWritesDoNotCount(ReferenceBackend):
    """A write under no_grad does not raise the version counter, so backward reads what is there now."""

    def make_engine(self) -> Engine:
        return Unseeing(lambda target, recorded: not recorded)


@fault("INP-11")
class ViewsCountForThemselves(ReferenceBackend):
    """Views have version counters of their own: a write through one goes unnoticed by the others."""

    def make_engine(self) -> Engine:
        return Unseeing(lambda target, recorded: not target.is_root)


@fault("INP-05")
class RereadsOperands(ReferenceBackend):
    """A product looks up its factors again in backward, without noticing that they were overwritten."""

    def make_engine(self) -> Engine:
        return _RereadingSome("INP-05")


@fault("INP-06")
class RereadsResults(ReferenceBackend):
    """exp and its like look up their result again in backward, without noticing that it was overwritten."""

    def make_engine(self) -> Engine:
        return _RereadingSome("INP-06")


@fault("INP-08")
class RereadsTheRest(ReferenceBackend):
    """Only what is documented to be needed is guarded; other ops look up operands as they are now."""

    def make_engine(self) -> Engine:
        return _RereadingSome("")


# -- history -------------------------------------------------------------------------------------------------


@fault("INP-08", "META-08")
class WritingForgetsThePast(Engine):
    """In an in-place op the old value of the target counts as a constant."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        Engine.inplace(self, op, target, *inputs, **params)
        node = target.anchor
        if self.modes.enabled and target.is_root and node.inputs:
            node.inputs = (untracked(node.inputs[0]), *node.inputs[1:])


@fault("INP-14")
class AssignedConstantsAreForgotten(Engine):
    """Assigning untracked values is not recorded: what they replaced still gets its gradient."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        assigns = op.startswith("set_") and not any(x.requires_grad for x in inputs)
        with self.mode(self.modes.enabled and not assigns):
            Engine.inplace(self, op, target, *inputs, **params)


@fault("INP-14")
class AssignedTensorsGetNothing(Engine):
    """What is assigned to an item counts as a constant."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        if op.startswith("set_"):
            inputs = tuple(alias(x, untracked(x.node)) for x in inputs)
        Engine.inplace(self, op, target, *inputs, **params)


@fault("INP-05", "INP-06", "INP-10", "INP-11", "INP-17", strict=True)
class KeepsOldValues(Engine):
    """Backward over an overwritten value is right, since the old one was kept, instead of refused."""

    def _check_alive(self, path: Sequence[Node]) -> None:
        for node in path:
            node.kept = [kept for kept in node.kept if not kept.touched]
        Engine._check_alive(self, path)
