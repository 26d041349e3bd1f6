"""PyTorch's tools of training by its names: `optim.SGD`, clipping in `nn.utils`, `utils.checkpoint`, `save_on_cpu`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from importlib import import_module
from typing import Any


class TorchTraining:
    """What an adapter claims whose engine has PyTorch's tools of training; a base that stands before `TorchLike`."""

    engine: Any

    def prepare(self) -> None:
        """Import the compiler, as the first use of an optimizer or of a checkpoint does, to keep it away from there."""
        with suppress(ImportError):
            import_module(f"{self.engine.__name__}._dynamo")

    def optimizer(self, parameters: Sequence[Any], lr: float, momentum: float, weight_decay: float) -> Any:
        """The engine's `optim.SGD`."""
        return self.engine.optim.SGD(parameters, lr, momentum, weight_decay=weight_decay)

    def checkpoint(self, part: Callable[..., Sequence[Any]], inputs: Sequence[Any]) -> Sequence[Any]:
        """The engine's `utils.checkpoint.checkpoint`, in a module that need not be imported with the engine."""
        module = import_module(f"{self.engine.__name__}.utils.checkpoint")
        made: Sequence[Any] = module.checkpoint(part, *inputs, use_reentrant=False)
        return made

    def memory_strategies(self) -> Mapping[str, Callable[[], AbstractContextManager[object]]]:
        """The engine's `autograd.graph.save_on_cpu`."""
        return {"autograd.graph.save_on_cpu()": self.engine.autograd.graph.save_on_cpu}

    def clip_grad_norm(self, parameters: Sequence[Any], limit: float) -> Any:
        """The engine's `nn.utils.clip_grad_norm_`."""
        return self.engine.nn.utils.clip_grad_norm_(parameters, limit)

    def clip_grad_value(self, parameters: Sequence[Any], limit: float) -> Any:
        """The engine's `nn.utils.clip_grad_value_`."""
        return self.engine.nn.utils.clip_grad_value_(parameters, limit)
