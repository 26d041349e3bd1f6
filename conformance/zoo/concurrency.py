"""M13: what runs at the same time, and should not know of each other."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor
from gradlaws.conformance.zoo.registry import bug


@bug("M13", "tracel-ai/burn/issues/5573", "MT-06", "MT-01", "MT-03")
class AnotherThreadFreesTheSteps(Engine):
    """A leaf that went through a backward before gets nothing in another thread: its steps there were freed."""

    def __init__(self) -> None:
        super().__init__()
        self.done: WeakKeyDictionary[Tensor, threading.Thread] = WeakKeyDictionary()

    def _receivers(self, nodes: list[Node], inputs: Sequence[Tensor] | None) -> list[tuple[Node, Tensor]]:
        found, here = super()._receivers(nodes, inputs), threading.current_thread()
        kept = [(node, x) for node, x in found if self.done.get(x, here) is here]
        for _, x in kept:
            self.done.setdefault(x, here)
        return kept


@bug("M13", "pytorch/pytorch/issues/28370", "INP-03", "INP-10")
class WorkersRecord(Engine):
    """An in-place op on more than 1,000 elements is done by threads that know nothing of no_grad: it is recorded."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        with self.mode(self.modes.enabled or target.array.size > 1000):
            super().inplace(op, target, *inputs, **params)
