"""Steps of training: optimizers, which write to parameters by their gradients, and clipping."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gradlaws.conformance.language.steps import Step, Var, swapped


@dataclass(frozen=True, slots=True)
class OnParameters(Step):
    """A step about several tensors, each of which is listed once."""

    parameters: tuple[Var, ...]

    def uses(self) -> tuple[Var, ...]:
        """The parameters."""
        return self.parameters

    def rewired(self, old: Var, new: Var) -> Step:
        """The same step with variable `old` replaced by `new`; one that is there twice by then, once."""
        return replace(self, parameters=tuple(dict.fromkeys(swapped(self.parameters, old, new))))


@dataclass(frozen=True, slots=True)
class Optimizer(OnParameters):
    """Gradient descent over parameters, known by number `handle`: `optim.SGD(parameters, lr, ...)`."""

    handle: int
    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0

    def simpler(self) -> Iterator[Optimizer]:
        """The same with one thing less."""
        yield from (replace(self, momentum=0.0), replace(self, weight_decay=0.0))


@dataclass(frozen=True, slots=True)
class OptimizerStep(OnParameters):
    """`optimizer.step()`, of the optimizer known by number `handle`, over its parameters."""

    handle: int


@dataclass(frozen=True, slots=True)
class OptimizerZeroGrad(OnParameters):
    """`optimizer.zero_grad(set_to_none=...)`, of the optimizer known by number `handle`, over its parameters."""

    handle: int
    set_to_none: bool = True


@dataclass(frozen=True, slots=True)
class ClipGrad(OnParameters):
    """The gradients of parameters limited: `kind` is `norm` (of all together) or `value` (of each element)."""

    limit: float
    kind: str = "norm"


#: Steps that do nothing where their optimizer is not there.
OF_OPTIMIZERS = (OptimizerStep, OptimizerZeroGrad)
#: Steps that change gradients of several tensors.
ON_GRADIENTS = (OptimizerZeroGrad, ClipGrad)
