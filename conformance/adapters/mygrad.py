"""mygrad: NumPy arrays with gradients; a tensor's gradient is an array, and is gone once the tensor is used again."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import mygrad
import mygrad.nnet
import numpy as np

from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.engines.numpy_like import numpy_like
from gradlaws.conformance.engines.op_spelling import Spelled
from gradlaws.conformance.engines.time_limit import time_limit
from gradlaws.conformance.entropy import Array

NNET = {"relu": "relu", "sigmoid": "sigmoid", "hardtanh": "hard_tanh", "softsign": "soft_sign"}


class MygradBackend(Spelled):
    """mygrad's tensors; what does not require grad is `constant` there."""

    name = "mygrad"
    engine, alias, falls_back = mygrad, "mygrad", False
    features = frozenset({"float32", "integer", "views", "lifetime", "order"})
    dialect = Dialect(
        accumulation="overwrites", intermediates="kept", bare_root="any", gradient_shape="broadcasts",
        gradient_type="array", freed="stops", use="clears", untracked_root="nothing", leaf_write="recorded",
        kinks=dict.fromkeys(("amax", "amin", "max_all", "min_all"), "first"),
    )  # fmt: skip
    #: Rounding and signs are for constants only, and a cast makes a tensor without history.
    lacks = frozenset({"sign", "floor", "round", "trunc", "cast", "to_integer"})
    spellings = {
        **numpy_like("mygrad", inplace=True),
        **{op: f"mygrad.nnet.{name}({{0}})" for op, name in NNET.items()},
        "vector_norm": "mygrad.linalg.norm({0})",
        "elu": "mygrad.nnet.elu({0}, 1.0)",
        "leaky_relu": "mygrad.nnet.leaky_relu({0}, {slope})",
        **{f"{log}softmax": f"mygrad.nnet.{log[:3]}softmax({{0}}, axis={{dim}})" for log in ("", "log_")},
        "cross_entropy": "mygrad.nnet.softmax_crossentropy({0}, mygrad.asarray({target}))",
    }

    def version(self) -> str:
        return str(mygrad.__version__)

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        return mygrad.tensor(array, constant=not requires_grad)

    def numpy(self, x: Any) -> Array:
        return np.array(x.data if isinstance(x, mygrad.Tensor) else x)

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> Any:
        with time_limit(0.5):  # a cycle in the graph has none
            return root.backward(gradient)

    def grad(self, x: Any) -> Any:
        # An array there; given out as a constant over the same memory.
        if (array := getattr(x, "grad", None)) is None:
            return None
        shown = mygrad.tensor(array, constant=True, copy=False)
        shown.array = array
        return shown

    def requires_grad(self, x: Any) -> bool:
        return not getattr(x, "constant", True)

    def inplace(self, op: str, target: Any, *inputs: Any, **params: Any) -> Any:
        if (array := getattr(target, "array", None)) is None:
            return self.written(op, target, *inputs, **params)
        # NumPy writes to a gradient; an in-place op of mygrad gives its tensor other memory, and locks the old.
        with mygrad.mem_guard_off:
            made = self.written(op, target, *inputs, **params)
        array[...], target.data, target.array = target.data, array, array
        return made

    def no_grad(self) -> AbstractContextManager[Any]:
        return mygrad.no_autodiff  # type: ignore[no-any-return]

    def shares_memory(self, a: Any, b: Any) -> bool:
        return bool(mygrad.shares_memory(a, b))
