"""An adapter for engines whose API resembles PyTorch's: nearly everything is inherited."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from gradlaws.conformance.engines.api_parts import part
from gradlaws.conformance.engines.op_spelling import Spelled
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import INPLACE, TABLE

#: Ops that engines with PyTorch's names have with other parameters, layouts or results, or that nobody has tried there.
UNLIKE = frozenset(
    [
        "abs_complex",
        "adaptive_max_pool1d",
        "addcdiv",
        "addcmul",
        "angle",
        "avg_pool1d",
        "avg_pool2d",
        "batch_norm",
        "binary_cross_entropy",
        "complex",
        "conjugate",
        "cosine_similarity",
        "cummax",
        "cummin",
        "det",
        "dropout",
        "embedding",
        "erf",
        "erfc",
        "gelu_erf",
        "imag",
        "index_put",
        "interpolate_nearest",
        "kthvalue",
        "layer_norm",
        "linear",
        "logcumsumexp",
        "median",
        "multi_dot",
        "p_norm",
        "pixel_shuffle",
        "poisson_nll_loss",
        "real",
        "rms_norm",
        "scaled_dot_product_attention",
        "slice_scatter",
        "sort_descending",
        "sort_stable",
        "take_along_dim",
        "take_elements",
        "trace",
        "view_as_complex",
        "view_as_real",
    ]
)


class TorchLike(Spelled):
    """Everything by PyTorch's names; `engine` is the module that stands in for `torch`."""

    features = frozenset(
        {"retain_graph", "create_graph", "inputs", "materialize_grads"}
        | {"allow_unused", "grad_roots"}
        | {"float32", "integer", "views", "same_object"}
    )

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        dtype = getattr(self.engine, str(array.dtype))
        return self.engine.tensor(array, dtype=dtype, requires_grad=requires_grad)

    def numpy(self, x: Any) -> Array:
        copy: Array = x.detach().numpy().copy()
        return copy

    def has_part(self, name: str) -> bool:
        return part(self.engine, name)

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> Any:
        return root.backward(gradient, **options)

    def grad(self, x: Any) -> Any:
        return x.grad

    def version(self) -> str:
        return str(getattr(self.engine, "__version__", "unknown"))

    def requires_grad(self, x: Any) -> bool:
        return bool(x.requires_grad)

    def set_requires_grad(self, x: Any, flag: bool) -> Any:
        return x.requires_grad_(flag)

    def is_leaf(self, x: Any) -> bool:
        return bool(x.is_leaf)

    def set_grad(self, x: Any, value: Any) -> None:
        x.grad = value

    def zero_grad(self, x: Any) -> None:
        x.grad.zero_()

    def retain_grad(self, x: Any) -> None:
        x.retain_grad()

    def retains_grad(self, x: Any) -> bool:
        return bool(x.retains_grad)

    def detach(self, x: Any) -> Any:
        return x.detach()

    def detach_inplace(self, x: Any) -> Any:
        return x.detach_()

    def inplace(self, op: str, target: Any, *inputs: Any, **params: Any) -> Any:
        return self.written(op, target, *inputs, **params)

    def no_grad(self) -> AbstractContextManager[Any]:
        context: AbstractContextManager[Any] = self.engine.no_grad()
        return context

    def enable_grad(self) -> AbstractContextManager[Any]:
        context: AbstractContextManager[Any] = self.engine.enable_grad()
        return context

    def is_grad_enabled(self) -> bool:
        return bool(self.engine.is_grad_enabled())

    def backward_many(
        self, roots: Sequence[Any], gradients: Sequence[Any] | None = None, **options: Any
    ) -> Any:
        return self.engine.autograd.backward(roots, gradients, **options)

    def autograd_grad(
        self,
        roots: Sequence[Any],
        inputs: Sequence[Any],
        gradients: Sequence[Any] | None = None,
        **options: Any,
    ) -> Sequence[Any]:
        found: Sequence[Any] = self.engine.autograd.grad(roots, inputs, gradients, **options)
        return found

    def register_hook(self, x: Any, hook: Callable[[Any], Any]) -> Any:
        return x.register_hook(hook)

    def register_post_accumulate_hook(self, x: Any, hook: Callable[[Any], None]) -> Any:
        return x.register_post_accumulate_grad_hook(hook)


def as_method(template: str) -> str:
    """A spelling with a call of the module turned into one of the operand: `torch.exp({0})` to `{0}.exp()`."""
    return re.sub(r"^torch\.(?:\w+\.)*(\w+)\(\{0\}(?:, |(?=\)))", r"{0}.\1(", template)


def methods() -> dict[str, str]:
    """PyTorch's spellings of all ops as methods, for engines whose tensors have them and whose module has not."""
    return {row.name: as_method(row.spell) for row in (*TABLE, *INPLACE.values())}
