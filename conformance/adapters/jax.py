"""JAX, with 64-bit numbers, behind a tape: `jax.vjp` of the recorded function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.engines.functional import Functional, Traced
from gradlaws.conformance.engines.numpy_like import numpy_like
from gradlaws.conformance.engines.user_function import UserFunction
from gradlaws.conformance.entropy import Array

jax.config.update("jax_enable_x64", True)


class JaxBackend(Functional):
    """`jax.numpy` functions, pulled back by `jax.vjp`."""

    name = "jax"
    engine, alias, falls_back = jax, "jax", False
    features = Functional.features | {"complex", "threads"}
    kinks = {"abs": "right", "leaky_relu": "right", "hardtanh": "largest"}
    dialect = Dialect(complex_gradient="conjugate", kinks=kinks)
    spellings = {
        **numpy_like("jax.numpy", of_complex=True),
        **{
            op: f"jax.nn.{op}({{0}})"
            for op in ("relu", "relu6", "sigmoid", "softplus", "elu", "silu", "gelu")
        },
        "hardtanh": "jax.nn.hard_tanh({0})",
        "softsign": "jax.nn.soft_sign({0})",
        "logsigmoid": "jax.nn.log_sigmoid({0})",
        "leaky_relu": "jax.nn.leaky_relu({0}, {slope})",
        "softmax": "jax.nn.softmax({0}, axis={dim})",
        "log_softmax": "jax.nn.log_softmax({0}, axis={dim})",
        "logsumexp": "jax.nn.logsumexp({0}, axis={dim}, keepdims={keepdim})",
        "rsqrt": "jax.lax.rsqrt({0})",
        "index_add": "{0}.at[jax.numpy.array({index})].add({1})",
    }

    def version(self) -> str:
        return str(jax.__version__)

    def array(self, array: Array) -> Any:
        return jax.numpy.array(array)

    def numpy(self, x: Traced) -> Array:
        return np.array(x.value)

    def ones_like(self, value: Any) -> Any:
        return jax.numpy.ones_like(value)

    def vjp(self, function: Callable[..., Any], values: Sequence[Any], seed: Any) -> Sequence[Any]:
        products: Sequence[Any] = jax.vjp(function, *values)[1](seed)
        return products

    def detach(self, x: Traced) -> Traced:
        return self.recorded(lambda values: [jax.lax.stop_gradient(values[0])], [x])[0]

    def checkpoint(self, part: Callable[..., Sequence[Traced]], inputs: Sequence[Traced]) -> Sequence[Traced]:
        return self.recomputed(part, inputs, jax.checkpoint)

    def user_function(self, function: UserFunction, inputs: Sequence[Traced]) -> Sequence[Traced]:
        return self.applied(function, inputs)

    def called(self, function: UserFunction, values: Sequence[Any]) -> Sequence[Any]:
        def pulled(kept: Any, gradients: Any) -> Any:
            found, zeros = self.formula(function, kept[0], gradients), jax.numpy.zeros_like
            return tuple(zeros(x) if g is None else g for g, x in zip(found, kept[1], strict=True))

        def kept(*xs: Any) -> Any:
            results, saved = self.forward(function, xs)
            return results, (saved, xs)

        call = jax.custom_vjp(lambda *xs: self.forward(function, xs)[0])
        call.defvjp(kept, pulled)
        return list(call(*values))
