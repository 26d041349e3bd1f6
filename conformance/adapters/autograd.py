"""HIPS autograd: NumPy, wrapped, behind a tape: `make_vjp` of the recorded function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import autograd
import autograd.numpy
import autograd.scipy.special
import numpy as np
from autograd.builtins import tuple as boxed
from autograd.core import make_vjp

from gradlaws.conformance.engines.functional import Functional, Traced
from gradlaws.conformance.engines.numpy_like import numpy_like
from gradlaws.conformance.entropy import Array


class AutogradBackend(Functional):
    """`autograd.numpy` functions, pulled back by `make_vjp`."""

    name = "autograd"
    engine, alias, falls_back = autograd, "autograd", False
    #: Forward only: autograd has no derivative for these.
    lacks = frozenset({"cumprod", "flip", "select", "index_select", "gather", "sort", "expand"})
    spellings = {
        **numpy_like("autograd.numpy"),
        "diagonal": "autograd.numpy.diagonal({0}, axis1=-1, axis2=-2)",
        "sigmoid": "autograd.scipy.special.expit({0})",
        "logsumexp": "autograd.scipy.special.logsumexp({0}, axis={dim}, keepdims={keepdim})",
    }

    def version(self) -> str:
        return version("autograd")

    def array(self, array: Array) -> Any:
        return array.copy()

    def numpy(self, x: Traced) -> Array:
        return np.array(x.value)

    def ones_like(self, value: Any) -> Any:
        return autograd.numpy.ones_like(value)

    def vjp(self, function: Callable[..., Any], values: Sequence[Any], seed: Any) -> Sequence[Any]:
        products: Sequence[Any] = make_vjp(lambda xs: function(*xs), boxed(values))[0](seed)
        return products
