"""micrograd: one `Value` per element, so a tensor here is an array of Values."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from micrograd.engine import Value

from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.engines.numpy_like import numpy_like
from gradlaws.conformance.engines.op_spelling import Spelled
from gradlaws.conformance.entropy import Array

#: Without `/`, which is x * y**-1 there, rounds twice, and refuses to divide by zero as Python does.
COMPUTED = frozenset(("add", "sub", "mul", "neg", "add_scalar", "mul_scalar", "pow_scalar", "sum"))


class MicrogradBackend(Spelled):
    """Arrays of micrograd's scalars; moving them about would be NumPy's work, so no op does."""

    name = "micrograd"
    engine, alias, falls_back = np, "np", False
    features = frozenset({"order"})
    withheld = frozenset({"constants", "gradient_argument"})
    dialect = Dialect(absent="zeros", intermediates="kept")
    spellings = {op: text for op, text in numpy_like("np").items() if op in COMPUTED}
    spellings["sum"] = (
        "np.sum({0}, axis={dim}, keepdims={keepdim}, initial=0)"  # else that of one Value is that Value
    )
    spellings["relu"] = "np.vectorize(Value.relu)({0})"

    def ops(self) -> list[str]:
        return list(self.spellings)

    def version(self) -> str:
        return version("micrograd")

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        # A Value computes as its number does: Python's float raises or turns complex where NumPy's has inf or NaN.
        return _boxed([Value(v) for v in array.astype(np.float64).ravel()], array.shape)

    def numpy(self, x: Any) -> Array:
        plain = [v.data if isinstance(v, Value) else v for v in x.ravel()]
        return np.array(plain, dtype=np.float64).reshape(x.shape)

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        x = inputs[0]
        if op == "relu":
            return _boxed([v.relu() for v in x.ravel()], x.shape)
        made = super().apply(op, *inputs, **params)
        made = np.asarray(made, dtype=object)  # the sum of nothing is a plain 0
        return _boxed([v if isinstance(v, Value) else Value(v) for v in made.ravel()], made.shape)

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> Any:
        if gradient is None:
            root.item().backward()
        else:  # there is no gradient argument: the root is weighted instead
            sum(
                (v * g.data for v, g in zip(root.ravel(), gradient.ravel(), strict=True)), Value(0.0)
            ).backward()

    def grad(self, x: Any) -> Any:
        return np.array([float(v.grad) for v in x.ravel()]).reshape(x.shape) if x.dtype == object else None


def _boxed(values: list[Any], shape: tuple[int, ...]) -> Any:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made.reshape(shape)
