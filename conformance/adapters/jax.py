"""JAX, with 64-bit numbers, behind a tape: `jax.vjp` of the recorded function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.engines.functional import Functional
from gradlaws.conformance.engines.numpy_like import numpy_like
from gradlaws.conformance.engines.tape import Traced
from gradlaws.conformance.engines.user_function import UserFunction
from gradlaws.conformance.entropy import Array

jax.config.update("jax_enable_x64", True)


class JaxBackend(Functional):
    """`jax.numpy` functions, pulled back by `jax.vjp`."""

    name = "jax"
    engine, alias, falls_back = jax, "jax", False
    features = Functional.features | {"complex", "threads"}
    several = True
    stop = jax.lax.stop_gradient
    recomputing = {"checkpoint": jax.checkpoint}
    kinks = {"abs": "right", "leaky_relu": "right", "hardtanh": "largest"}
    dialect = Dialect(bare_root="0-d", complex_gradient="conjugate", kinks=kinks)
    spellings = {
        **numpy_like("jax.numpy", of_complex=True, layers=True),
        **{
            op: f"jax.nn.{op}({{0}})"
            for op in ("relu", "relu6", "sigmoid", "softplus", "elu", "silu", "gelu")
        },
        "hardtanh": "jax.nn.hard_tanh({0})",
        "softsign": "jax.nn.soft_sign({0})",
        "logsigmoid": "jax.nn.log_sigmoid({0})",
        "leaky_relu": "jax.nn.leaky_relu({0}, {slope})",
        **{op: f"jax.nn.{op}({{0}}, axis={{dim}})" for op in ("softmax", "log_softmax")},
        "logsumexp": "jax.nn.logsumexp({0}, axis={dim}, keepdims={keepdim})",
        "rsqrt": "jax.lax.rsqrt({0})",
        # boolean indices have to be concrete, also where a function is traced
        "index_mask": "{0}[jax.numpy.array([*filter({mask}.__getitem__, range(len({mask})))], dtype=int)]",
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
        return tuple(jax.vjp(function, *values)[1](seed))

    def gradient(self, function: Callable[..., Any], values: Sequence[Any]) -> Sequence[Any]:
        return tuple(jax.grad(function, argnums=tuple(range(len(values))))(*values))

    def device(self, x: Traced) -> Any:
        return x.value.device

    def called(self, function: UserFunction, values: Sequence[Any]) -> Sequence[Any]:
        def pulled(kept: Any, gradients: Any) -> Any:
            return tuple(self.formula(function, kept, gradients))

        def kept(*xs: Any) -> Any:
            return self.forward(function, xs)

        call = jax.custom_vjp(lambda *xs: self.forward(function, xs)[0])
        call.defvjp(kept, pulled)
        return list(call(*values))
