"""Adapters for engines without `.grad`: functions are differentiated there, not tensors.

A tape of pure ops stands between: it records what is computed, replays it as a function of the leaves, and has
the engine pull the gradient argument back through that function. So a program is told as functions: a backward asks
for the gradients of leaves, `inputs=` for those of some; retain_grad() asks for that of an inner value,
requires_grad_() makes a value an argument. What the engine computes is judged so: values, shapes and dtypes of
gradients, gradient arguments, higher order. That gradients are zeros before, are added up or cleared is the tape's
doing, so the capability `stored` is withheld, and laws about it are UNSUPPORTED.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial, reduce
from itertools import zip_longest
from typing import Any

import numpy as np

from gradlaws.conformance.engines.capabilities import NotClaimed
from gradlaws.conformance.engines.descent import Descent
from gradlaws.conformance.engines.function_recorder import FunctionRecorder
from gradlaws.conformance.engines.tape import Traced, order, parts, replayed
from gradlaws.conformance.entropy import Array


class Functional(FunctionRecorder):
    """A tape over an engine that differentiates functions; `vjp`, `array`, `numpy` and `ones_like` are its own."""

    features = frozenset(
        {
            "create_graph",
            "retain_graph",
            "inputs",
            "materialize_grads",
            "grad_roots",
            "order",
            "float32",
            "integer",
        }
    )
    #: All but `stored` is claimed by the means that an adapter gives.
    withheld = frozenset(
        {"stored", "bare_gradient", "gradient_lists", "detach", "no_grad", "checkpoint", "memory_strategies"}
        | {"user_function"}
    )
    #: Whether `vjp` takes functions that give a tuple of values, with a tuple of seeds, and refuses what does not fit.
    several = False

    def __init_subclass__(cls, **options: Any) -> None:
        """Claim what the adapter gives means for; zeros where nothing has arrived are the tape's own."""
        super().__init_subclass__(**options)
        cls.dialect = replace(cls.dialect, absent="zeros")
        means = {
            "detach": cls.stop is not None,
            "checkpoint": bool(cls.recomputing),
            "memory_strategies": bool(cls.recomputing),
            "user_function": cls.called is not Functional.called,
            "bare_gradient": cls.gradient is not Functional.gradient,
            "gradient_lists": cls.several,
        }
        own = {
            name
            for name, there in means.items()
            if there or getattr(cls, name, None) is not getattr(Functional, name, None)
        }
        cls.withheld -= own | ({"no_grad"} if "detach" in own else set())

    @abstractmethod
    def vjp(self, function: Callable[..., Any], values: Sequence[Any], seed: Any) -> Sequence[Any]:
        """The products of `seed` with the Jacobians of `function` at `values`, by the engine."""

    def gradient(self, function: Callable[..., Any], values: Sequence[Any]) -> Sequence[Any]:
        """The gradients of a `function` that gives one number; the engine, if it has the like, refuses any other."""
        raise NotClaimed

    # -- what a program says, as functions ----------------------------------------------------------------------

    def tensor(self, array: Array, requires_grad: bool = False) -> Traced:
        value = self.array(array)
        if requires_grad and array.dtype.kind not in "fc":
            self._asked_of(value)
        return Traced(value, requires_grad)

    def _asked_of(self, value: Any) -> None:
        """Have the engine say whether it differentiates with respect to such a value: by the gradient of its sum."""
        self.gradient(partial(self.computed, "sum", dim=None, keepdim=False), [value])

    def retain_grad(self, x: Traced) -> None:
        """The gradient of an inner value is asked for, too."""
        if not x.requires:
            raise RuntimeError("retain_grad() on a tensor that does not require grad")
        x.asked = True

    def set_requires_grad(self, x: Traced, flag: bool) -> Traced:
        """A value becomes an argument of the function, or none; an inner one is what it is."""
        if flag and self.numpy(x).dtype.kind not in "fc":
            self._asked_of(x.value)
        if x.make is None or not x.requires:
            x.become_leaf(flag)
        elif not flag:
            raise RuntimeError("only a leaf's flag can be changed")
        return x

    def optimizer(
        self, parameters: Sequence[Traced], lr: float, momentum: float, weight_decay: float
    ) -> Descent:
        """Steps are written out in the engine's ops, as where there are no optimizers."""
        return Descent(self, parameters, lr, momentum, weight_decay)

    def backward(self, root: Traced, gradient: Traced | None = None, **options: Any) -> None:
        self.backward_many([root], [gradient], **options)

    def backward_many(
        self,
        roots: Sequence[Traced],
        gradients: Sequence[Traced | None] | None = None,
        inputs: Sequence[Traced] | None = None,
        **options: Any,
    ) -> None:
        """Several roots are pulled back at once, as one number: the sum of their products with the gradients."""
        seeds = gradients or [None] * len(roots)
        for root, seed in zip(roots, seeds, strict=not self.several):
            if not root.requires or (seed is None and not self._starts and self.size(root.value) != 1):
                raise RuntimeError(
                    "a root does not require grad, or has several elements and no gradient argument"
                )
        asked = [x for x in order(roots) if x.asked] if inputs is None else list(dict.fromkeys(inputs))
        leaves = [x for x in asked if x.make is None]
        found = dict(zip(leaves, self._pulled(roots, leaves, seeds, **options), strict=True))
        for x in asked:  # nothing arrives anywhere if anything is refused
            found[x] = found[x] if x in found else self._pulled(roots, [x], seeds, **options)[0]
        for x, product in found.items():
            x.grad = product if x.grad is None else self.apply("add", x.grad, product)

    def autograd_grad(
        self,
        roots: Sequence[Any],
        inputs: Sequence[Any],
        gradients: Sequence[Any] | None = None,
        materialize_grads: bool = False,
        **options: Any,
    ) -> Sequence[Any]:
        """One input at a time: it may have been computed from another one, or be there twice.

        materialize_grads: they are zeros for inputs that were not used, asked for or not.
        """
        seeds = gradients or [None] * len(roots)
        return [self._pulled(roots, [x], seeds, **options)[0] for x in inputs]

    def _pulled(
        self,
        roots: Sequence[Traced],
        inputs: Sequence[Traced],
        gradients: Sequence[Any],
        create_graph: bool = False,
        retain_graph: bool | None = None,
    ) -> list[Traced]:
        """The gradients of inputs, by the engine; a function can be pulled back again in any case."""
        seeds = [self._seed(g, r) for r, g in zip_longest(roots[: len(gradients)], gradients)]
        given = [x for x in seeds if x is not None]
        bare = [k for k, seed in enumerate(seeds) if seed is None]
        # gradients of gradients may be asked for any leaf
        leaves = [x for x in order(roots) if x.make is None and x not in inputs]
        function, known = replayed(roots, [*inputs, *leaves]), len(inputs) + len(leaves)
        made_of = self._made_of or (lambda function: function)

        def started(*xs: Any) -> Any:
            values = function(*xs)
            return self._sum([values[k] for k in bare])

        def seeded(*xs: Any) -> tuple[Any, ...]:
            return tuple(value for k, value in enumerate(function(*xs)) if k not in bare)

        def weighed(weights: Sequence[Any], *xs: Any) -> Any:
            return self._weighed(seeded(*xs), weights)

        def products(*values: Any) -> Sequence[Any]:
            at, weights = values[:known], values[known:]
            found: list[Sequence[Any]] = []
            if bare:
                found.append(self.gradient(made_of(started), at))
            if len(roots) == len(given) == 1:
                found.append(self.vjp(made_of(lambda *xs: seeded(*xs)[0]), at, weights[0]))
            elif given and self.several:
                found.append(self.vjp(made_of(seeded), at, tuple(weights)))
            elif given:
                one = self.ones_like(weighed(weights, *at))
                found.append(self.vjp(made_of(partial(weighed, weights)), at, one))
            return [self._sum(products) for products in zip(*found, strict=True)][: len(inputs)]

        operands = [*inputs, *leaves, *given]
        made = products(*(x.value for x in operands))
        if not create_graph:
            return [Traced(value) for value in made]
        return parts(products, made, operands)

    @property
    def _starts(self) -> bool:
        """Whether the engine itself starts from a one where there is no gradient argument."""
        return "bare_gradient" not in self.withheld

    def _seed(self, gradient: Any, root: Traced) -> Traced | None:
        """A gradient argument as it is given, a tensor or not; where it is left out None, or ones for the engine."""
        if gradient is None:
            return None if self._starts else Traced(self.ones_like(root.value))
        return gradient if isinstance(gradient, Traced) else Traced(gradient)

    def _weighed(self, values: Sequence[Any], weights: Sequence[Any]) -> Any:
        """The sum of the products of roots with their gradient arguments, by the engine's own ops."""
        call = self.computed
        return self._sum(
            [
                call("sum", call("mul", x, w), dim=None, keepdim=False)
                for x, w in zip(values, weights, strict=True)
            ]
        )

    def _sum(self, values: Sequence[Any]) -> Any:
        return reduce(partial(self.computed, "add"), values)

    def size(self, value: Any) -> int:
        """How many elements a value has: its `size`, a number or a method; an engine with another name overrides it."""
        size = value.size
        return int(size() if callable(size) else size)

    @abstractmethod
    def ones_like(self, value: Any) -> Any:
        """Ones of the shape and dtype of a value."""

    def grad(self, x: Traced) -> Traced | None:
        """What has arrived; zeros where nothing has."""
        if x.grad is None and x.nothing is None:
            there = self.numpy(x)
            x.nothing = Traced(self.array(np.zeros_like(there))) if there.dtype.kind in "fc" else None
        return x.nothing if x.grad is None else x.grad
