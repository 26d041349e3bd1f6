"""How the suite talks to an engine: five required methods, and capabilities claimed by overriding.

An adapter subclasses `Backend` (or `TorchLike`, where the engine's names resemble PyTorch's). Tensors are the
engine's own objects, opaque to the suite. A method marked as a capability is claimed by overriding it; what is
not a method of its own is claimed in `features`. What is not claimed is reported UNSUPPORTED, never passed.
The adapter never receives expected results.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from inspect import signature
from typing import Any

import numpy as np

from gradlaws.conformance.engines.capabilities import (
    FEATURES,
    METHODS,
    NotClaimed,
    capability,
    claimed,
    summary,
    usual,
)
from gradlaws.conformance.engines.conventions import PYTORCH, Dialect
from gradlaws.conformance.engines.own_rows import WithRows
from gradlaws.conformance.engines.remote_engine import RemoteEngine
from gradlaws.conformance.engines.user_function import UserFunction
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import INPLACE, TABLE


class Backend(WithRows):
    """An engine under test. Required: `tensor`, `numpy`, `apply`, `backward`, `grad`."""

    #: The name that reports show and `--backend` finds.
    name: str = ""
    #: How it was asked for: a name, or `module:attribute`.
    given: str = ""
    #: The capabilities of `FEATURES` that the engine has.
    features: frozenset[str] = frozenset()
    #: Seconds that one program may take before it counts as hung: its law is a TIMEOUT then. 0 for no limit.
    patience: float = 30.0
    #: Op name to spelling in the engine's own API, where it differs from PyTorch's; used for printing.
    spellings: dict[str, str] = {}  # noqa: RUF012 - overridden, never mutated
    #: A statement in the engine's own API that stand-alone scripts begin with; empty for none.
    preamble: str = ""
    #: What runs programs on the engine where that is in another process; None for this process.
    elsewhere: RemoteEngine | None = None
    #: What the engine does differently on purpose; judged as declared unless `--dialect torch` is given.
    dialect: Dialect = PYTORCH

    # -- required ---------------------------------------------------------------------------------------------

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        """A new leaf with a copy of the contents, dtype and shape of a NumPy array."""
        raise NotImplementedError

    def numpy(self, x: Any) -> Array:
        """A copy of the contents as a NumPy array of the same dtype and shape."""
        raise NotImplementedError

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        """The result of op `op` of the table on tensors; a sequence of tensors where the op has several."""
        raise NotImplementedError

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> Any:
        """`root.backward(gradient)`; options: retain_graph, create_graph, inputs where claimed in `features`."""
        raise NotImplementedError

    def grad(self, x: Any) -> Any:
        """`x.grad`: a tensor, or None."""
        raise NotImplementedError

    # -- what the engine has ----------------------------------------------------------------------------------

    def ops(self) -> Iterable[str]:
        """Names of the ops (and in-place ops) of the table that the engine has; by default all of them."""
        return [*TABLE.names(), *INPLACE]

    def has_part(self, name: str) -> bool:
        """Whether the engine has a part of its own API, or is of a release, that a law needs, as in `torch>=2.9`."""
        return False

    def accepts(self, op: str, **params: Any) -> bool:
        """Whether the engine has `op` with these parameters; programs keep to what it has.

        An adapter that names `shapes`, as in `accepts(op, *, shapes=(), **params)`, is told those of the operands.
        """
        return True

    def flags(self, x: Any) -> tuple[bool | None, bool | None, bool | None]:
        """(`requires_grad`, `is_leaf`, `retains_grad`) of a tensor, None where not claimed.

        Override it only where reading all three at once is faster: it is the most frequent call of all. A subclass
        of an adapter that does (as the one for PyTorch) overrides it along with any of the three.
        """
        has = self.capabilities
        return (
            self.requires_grad(x) if "requires_grad" in has else None,
            self.is_leaf(x) if "is_leaf" in has else None,
            self.retains_grad(x) if "retains_grad" in has else None,
        )

    def place(self, x: Any) -> Any:
        """A hashable key of the memory that x lives in: what has another key surely shares none. None: not known.

        Override it only where that is faster than asking `shares_memory` of every pair.
        """
        return None

    def prepare(self) -> None:
        """Import what the first use of an optimizer or a checkpoint would import; called before others are forked."""

    @contextmanager
    def session(self) -> Iterator[None]:
        """A block around many programs, in which an engine's warnings, and NumPy's, are ignored.

        Programs provoke warnings on purpose, and under `-W error` they would look like refusals.
        """
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield

    def version(self) -> str:
        """The version of the engine, for reports."""
        return "unknown"

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """All that is claimed: overridden methods and `features`."""
        made: Any = type(self)
        return claimed(made, frozenset(self.features), frozenset(self.withheld))

    @property
    def usual(self) -> str:
        """The dtype of tensors where none in particular is asked for: float64, or else float32."""
        return usual(self.capabilities)

    def forgo(self, capability: str) -> None:
        """Take a capability back that the adapter was seen not to have."""
        self.__dict__["capabilities"] = self.capabilities - {capability}

    #: Capabilities that a base class claims but this engine does not have.
    withheld: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"<backend {self.name}>"

    # -- capabilities -----------------------------------------------------------------------------------------

    @capability
    def requires_grad(self, x: Any) -> bool:
        """`x.requires_grad`: whether gradients flow to or through the tensor."""
        raise NotClaimed

    @capability
    def set_requires_grad(self, x: Any, flag: bool) -> Any:
        """`x.requires_grad_(flag)`: changes the flag in place and returns the tensor."""
        raise NotClaimed

    @capability
    def is_leaf(self, x: Any) -> bool:
        """`x.is_leaf`: whether no recorded op made the tensor."""
        raise NotClaimed

    @capability
    def set_grad(self, x: Any, value: Any) -> None:
        """`x.grad = value`: a tensor to store, None to clear, anything else to be refused."""
        raise NotClaimed

    @capability
    def zero_grad(self, x: Any) -> None:
        """`x.grad.zero_()`: zeros in place; called only where .grad is a tensor."""
        raise NotClaimed

    @capability
    def optimizer(self, parameters: Sequence[Any], lr: float, momentum: float, weight_decay: float) -> Any:
        """Gradient descent over parameters: returns an object with methods `step()` and `zero_grad(set_to_none=True)`.

        step: with g the gradient plus weight_decay times the parameter, and v the g of the first step, then
            momentum v + g, the parameter less lr v; in place.
        """
        raise NotClaimed

    @capability
    def clip_grad_norm(self, parameters: Sequence[Any], limit: float) -> Any:
        """`clip_grad_norm_(parameters, limit)`: all gradients scaled so that their norm is at most the limit."""
        raise NotClaimed

    @capability
    def clip_grad_value(self, parameters: Sequence[Any], limit: float) -> Any:
        """`clip_grad_value_(parameters, limit)`: each element cut to within plus or minus the limit."""
        raise NotClaimed

    @capability
    def retain_grad(self, x: Any) -> None:
        """`x.retain_grad()`: a non-leaf keeps its gradient from now on."""
        raise NotClaimed

    @capability
    def retains_grad(self, x: Any) -> bool:
        """`x.retains_grad`: whether the tensor is a non-leaf that keeps its gradient."""
        raise NotClaimed

    @capability
    def detach(self, x: Any) -> Any:
        """`x.detach()`: a tensor without history over the same contents."""
        raise NotClaimed

    @capability
    def detach_inplace(self, x: Any) -> Any:
        """`x.detach_()`: makes the tensor itself a leaf without history, and returns it."""
        raise NotClaimed

    @capability
    def inplace(self, op: str, target: Any, *inputs: Any, **params: Any) -> Any:
        """An in-place op of the table on `target`."""
        raise NotClaimed

    @capability
    def no_grad(self) -> AbstractContextManager[Any]:
        """A context manager within which nothing is recorded."""
        raise NotClaimed

    @capability
    def enable_grad(self) -> AbstractContextManager[Any]:
        """A context manager within which ops are recorded again."""
        raise NotClaimed

    @capability
    def is_grad_enabled(self) -> bool:
        """Whether ops are recorded now."""
        raise NotClaimed

    @capability
    def backward_many(
        self, roots: Sequence[Any], gradients: Sequence[Any] | None = None, **options: Any
    ) -> Any:
        """`autograd.backward(roots, gradients)`: several roots at once."""
        raise NotClaimed

    @capability
    def autograd_grad(
        self,
        roots: Sequence[Any],
        inputs: Sequence[Any],
        gradients: Sequence[Any] | None = None,
        **options: Any,
    ) -> Sequence[Any]:
        """`autograd.grad(...)`: gradients returned, not accumulated; options: allow_unused and others."""
        raise NotClaimed

    @capability
    def register_hook(self, x: Any, hook: Callable[[Any], Any]) -> Any:
        """`x.register_hook(hook)`: returns a handle with a method `remove`."""
        raise NotClaimed

    @capability
    def register_post_accumulate_hook(self, x: Any, hook: Callable[[Any], None]) -> Any:
        """`x.register_post_accumulate_grad_hook(hook)`: returns a handle with a method `remove`."""
        raise NotClaimed

    @capability
    def shares_memory(self, a: Any, b: Any) -> bool:
        """Whether writing to one tensor may change the other."""
        raise NotClaimed

    @capability
    def parameter(self, array: Array) -> Any:
        """A parameter: a leaf that requires grad without being asked."""
        raise NotClaimed

    @capability
    def device(self, x: Any) -> Any:
        """The device that the tensor lives on, comparable by ==."""
        raise NotClaimed

    @capability
    def on_other_device(self, x: Any) -> Any:
        """A tensor like x on another device (a device without storage will do)."""
        raise NotClaimed

    @capability
    def user_function(self, function: UserFunction, inputs: Sequence[Any]) -> Sequence[Any]:
        """The results of a user-defined function, whose derivative is what its own backward computes."""
        raise NotClaimed

    @capability
    def checkpoint(self, part: Callable[..., Sequence[Any]], inputs: Sequence[Any]) -> Sequence[Any]:
        """The results of `part(*inputs)`, whose inner values are not kept, but computed again in backward."""
        raise NotClaimed

    @capability
    def memory_strategies(self) -> Mapping[str, Callable[[], AbstractContextManager[object]]]:
        """Other ways of keeping what backward needs, by name: contexts under which a program comes to the same."""
        raise NotClaimed

    @capability
    def evaluated(self, array: Array, x: Any) -> tuple[Any, Any]:
        """(w, w * x) by a module with parameter w = array, in its evaluation mode (`module.eval()`)."""
        raise NotClaimed


def choice(accepts: Callable[..., bool]) -> Callable[..., bool]:
    """An adapter's `accepts` as a function of op, shapes of operands, and parameters, whether it names them or not."""
    if "shapes" in signature(accepts).parameters:
        return lambda op, shapes, **params: accepts(op, shapes=shapes, **params)
    return lambda op, shapes, **params: accepts(op, **params)


#: Every capability there is, with one line on what it asks of the engine.
CAPABILITIES: dict[str, str] = {**{name: summary(method) for name, method in METHODS.items()}, **FEATURES}
