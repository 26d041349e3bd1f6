"""Engines that only seem to be engines: none of them may reach a level."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.reference.graph_traversal import ancestors
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor, fresh


class ImplementsNothing(ReferenceBackend):
    """A backward that does nothing: no gradient ever comes."""

    name = "implements-nothing"

    def backward(self, root: Tensor, gradient: Any = None, **options: Any) -> None:
        return None

    def backward_many(self, *args: Any, **options: Any) -> None:
        return None


class NeverRaises(ReferenceBackend):
    """Whatever must be refused ends well."""

    name = "never-raises"

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in (
            "backward",
            "backward_many",
            "inplace",
            "retain_grad",
            "set_requires_grad",
            "set_grad",
        ):
            return found

        def quiet(*args: Any, **options: Any) -> Any:
            try:
                return found(*args, **options)
            except Exception:
                return None

        return quiet


class AlwaysRaises(ReferenceBackend):
    """Every backward is refused."""

    name = "always-raises"

    def backward(self, root: Tensor, gradient: Any = None, **options: Any) -> NoReturn:
        raise RuntimeError("not now")

    def backward_many(self, *args: Any, **options: Any) -> NoReturn:
        raise RuntimeError("not now")


class ReturnsZeros(ReferenceBackend):
    """Every gradient is there, of the right shape and dtype, and zero."""

    name = "returns-zeros"

    def grad(self, x: Tensor) -> Tensor | None:
        found = super().grad(x)
        return None if found is None else fresh(Node(np.zeros_like(found.array)))


class AnswersSmallShapes(ReferenceBackend):
    """Gradients of tensors of more than two elements are zero."""

    name = "answers-small-shapes"

    def backward(self, root: Tensor, gradient: Any = None, **options: Any) -> Any:
        done = super().backward(root, gradient, **options)
        for node in _leaves(root):
            if node.grad is not None and node.grad.array.size > 2:
                node.grad = fresh(Node(np.zeros_like(node.grad.array)))
        return done


def _leaves(root: Tensor) -> list[Tensor]:
    return [node.owner for node in ancestors([root.node]) if node.owner is not None]


IMPOSTORS: tuple[type[ReferenceBackend], ...] = (
    ImplementsNothing, NeverRaises, AlwaysRaises, ReturnsZeros, AnswersSmallShapes,
)  # fmt: skip
