"""Faults of engines that keep per thread what belongs to all, or for all what belongs to one thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.tensor import Tensor


@fault("MT-01", "MT-06")
class GradientsStayInTheirThread(Engine):
    """A gradient reaches a leaf only in the thread that made the leaf."""

    def __init__(self) -> None:
        super().__init__()
        self.makers: WeakKeyDictionary[Tensor, int] = WeakKeyDictionary()

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        made = super().tensor(array, requires_grad)
        self.makers[made] = threading.get_ident()
        return made

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        if self.makers.get(x, threading.get_ident()) == threading.get_ident():
            Engine._accumulate(x, *rest)


@fault("MT-01")
class NothingIsRecordedElsewhere(Engine):
    """Recording is on in the first thread alone."""

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        with self.mode(self.modes.enabled and threading.current_thread() is threading.main_thread()):
            return super().apply(op, *inputs, **params)


@fault("MT-03")
class AskedAtOnceAnsweredOnce(Engine):
    """Of threads that ask for gradients of one tensor, the second gets the answer of the first."""

    def __init__(self) -> None:
        super().__init__()
        # Threads themselves, which stay: the number of one that has ended is another's.
        self.answers: WeakKeyDictionary[Tensor, tuple[threading.Thread, Any]] = WeakKeyDictionary()

    def grad(self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any) -> Any:
        found = super().grad(roots, inputs, *args, **options)
        here = threading.current_thread()
        thread, answer = self.answers.setdefault(inputs[0], (here, found))
        return found if thread is here else answer


@fault("MT-03")
class AskingElsewhereAccumulates(Engine):
    """`autograd.grad` adds to .grad in every thread but the first."""

    def grad(self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            self.backward(roots, args[0] if args else None, True)
        return super().grad(roots, inputs, *args, **options)
