"""PyTorch with tensors of a wrapper subclass that does nothing: what holds for a tensor holds for one that is wrapped.

Autograd sees the wrapper alone; each op is done below it by what the wrapper holds, through `__torch_dispatch__`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils._pytree import tree_map_only

from gradlaws.conformance.adapters.torch import TorchBackend
from gradlaws.conformance.entropy import Array


class Wrapped(torch.Tensor):
    """A tensor that holds another, and has each op done by that one."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> Wrapped:
        made: Wrapped = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=held.device,
        )
        # What is still to be conjugated, or negated, is so on both levels: below, nobody else looks for it.
        torch._C._set_conj(made, held.is_conj())
        torch._C._set_neg(made, held.is_neg())
        return made

    def __init__(self, held: torch.Tensor) -> None:
        self.held = held

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        options = kwargs or {}
        plain, named = tree_map_only(Wrapped, lambda x: x.held, (args, options))
        made = tree_map_only(torch.Tensor, Wrapped, func(*plain, **named))
        return return_and_correct_aliasing(func, args, options, made)  # type: ignore[no-untyped-call]


class WrapperBackend(TorchBackend):
    """PyTorch's autograd over wrapped tensors; scripts that reproduce a failure are of ordinary ones."""

    name = "torch-wrapper"
    withheld = frozenset({"pytorch"})  # what is asked by PyTorch's own API would meet ordinary tensors

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        return Wrapped(torch.from_numpy(array.copy())).requires_grad_(requires_grad)

    def parameter(self, array: Array) -> Any:
        return torch.nn.Parameter(self.tensor(array))

    def numpy(self, x: Any) -> Array:
        return super().numpy(_held(x.detach()))

    def place(self, x: Any) -> int:
        return super().place(_held(x.detach()))


def _held(x: Any) -> Any:
    return x.held if isinstance(x, Wrapped) else x
