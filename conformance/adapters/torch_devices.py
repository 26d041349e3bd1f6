"""PyTorch on another device than the CPU. A device of one's own is a subclass that names it in `where`.

What is asked in addition to what is asked on the CPU: a gradient lives on the device of its tensor (VAL-05), and a
gradient on another device is refused (SET-05).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from gradlaws.conformance.adapters.torch import TorchBackend
from gradlaws.conformance.engines.exceptions import Unavailable
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import INPLACE, TABLE


class TorchDeviceBackend(TorchBackend):
    """PyTorch on the device `where`: a name that `torch.device` takes; without float64 there, it is withheld.

    Raises Unavailable where this PyTorch finds no such device.
    """

    where = ""

    def __init__(self) -> None:
        if not self.available():
            raise Unavailable(
                f"PyTorch {torch.__version__} finds no device {self.where!r} here; "
                f"`--backend torch` judges it on the CPU"
            )
        self.preamble = f'torch.set_default_device("{self.where}")'
        self.spellings = {
            row.name: re.sub(
                r"torch\.tensor\((\{\w+\})", rf"torch.tensor(\1, device='{self.where}'", row.spell
            )
            for row in (*TABLE, *INPLACE.values())
        }

    def available(self) -> bool:
        """Whether a tensor can be made there."""
        try:
            torch.empty(1, device=self.where)
        except (RuntimeError, AssertionError):  # a PyTorch without CUDA asserts that it has it
            return False
        return True

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        return torch.tensor(array, device=self.where, requires_grad=requires_grad)

    def parameter(self, array: Array) -> Any:
        return torch.nn.Parameter(self.tensor(array))

    @contextmanager
    def session(self) -> Iterator[None]:
        with super().session(), torch.device(self.where):
            yield


class CudaBackend(TorchDeviceBackend):
    """PyTorch on an NVIDIA or AMD GPU."""

    name = "torch-cuda"
    where = "cuda"


class MpsBackend(TorchDeviceBackend):
    """PyTorch on an Apple GPU, which has no float64."""

    name = "torch-mps"
    where = "mps"
    withheld = frozenset({"float64", "complex"})


class XpuBackend(TorchDeviceBackend):
    """PyTorch on an Intel GPU."""

    name = "torch-xpu"
    where = "xpu"
