"""Looks at what an adapter's methods return, and the probes of those that users' own code goes through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.user_function import UserFunction
from gradlaws.conformance.entropy import Array

_VALUES = np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]])
#: Raises `Wrong` where a method of the adapter is not right.
Probe = Callable[[Backend], None]


class Wrong(Exception):
    """A method returns something else than it should."""


def same(got: Any, want: Array, what: str) -> None:
    """Assert that a method gave this array, shape and dtype included."""
    if type(got) is not np.ndarray:  # a subclass may compare as it likes
        raise Wrong(f"{what} gave {type(got).__name__}, expected numpy.ndarray")
    if got.shape != want.shape:
        raise Wrong(f"{what} has shape {got.shape}, expected {want.shape}")
    if got.dtype != want.dtype:
        raise Wrong(f"{what} has dtype {got.dtype}, expected {want.dtype}")
    if not np.array_equal(got, want):
        raise Wrong(f"{what} is {got.tolist()}, expected {want.tolist()}")


def values(backend: Backend) -> Array:
    """What the leaf holds: numbers that every float has."""
    return _VALUES.astype(backend.usual)


def leaf(backend: Backend, requires_grad: bool = True) -> Any:
    """A leaf that holds `values`."""
    return backend.tensor(values(backend), requires_grad)


def total(backend: Backend, x: Any) -> Any:
    """The sum of a tensor."""
    return backend.apply("sum", x, dim=None, keepdim=False)


def _user_function(backend: Backend) -> None:
    apply, x = backend.apply, leaf(backend)
    multiplied = UserFunction(
        lambda a, b: ([apply("mul", a, b)], [a]), lambda saved, g: [apply("add", g[0], saved[0]), None]
    )
    (made,) = backend.user_function(multiplied, [x, leaf(backend)])
    same(backend.numpy(made), values(backend) * values(backend), "the result of a function that multiplies")
    backend.backward(total(backend, made))
    same(backend.numpy(backend.grad(x)), 1 + values(backend), "x.grad by a formula that adds what it saved")


def _graded(backend: Backend) -> Any:
    """A leaf whose gradient is `values`."""
    x = leaf(backend)
    backend.backward(total(backend, backend.apply("mul", x, backend.tensor(values(backend)))))
    return x


def _clip_grad_norm(backend: Backend) -> None:
    x = _graded(backend)
    backend.clip_grad_norm([x], 100.0)
    same(backend.numpy(backend.grad(x)), values(backend), "a gradient whose norm is below the limit")


def _clip_grad_value(backend: Backend) -> None:
    x = _graded(backend)
    backend.clip_grad_value([x], 0.5)
    same(backend.numpy(backend.grad(x)), np.clip(values(backend), -0.5, 0.5), "a gradient cut to within 0.5")


#: By the capability that each is about. Optimizers and checkpoints are not among them: with the first one PyTorch
#: imports its compiler, which takes as long as many laws.
PROBES: dict[str, Probe] = {
    "user_function": _user_function,
    "clip_grad_norm": _clip_grad_norm,
    "clip_grad_value": _clip_grad_value,
}
