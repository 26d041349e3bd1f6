"""Faults in registering and removing tensor hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from gradlaws.conformance.faults.hooks import Hook
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine, Handle
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor


class Removing(Engine):
    """An engine whose handles remove hooks in another way."""

    def register_hook(self, x: Tensor, hook: Hook) -> Handle:
        handle = super().register_hook(x, hook)
        remove = handle.remove
        handle.remove = lambda: self.removed(handle, remove)  # type: ignore[method-assign]
        return handle

    def removed(self, handle: Any, remove: Callable[[], None]) -> None:
        """Remove a hook."""
        remove()


@fault("HOOK-05")
class RemovalForgotten(Removing):
    """A removed hook runs on."""

    def removed(self, handle: Any, remove: Callable[[], None]) -> None:
        return


@fault("HOOK-05")
class AllRemoved(Removing):
    """A hook that is removed takes all hooks on its tensor along."""

    def removed(self, handle: Any, remove: Callable[[], None]) -> None:
        handle._hooks.clear()


@fault("HOOK-05")
class RemovedTwiceTakesAnother(Removing):
    """A hook that is removed once more takes another one along."""

    def removed(self, handle: Any, remove: Callable[[], None]) -> None:
        if handle._hook in handle._hooks:
            remove()
        elif handle._hooks:
            handle._hooks.pop()


@fault("HOOK-05")
class RemovedTwiceIsRefused(Removing):
    """A hook that is removed for the second time is refused."""

    def removed(self, handle: Any, remove: Callable[[], None]) -> None:
        handle._hooks.remove(handle._hook)


@fault("HOOK-05")
class NotRemovedWhileRunning(Removing):
    """A hook that is removed by a hook runs on."""

    _running = False

    def _visit(self, node: Node, g: Node) -> Node:
        self._running = True
        try:
            return super()._visit(node, g)
        finally:
            self._running = False

    def removed(self, handle: Any, remove: Callable[[], None]) -> None:
        if not self._running:
            remove()


@fault("HOOK-07")
class HooksOnConstants(Engine):
    """A hook on a tensor that does not require grad is accepted, and never called."""

    def register_hook(self, x: Tensor, hook: Hook) -> Handle:
        return super().register_hook(x, hook) if x.requires_grad else Handle([], hook)


@fault("HOOK-14")
class LateHooksIgnored(Engine):
    """A hook on a leaf that was used before it was registered is never called."""

    def __init__(self) -> None:
        super().__init__()
        self._used_leaves: WeakSet[Tensor] = WeakSet()

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        self._used_leaves.update(x for x in inputs if x.is_leaf)
        return super().apply(op, *inputs, **params)

    def register_hook(self, x: Tensor, hook: Hook) -> Handle:
        return Handle([], hook) if x in self._used_leaves else super().register_hook(x, hook)
