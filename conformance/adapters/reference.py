"""The reference engine on trial like any other: the perfect subject, and the default where torch is missing."""

from __future__ import annotations

from typing import Any

import numpy as np

import gradlaws
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.capabilities import FEATURES
from gradlaws.conformance.engines.conventions import PYTORCH, Dialect
from gradlaws.conformance.engines.forwarding import forwarded
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.tensor import Tensor


class ReferenceBackend(Backend):
    """The executable specification. Nearly every method is the engine's own."""

    name = "reference"
    features = frozenset(FEATURES) - {"pytorch"}

    def __init__(self, dialect: Dialect = PYTORCH, engine: Engine | None = None) -> None:
        self.engine = self.make_engine() if engine is None else engine
        self.dialect = self.engine.dialect = dialect

    def make_engine(self) -> Engine:
        """The engine to speak to; faulty variants override it."""
        return Engine()

    def version(self) -> str:
        return str(gradlaws.__version__)

    tensor, parameter = forwarded(Engine.tensor), forwarded(Engine.parameter)
    apply = forwarded(Engine.apply)
    inplace = forwarded(Engine.inplace)
    detach = forwarded(Engine.detach)
    detach_inplace = forwarded(Engine.detach_in_place)
    set_requires_grad = forwarded(Engine.set_requires_grad)
    retain_grad = forwarded(Engine.retain_grad)
    no_grad, enable_grad = forwarded(Engine.no_grad), forwarded(Engine.enable_grad)
    is_grad_enabled = forwarded(Engine.is_grad_enabled)
    backward_many = forwarded(Engine.backward)
    autograd_grad = forwarded(Engine.grad)
    grad = forwarded(Engine.read_grad)
    set_grad = forwarded(Engine.set_grad)
    zero_grad = forwarded(Engine.zero_grad)
    optimizer = forwarded(Engine.optimizer)
    clip_grad_norm, clip_grad_value = forwarded(Engine.clip_grad_norm), forwarded(Engine.clip_grad_value)
    register_hook = forwarded(Engine.register_hook)
    register_post_accumulate_hook = forwarded(Engine.register_post_accumulate_hook)
    on_other_device = forwarded(Engine.on_other_device)
    user_function, checkpoint = forwarded(Engine.user_function), forwarded(Engine.checkpoint)
    memory_strategies, shares_memory = forwarded(Engine.memory_strategies), forwarded(Engine.shares_memory)

    def backward(self, root: Tensor, gradient: Any = None, **options: Any) -> Any:
        return self.engine.backward([root], None if gradient is None else [gradient], **options)

    def numpy(self, x: Tensor) -> Array:
        return np.array(x.array)

    def requires_grad(self, x: Tensor) -> bool:
        return x.requires_grad

    def is_leaf(self, x: Tensor) -> bool:
        return self.engine.leaf_shown(x)

    def retains_grad(self, x: Tensor) -> bool:
        return x.retains and not x.is_leaf

    def device(self, x: Tensor) -> str:
        return x.device

    def place(self, x: Tensor) -> int:
        return id(x.family.storage)

    def evaluated(self, array: Array, x: Tensor) -> tuple[Any, Any]:
        weight = self.engine.parameter(array)
        return weight, self.engine.apply("mul", weight, x)
