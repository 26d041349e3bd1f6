"""PyTorch in single precision throughout: leaves, constants and what comes of them, by the bounds of float32."""

from __future__ import annotations

from gradlaws.conformance.adapters.torch import TorchBackend


class Float32Backend(TorchBackend):
    """PyTorch's autograd, of float32 tensors only."""

    name = "torch-float32"
    # Complex numbers are drawn in double precision, and what is asked by PyTorch's own API is, too.
    withheld = frozenset({"float64", "complex", "pytorch"})
