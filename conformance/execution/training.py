"""Steps of training, run: optimizers, and clipping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.execution.observer import Observer
from gradlaws.conformance.language.steps import Step, Var
from gradlaws.conformance.language.training import ClipGrad, Optimizer, OptimizerStep, OptimizerZeroGrad


class Trainer(Observer):
    """What a run knows of optimizers: the engine's own, by number."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.optimizers: dict[int, Any] = {}

    def _optimizer(self, step: Optimizer) -> None:
        parameters = [self.env[v] for v in step.parameters]
        self.optimizers[step.handle] = self.backend.optimizer(
            parameters, step.lr, step.momentum, step.weight_decay
        )

    def _optimizer_step(self, step: OptimizerStep) -> None:
        with self._keeping_gradients(step.parameters):
            self.optimizers[step.handle].step()

    def _optimizer_zero_grad(self, step: OptimizerZeroGrad) -> None:
        optimizer = self.optimizers[step.handle]
        if step.set_to_none:
            for var in step.parameters:
                self.lose(var)
            optimizer.zero_grad(set_to_none=True)
        else:
            with self._keeping_gradients(step.parameters):
                optimizer.zero_grad(set_to_none=False)

    def _clip(self, step: ClipGrad) -> None:
        clip = self.backend.clip_grad_norm if step.kind == "norm" else self.backend.clip_grad_value
        with self._keeping_gradients(step.parameters):
            clip([self.env[v] for v in step.parameters], step.limit)

    @contextmanager
    def _keeping_gradients(self, parameters: tuple[Var, ...]) -> Iterator[None]:
        """A block after which it is noted whether all gradients are the objects that they were."""
        held = [(x, self._read(x)) for x in map(self.env.__getitem__, parameters)]
        yield
        self._same["kept object"] = all([self._read(x) is grad for x, grad in held if grad is not None])


#: What runs each of these steps.
TRAINING: dict[type[Step], Callable[[Any, Any], None]] = {
    Optimizer: Trainer._optimizer,
    OptimizerStep: Trainer._optimizer_step,
    OptimizerZeroGrad: Trainer._optimizer_zero_grad,
    ClipGrad: Trainer._clip,
}
