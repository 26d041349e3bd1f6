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
from autograd.core import defvjp_argnums, make_vjp
from autograd.extend import notrace_primitive, primitive

from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.engines.functional import Functional
from gradlaws.conformance.engines.numpy_like import numpy_like
from gradlaws.conformance.engines.tape import Traced
from gradlaws.conformance.engines.user_function import UserFunction
from gradlaws.conformance.entropy import Array


def _boxed(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose results, if there are several, autograd takes for one value."""
    return lambda *values: boxed(made) if isinstance(made := function(*values), tuple) else made


class AutogradBackend(Functional):
    """`autograd.numpy` functions, pulled back by `make_vjp`."""

    name = "autograd"
    engine, alias, falls_back = autograd, "autograd", False
    features = Functional.features | {"complex", "threads"}
    dialect = Dialect(gradient_type="array", complex_gradient="conjugate", kinks={"relu": "middle"})
    stop = staticmethod(notrace_primitive(lambda value: value))
    recomputing = {"checkpoint": lambda function: autograd.checkpoint(_boxed(function))}
    #: Forward only: autograd has no derivative for these.
    lacks = frozenset({"cumprod", "flip", "select", "index_select", "gather", "sort", "expand"})
    spellings = {
        **numpy_like("autograd.numpy", of_complex=True, layers=True),
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
        return tuple(make_vjp(lambda xs: function(*xs), boxed(values))[0](seed))

    def gradient(self, function: Callable[..., Any], values: Sequence[Any]) -> Sequence[Any]:
        return tuple(autograd.grad(lambda xs: function(*xs))(boxed(values)))

    def called(self, function: UserFunction, values: Sequence[Any]) -> Sequence[Any]:
        call = primitive(lambda *xs: self.forward(function, xs)[0])

        def pulled(wanted: Sequence[int], _: Any, operands: Sequence[Any], __: Any) -> Any:
            saved = self.forward(function, operands)[1]

            def product(gradients: Any) -> Sequence[Any]:
                found = self.formula(function, saved, list(gradients))
                return [
                    autograd.numpy.zeros_like(operands[k]) if found[k] is None else found[k] for k in wanted
                ]

            return product

        defvjp_argnums(call, pulled)
        results: Sequence[Any] = call(*values)
        return results
