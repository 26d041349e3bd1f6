"""The reference engine without one capability each: in its place is what engines do that have it not.

An adapter that withholds something says that its engine does otherwise, or not at all. What it does then is
nobody's business, so no law and no example may notice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.capabilities import FEATURES
from gradlaws.conformance.engines.conventions import PYTORCH, Dialect
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.ops.kinks import KINKS
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.tensor import Tensor

#: By capability: an engine that has it not.
LACKING: dict[str, type[ReferenceBackend]] = {}


def lacking(capability: str) -> Callable[[type[ReferenceBackend]], type[ReferenceBackend]]:
    def register(engine: type[ReferenceBackend]) -> type[ReferenceBackend]:
        engine.withheld |= frozenset({capability})
        engine.name = f"without {capability}"
        LACKING[capability] = engine
        return engine

    return register


def without_method(capability: str) -> type[ReferenceBackend]:
    class Without(ReferenceBackend):
        def __getattribute__(self, attribute: str) -> Any:
            if attribute == capability:
                raise AssertionError(f"{capability} is used, but not claimed")
            return super().__getattribute__(attribute)

    return Without


@lacking("gradient_argument")
class WeighsTheRoot(ReferenceBackend):
    """The engine's backward takes no gradient: the adapter starts from the weighted sum of the root."""

    def backward(self, root: Tensor, gradient: Any = None, **options: Any) -> Any:
        return super().backward(self._weighted(root, gradient), None, **options)

    def backward_many(self, roots: Any, gradients: Any = None, **options: Any) -> Any:
        weights = gradients or [None] * len(roots)
        return self.engine.backward(list(map(self._weighted, roots, weights)), None, **options)

    def autograd_grad(self, roots: Any, inputs: Any, gradients: Any = None, **options: Any) -> Any:
        weights = gradients or [None] * len(roots)
        return self.engine.grad(list(map(self._weighted, roots, weights)), inputs, None, **options)

    def _weighted(self, root: Tensor, gradient: Any) -> Tensor:
        if gradient is None:
            return root
        with self.engine.enable_grad():
            weight = self.tensor(self.numpy(gradient))
            if (
                root.array.dtype.kind == "c"
            ):  # a real result that grows fastest in the direction of the argument
                product = self.engine.apply("mul", root, self.engine.apply("conj", weight))
                product = self.engine.apply("real", product)
            else:
                product = self.engine.apply("mul", root, weight)
            made: Tensor = self.engine.apply("sum", product, dim=None, keepdim=False)
            return made


@lacking("constants")
class TracksEverything(ReferenceBackend):
    """Every leaf that can require grad does."""

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        return self.engine.tensor(array, requires_grad or array.dtype.kind in "fc")


@lacking("ties")
class TakesTheFirst(ReferenceBackend):
    """Where an extremum is taken on several times the first has its gradient."""

    def __init__(self, dialect: Dialect = PYTORCH, engine: Engine | None = None) -> None:
        super().__init__(dialect, engine)
        first = {op: "first" for op, kink in KINKS.items() if "first" in kink.elements}
        self.engine.dialect = Dialect(kinks=first)


@lacking("same_object")
class NewObjects(ReferenceBackend):
    """Each reading of .grad gives a new object over the same memory."""

    def grad(self, x: Tensor) -> Tensor | None:
        held: Tensor | None = self.engine.read_grad(x)
        if held is None:
            return None
        made = Tensor(held.family, held.within, held.node, held.is_root)
        made.grad, made.error = held.grad, held.error
        return made


@lacking("views")
class Copies(ReferenceBackend):
    """View ops copy."""

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        if not TABLE[op].alias:
            return made
        parts = made if TABLE[op].many else [made]
        copied = [super(Copies, self).apply("mul_scalar", x, value=1) for x in parts]
        return copied if TABLE[op].many else copied[0]


class _Refusing(ReferenceBackend):
    """Takes no tensors of some kinds."""

    kinds: tuple[str, ...] = ()

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        assert not str(array.dtype).startswith(self.kinds), f"{array.dtype} is used, but not claimed"
        return self.engine.tensor(array, requires_grad)

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        for x in made if TABLE[op].many else [made]:
            assert not str(x.array.dtype).startswith(self.kinds), f"{op} makes {x.array.dtype}"
        return made


@lacking("integer")
class NoIntegers(_Refusing):
    kinds = ("int", "bool")


@lacking("float32")
class NoSingle(_Refusing):
    kinds = ("float32",)


@lacking("float64")
class NoDouble(_Refusing):
    """Single precision is all that there is, so complex numbers have no parts of their own."""

    withheld = frozenset({"complex"})
    kinds = ("float64", "complex")


@lacking("complex")
class NoComplex(_Refusing):
    kinds = ("complex",)


@lacking("hook_removal")
class KeepsHooks(ReferenceBackend):
    """Who registers a hook is given nothing back."""

    def register_hook(self, x: Any, hook: Any) -> Any:
        self.engine.register_hook(x, hook)

    def register_post_accumulate_hook(self, x: Any, hook: Any) -> Any:
        self.engine.register_post_accumulate_hook(x, hook)


@lacking("order")
class NothingTwice(ReferenceBackend):
    """One tensor cannot be two roots, nor two operands of a user-defined function."""

    def user_function(self, function: Any, inputs: Sequence[Any]) -> Any:
        assert len(set(map(id, inputs))) == len(inputs), "an operand is there twice"
        return self.engine.user_function(function, inputs)

    def autograd_grad(self, roots: Any, inputs: Any, gradients: Any = None, **options: Any) -> Any:
        assert len(set(map(id, roots))) == len(roots), "a root is there twice"
        return self.engine.grad(roots, inputs, gradients, **options)

    def backward_many(self, roots: Any, gradients: Any = None, **options: Any) -> Any:
        assert len(set(map(id, roots))) == len(roots), "a root is there twice"
        return self.engine.backward(roots, gradients, **options)


def without_option(option: str) -> type[ReferenceBackend]:
    class Without(ReferenceBackend):
        def backward(self, root: Any, gradient: Any = None, **options: Any) -> Any:
            assert option not in options, f"{option} is used, but not claimed"
            return super().backward(root, gradient, **options)

        def backward_many(self, roots: Any, gradients: Any = None, **options: Any) -> Any:
            assert option not in options, f"{option} is used, but not claimed"
            return self.engine.backward(roots, gradients, **options)

        def autograd_grad(self, roots: Any, inputs: Any, gradients: Any = None, **options: Any) -> Any:
            assert option not in options, f"{option} is used, but not claimed"
            return self.engine.grad(roots, inputs, gradients, **options)

    return Without


@lacking("grad_roots")
class OneRoot(ReferenceBackend):
    """`autograd.grad` takes one root."""

    def autograd_grad(self, roots: Any, inputs: Any, gradients: Any = None, **options: Any) -> Any:
        assert len(roots) == 1, "several roots are used, but not claimed"
        return self.engine.grad(roots, inputs, gradients, **options)


@lacking("allow_unused")
class NoneForUnused(ReferenceBackend):
    """`autograd.grad` gives None for what was not used, and does not know the option."""

    def autograd_grad(self, roots: Any, inputs: Any, gradients: Any = None, **options: Any) -> Any:
        assert "allow_unused" not in options, "allow_unused is used, but not claimed"
        return self.engine.grad(roots, inputs, gradients, allow_unused=True, **options)


@lacking("lifetime")
class KeepsEverything(ReferenceBackend):
    """No tensor is ever freed."""

    def __init__(self, dialect: Dialect = PYTORCH, engine: Engine | None = None) -> None:
        super().__init__(dialect, engine)
        self.kept: list[Any] = []

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        self.kept.append(self.engine.tensor(array, requires_grad))
        made: Tensor = self.kept[-1]
        return made


@lacking("bare_gradient")
class StartsFromOnes(ReferenceBackend):
    """The adapter gives ones where a gradient argument is left out, whatever the root."""

    def backward(self, root: Tensor, gradient: Any = None, **options: Any) -> Any:
        return super().backward(root, self._given(root, gradient), **options)

    def backward_many(self, roots: Any, gradients: Any = None, **options: Any) -> Any:
        seeds = gradients or [None] * len(roots)
        return self.engine.backward(roots, list(map(self._given, roots, seeds)), **options)

    def autograd_grad(self, roots: Any, inputs: Any, gradients: Any = None, **options: Any) -> Any:
        seeds = gradients or [None] * len(roots)
        return self.engine.grad(roots, inputs, list(map(self._given, roots, seeds)), **options)

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        return self.engine.tensor(array, requires_grad and array.dtype.kind in "fc")

    def _given(self, root: Tensor, gradient: Any) -> Any:
        return self.tensor(np.ones_like(root.array)) if gradient is None else gradient


@lacking("gradient_lists")
class DropsWhatIsTooMuch(ReferenceBackend):
    """The adapter pairs roots and gradient arguments, and drops what is left."""

    def backward_many(self, roots: Any, gradients: Any = None, **options: Any) -> Any:
        pairs = list(zip(roots, gradients or [None] * len(roots), strict=False))
        return self.engine.backward([root for root, _ in pairs], [g for _, g in pairs], **options)


for option in ("retain_graph", "create_graph", "inputs", "materialize_grads"):
    lacking(option)(without_option(option))
#: Those that another test is about: an engine that stores nothing differentiates functions; one whose methods cannot be
#: called is in another process; and what only PyTorch has the reference has not.
ELSEWHERE = frozenset({"stored", "threads", "calls", "pytorch"})


def engine_without(capability: str) -> type[ReferenceBackend]:
    """An engine that has all but this."""
    if capability not in LACKING and capability not in FEATURES:
        lacking(capability)(without_method(capability))
    return LACKING[capability]
