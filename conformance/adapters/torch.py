"""PyTorch, eager mode, on the CPU. The only module of the project that imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from gradlaws.conformance.engines.torch_like import TorchLike
from gradlaws.conformance.engines.torch_training import TorchTraining
from gradlaws.conformance.engines.torch_user_functions import function_class
from gradlaws.conformance.engines.user_function import UserFunction
from gradlaws.conformance.entropy import Array

#: What PyTorch 1 called otherwise; what it did not have, with a method that came at the same time.
STORAGE = getattr(torch.Tensor, "untyped_storage", torch.Tensor.storage)
LATER = {"materialize_grads": "untyped_storage"}
LATER["register_post_accumulate_hook"] = "register_post_accumulate_grad_hook"


class TorchBackend(TorchTraining, TorchLike):
    """PyTorch's autograd."""

    name = "torch"
    engine = torch
    features = TorchLike.features | {"complex", "lifetime", "threads", "order", "pytorch"}
    withheld = frozenset(verb for verb, method in LATER.items() if not hasattr(torch.Tensor, method))

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        # As programs are printed; the constructor has a dtype check of its own.
        return torch.tensor(array, requires_grad=True) if requires_grad else torch.from_numpy(array.copy())

    @contextmanager
    def session(self) -> Iterator[None]:
        threads = torch.get_num_threads()
        # For a handful of elements, waking a pool of threads costs a thousand times the work.
        torch.set_num_threads(1)
        try:
            with super().session():
                yield
        finally:
            torch.set_num_threads(threads)

    def numpy(self, x: Any) -> Array:
        # Detached, and conjugated; zeros without memory are made first, or are whatever lies there up to 2.8 at least.
        copy: Array = (x.clone() if x._is_zerotensor() else x).numpy(force=True).copy()
        return copy

    def flags(self, x: Any) -> tuple[bool, bool, bool]:
        return x.requires_grad, x.is_leaf, x.retains_grad

    def place(self, x: Any) -> int:
        # Second derivatives may leave zeros without memory in .grad.
        return 0 if x._is_zerotensor() else STORAGE(x).data_ptr()

    def shares_memory(self, a: Any, b: Any) -> bool:
        place = self.place(a)
        return bool(place and place == self.place(b) and a.numel() and b.numel())

    def register_hook(self, x: Any, hook: Callable[[Any], Any]) -> Any:
        # The first hook on a view that was written to through another alias kills the process up to 2.14
        # (pytorch#196459, listed as a known failure); reading grad_fn brings the view up to date.
        _ = x.grad_fn
        return x.register_hook(hook)

    def parameter(self, array: Array) -> Any:
        return torch.nn.Parameter(torch.from_numpy(array.copy()))

    def device(self, x: Any) -> Any:
        return x.device

    def on_other_device(self, x: Any) -> Any:
        return x.detach().to("meta")

    def user_function(self, function: UserFunction, inputs: Sequence[Any]) -> Sequence[Any]:
        made: Sequence[Any] = function_class(torch, function.once).apply(function, *inputs)
        return made

    def evaluated(self, array: Array, x: Any) -> tuple[Any, Any]:
        module = _Scale(self.parameter(array)).eval()
        return module.weight, module(x)


class _Scale(torch.nn.Module):
    def __init__(self, weight: Any) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, x: Any) -> Any:
        return self.weight * x
