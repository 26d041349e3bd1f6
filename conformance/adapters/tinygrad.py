"""tinygrad on the CPU; without a C compiler of its liking its Python device computes."""

from __future__ import annotations

import os
from importlib.metadata import version
from shutil import which
from typing import Any

if which("clang") is None:
    os.environ.setdefault("DEV", "PYTHON")  # read when tinygrad is imported
from tinygrad import Tensor

from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.engines.op_spelling import Spelled
from gradlaws.conformance.engines.torch_like import methods
from gradlaws.conformance.entropy import Array

AXIS = ("var_mean", "sum", "mean", "prod", "var", "std", "logsumexp", "amax", "amin")
ALONG = ("softmax", "softmin", "log_softmax", "cumprod", "cumsum", "logcumsumexp")
KINKS = {"leaky_relu": "right", "hardtanh": "largest", "relu6": "left"}
UNLIKE = frozenset(("argmax", "unfold_patches", "sort_stable", "sort_descending"))


class TinygradBackend(Spelled):
    """Lazy tensors, realised where they are looked at; every float tensor in scope gets a gradient."""

    name = "tinygrad"
    engine, alias, falls_back = Tensor, "Tensor", False
    dialect = Dialect(bare_root="0-d", intermediates="kept", returns="something", kinks=KINKS)
    features = frozenset({"float32", "integer", "same_object", "order", "lifetime"})
    withheld = frozenset({"constants"})
    spellings = methods() | {
        **{op: f"{{0}}.{op}(axis={{dim}}, keepdim={{keepdim}})" for op in AXIS[:-2]},
        **{f"a{m}": f"{{0}}.{m}(axis={{dim}}, keepdim={{keepdim}})" for m in ("max", "min")},
        **{op: f"{{0}}.{op}(axis={{dim}})" for op in ALONG},
        **{f"{m}_dim": f"{{0}}.{m}(axis={{dim}})" for m in ("max", "min")},
        "where": "({0} > 0).where({1}, {2})",
        **{op: f"{{0}}.{op}({{1}}, dim={{dim}})" for op in ("cat", "stack")},
        "clamp": "{0}.clamp({min}, {max})",
        "flip": "{0}.flip(({dim},))",
        **{op: f"{{0}}.{op}({{dim}})[0]" for op in ("sort", "cummax", "cummin")},
        "topk": "{0}.topk({k}, {dim})[0]",
        "index": "{0}[Tensor({index})]",
        "index_select": "{0}[(slice(None),) * {dim} + (Tensor({index}),)]",
        "gather": "{0}.gather({dim}, Tensor({index}))",
        "scatter": "{0}.scatter({dim}, Tensor({index}), {1})",
        "scatter_add": "{0}.scatter_reduce({dim}, Tensor({index}), {1}, 'sum')",
        **{op: f"{{0}}.{op}(Tensor({{target}}))" for op in ("cross_entropy", "nll_loss")},
        **dict.fromkeys(("cast", "to_integer"), "{0}.cast('{dtype}')"),
        **dict.fromkeys(("mm", "mv", "bmm"), "{0} @ {1}"),
        "vector_norm": "{0}.square().sum().sqrt()",
        "linear": "{0}.linear({1}.transpose(), {2})",  # whose weight has the inputs first
    }
    #: argmax is int32, unfold() and interpolate() are other functions, and no order is said to be stable.
    lacks = UNLIKE | {"set_mask_", "set_item_", "set_slice_", "interpolate_nearest", "interpolate_linear"}

    def version(self) -> str:
        return version("tinygrad")

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        return Tensor(array.copy()).clone().realize()

    def numpy(self, x: Any) -> Array:
        copy: Array = x.numpy().copy()
        return copy

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> Any:
        return root.backward(gradient)

    def grad(self, x: Any) -> Any:
        return x.grad

    def set_grad(self, x: Any, value: Any) -> None:
        x.grad = value

    def detach(self, x: Any) -> Any:
        return x.detach()
