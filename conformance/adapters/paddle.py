"""PaddlePaddle, dynamic graphs, on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import paddle

from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.engines.torch_like import UNLIKE, TorchLike
from gradlaws.conformance.entropy import Array


class _Handle:
    """Of a tensor that detach_() has made a leaf, the engine's own kills the process (listed as a known failure)."""

    def __init__(self, x: Any, handle: Any) -> None:
        self._x, self._handle = x, handle

    def remove(self) -> None:
        if not self._x.stop_gradient:
            self._handle.remove()


class PaddleBackend(TorchLike):
    """Nearly PyTorch's names; what requires grad has `stop_gradient` False there."""

    name = "paddle"
    engine = paddle
    dialect = Dialect(bare_root="any", untracked_root="nothing", kinks={"leaky_relu": "right"})
    features = (TorchLike.features - {"create_graph", "inputs", "materialize_grads", "same_object"}) | {
        "lifetime"
    }
    withheld = frozenset({"retains_grad", "register_post_accumulate_hook"})
    spellings = {
        "relu": "torch.nn.functional.relu({0})",
        "relu_": "torch.nn.functional.relu_({0})",
        "hardsigmoid": "torch.nn.functional.hardsigmoid({0}, slope=1 / 6)",
        "log_softmax": "torch.nn.functional.log_softmax({0}, axis={dim})",
        "movedim": "torch.moveaxis({0}, {source}, {target})",
        **{op: f"torch.{op}({{0}}, axis={{dim}}, keepdim={{keepdim}})" for op in ("std", "var")},
        "sort": "torch.sort({0}, axis={dim})",
        "topk": "torch.topk({0}, {k}, axis={dim})[0]",
        "max_dim": "torch.max({0}, axis={dim})",
        "min_dim": "torch.min({0}, axis={dim})",
        "add_scalar_": "{0}.add_(torch.to_tensor({value}, dtype={0}.dtype))",
        "mul_scalar_": "{0}.scale_({value})",
    }
    # These mean something else; and narrow() of a strided view writes its gradient outside of memory (3.3.1).
    lacks = UNLIKE | {"split", "view", "copy_", "narrow"}

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        return paddle.to_tensor(array, stop_gradient=not requires_grad)

    def requires_grad(self, x: Any) -> bool:
        return not x.stop_gradient

    def retain_grad(self, x: Any) -> None:
        x.retain_grads()

    def zero_grad(self, x: Any) -> None:
        x.clear_gradient(set_to_zero=True)

    def register_hook(self, x: Any, hook: Callable[[Any], Any]) -> Any:
        return _Handle(x, x.register_hook(hook))

    def autograd_grad(
        self,
        roots: Sequence[Any],
        inputs: Sequence[Any],
        gradients: Sequence[Any] | None = None,
        **options: Any,
    ) -> Sequence[Any]:
        found: Sequence[Any] = paddle.grad(roots, inputs, gradients, **options)
        return found

    def shares_memory(self, a: Any, b: Any) -> bool:
        if not all(x.size and x._is_initialized() for x in (a, b)):
            return False  # clearing a gradient takes the memory of what was read from there
        return np.shares_memory(np.from_dlpack(a.detach()), np.from_dlpack(b.detach()))
