"""candle-python: PyTorch's API, rebuilt in Python over NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import candle

from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.engines.time_limit import time_limit
from gradlaws.conformance.engines.torch_like import UNLIKE, TorchLike

#: Ops whose 0-d results come out of candle with shape (1,).
WHOLE = {
    "prod_all", "vector_norm", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "nll_loss",
    "cross_entropy", "binary_cross_entropy_with_logits",
}  # fmt: skip
ALONG = {"sum", "mean", "prod", "logsumexp", "std", "var"}
INTEGERS = "torch.tensor({index}, dtype=torch.int64)"


class CandleBackend(TorchLike):
    """Everything by PyTorch's names."""

    name = "candle"
    engine = candle
    features = (TorchLike.features - {"inputs", "materialize_grads", "grad_roots"}) | {"lifetime", "order"}
    dialect = Dialect(kinks={"hardtanh": "largest", "relu6": "largest"})
    withheld = frozenset({"backward_many", "retains_grad", "register_post_accumulate_hook", "ties"})
    #: There are no extrema of all elements or with places by these names, and masks are not broadcast.
    lacks = UNLIKE | {"max_all", "min_all", "max_dim", "min_dim", "masked_fill", "masked_fill_"}
    spellings = {
        "clamp": "torch.clamp({0}, {min}, {max})",
        "clamp_": "{0}.clamp_({min}, {max})",
        **{op: f"torch.nn.functional.{op}({{0}}, dim={{dim}})" for op in ("softmax", "log_softmax")},
        "sort": "torch.sort({0}, dim={dim})[0]",
        "topk": "torch.topk({0}, {k}, dim={dim})[0]",
        "index": f"{{0}}[{INTEGERS}]",
        "index_mask": "{0}[torch.tensor({mask}, dtype=torch.bool)]",
        "set_mask_": "{0}[torch.tensor({mask}, dtype=torch.bool)] = {value}",
        "index_select": f"torch.index_select({{0}}, {{dim}}, {INTEGERS})",
        "gather": f"torch.gather({{0}}, {{dim}}, {INTEGERS})",
        "scatter": f"torch.scatter({{0}}, {{dim}}, {INTEGERS}, {{1}})",
        "scatter_add": f"{{0}}.scatter_add({{dim}}, {INTEGERS}, {{1}})",
        "index_add": f"{{0}}.index_add(0, {INTEGERS}, {{1}})",
    }

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> Any:
        with _timely():
            return super().backward(root, gradient, **options)

    def autograd_grad(self, *arguments: Any, **options: Any) -> Any:
        with _timely():
            return super().autograd_grad(*arguments, **options)

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        made, x = super().apply(op, *inputs, **params), inputs[0]
        if op == "unbind":
            return [part.reshape(part.shape if x.ndim > 1 else ()) for part in made]
        whole = op in WHOLE or (op == "square" and not x.ndim)
        whole |= op == "matmul" and inputs[1].ndim == x.ndim == 1
        whole |= op in ALONG and not params["keepdim"] and (params["dim"] is None or x.ndim == 1)
        return made.reshape(()) if whole else made


@contextmanager
def _timely() -> Iterator[None]:
    """A backward without an end is cut short, and the grad mode that it was cut short in is not left behind."""
    before = candle.is_grad_enabled()
    try:
        with time_limit(0.5):
            yield
    except TimeoutError:
        candle.set_grad_enabled(before)
        raise
