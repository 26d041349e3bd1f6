"""M11: grad modes that outlast their block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.zoo.registry import bug


class _Mode:
    """One object for all uses of a mode, with room for one earlier mode."""

    def __init__(self, engine: Engine, enabled: bool) -> None:
        self.engine, self.enabled, self.before = engine, enabled, True

    def __enter__(self) -> None:
        self.before, self.engine.modes.enabled = self.engine.modes.enabled, self.enabled

    def __exit__(self, *_: Any) -> None:
        self.engine.modes.enabled = self.before


@bug("M11", "pytorch/pytorch/issues/44531", "MODE-06", "MODE-05")
class EnableGradRemembersOne(Engine):
    """enable_grad is one object, which remembers one earlier mode: entered within itself, it leaves recording on."""

    def __init__(self) -> None:
        super().__init__()
        self._one = _Mode(self, True)

    def enable_grad(self) -> AbstractContextManager[Any]:
        return self._one


@bug("M11", "pytorch/pytorch/issues/10858", "MODE-06", "MODE-01")
class InnerNoGradTurnsOn(Engine):
    """Leaving no_grad within no_grad turns recording on."""

    @contextmanager
    def no_grad(self) -> Iterator[None]:
        with self.mode(False):
            yield
        self.modes.enabled = True


@bug("M11", "Project-MONAI/MONAI/pull/8810", "MODE-06")
class ErrorsKeepTheMode(Engine):
    """Where a block under no_grad ends by an exception, recording stays off."""

    @contextmanager
    def no_grad(self) -> Iterator[None]:
        before, self.modes.enabled = self.modes.enabled, False
        yield
        self.modes.enabled = before


@bug("M11", "pytorch/pytorch/issues/31715", "FUN-20", "HOOK-01")
class InnerGradTurnsRecordingOff(Engine):
    """An autograd.grad within a hook or a user's backward turns recording off for what that does after it."""

    _depth = 0

    def _products(self, *args: Any) -> Any:
        self._depth += 1
        try:
            return super()._products(*args)
        finally:
            self._depth -= 1

    def grad(self, *args: Any, **options: Any) -> Any:
        found = super().grad(*args, **options)
        if self._depth:
            self.modes.enabled = False
        return found
