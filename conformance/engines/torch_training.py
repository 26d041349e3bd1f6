"""Users of `.grad` as PyTorch names them: `optim.SGD`, and clipping in `nn.utils`.

PyTorch's own are wrapped so that its compiler leaves them alone, and the first call imports the compiler for that: a
second in each process, for nothing, since nothing is compiled. What is called here is what is wrapped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any


class TorchTraining:
    """What an adapter claims whose engine has PyTorch's optimizers; stands before `TorchLike` among its bases."""

    engine: Any

    def optimizer(self, parameters: Sequence[Any], lr: float, momentum: float, weight_decay: float) -> Any:
        """The engine's `optim.SGD`."""
        return descent(self.engine)(parameters, lr, momentum, weight_decay=weight_decay)

    def clip_grad_norm(self, parameters: Sequence[Any], limit: float) -> Any:
        """The engine's `nn.utils.clip_grad_norm_`."""
        return self.engine.nn.utils.clip_grad_norm_(parameters, limit)

    def clip_grad_value(self, parameters: Sequence[Any], limit: float) -> Any:
        """The engine's `nn.utils.clip_grad_value_`."""
        return self.engine.nn.utils.clip_grad_value_(parameters, limit)


def unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a decorator has wrapped."""
    inside: Callable[..., Any] = getattr(function, "__wrapped__", function)
    return inside


@cache
def descent(engine: Any) -> Any:
    """The engine's class `optim.SGD`, without what keeps its compiler away."""
    plain: Any = engine.optim.SGD
    step = unwrapped(plain.step)

    class SGD(plain):  # type: ignore[misc]
        add_param_group = unwrapped(plain.add_param_group)
        zero_grad = unwrapped(plain.zero_grad)

        def step(self) -> None:
            with engine.no_grad():  # as the decorator has it
                step(self)

    return SGD
