"""Capabilities: what an engine may have or lack, and what an adapter claims of it.

A method of `Backend` that is marked as one is claimed by overriding it; what is no method of its own is a line of
`FEATURES`, and claimed by an adapter's `features`. What is not claimed is reported UNSUPPORTED, never passed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

#: Capabilities that are not a method of their own, and what the engine must do to claim them.
FEATURES: dict[str, str] = {
    "retain_graph": "backward accepts retain_graph=True and keeps the graph then",
    "create_graph": "backward (and autograd_grad) accept create_graph=True; the gradients are differentiable then",
    "inputs": "backward accepts inputs=[...] and accumulates only into the tensors listed",
    "materialize_grads": "autograd_grad accepts materialize_grads=True and returns zeros for inputs that were not used",
    "grad_roots": "autograd_grad takes several roots, with a gradient argument for each",
    "allow_unused": "autograd_grad refuses inputs that were not used, and returns None for them with allow_unused=True",
    "complex": "tensors of dtype complex128, with gradients by the convention that the dialect declares",
    "integer": "tensors of dtype int64 and bool as operands and results",
    "float32": "tensors of dtype float32, with their own precision",
    "float64": "tensors of dtype float64 (claimed unless withheld: programs are in float32 then)",
    "views": "view ops share memory with their operand, and in-place ops are differentiated through them",
    "same_object": "reading .grad twice gives the same Python object",
    "lifetime": "tensors can be weakly referenced and are freed with their last reference",
    "threads": "tensors may be used from several threads",
    "order": "roots may repeat, and one tensor may be several operands of a user-defined function",
    "constants": "a leaf that was not made to require grad gets no gradient (claimed unless withheld)",
    "gradient_argument": "the engine's backward takes one (claimed by all but adapters that weight the root instead)",
    "bare_gradient": "where the gradient argument is left out the engine takes a one itself (claimed unless withheld)",
    "gradient_lists": "the engine takes the gradient arguments of several roots itself (claimed unless withheld)",
    "hook_removal": "what registers a hook returns a handle with a method remove (unclaimed where it returns None)",
    "ties": "where an extremum is taken on several times they share its gradient evenly (claimed unless withheld)",
    "calls": "methods can be called one by one, not just as steps of whole programs (claimed unless withheld)",
    "pytorch": "the engine is PyTorch, and `engine` its module: what only PyTorch's own API can say is asked of it",
    "stored": "the engine itself stores gradients in .grad (claimed by all but adapters that do so in its stead)",
}
#: The features that an adapter has unless it withholds them.
IMPLIED = frozenset(
    {
        "constants",
        "float64",
        "gradient_argument",
        "bare_gradient",
        "gradient_lists",
        "hook_removal",
        "ties",
        "calls",
    }
    | {"stored"}
)
#: The methods of `Backend` that are capabilities, as nobody has overridden them.
METHODS: dict[str, Callable[..., Any]] = {}


def capability(method: F) -> F:
    """Mark a method of `Backend` as optional: overriding it claims the capability of its name."""
    METHODS[method.__name__] = method
    return method


def usual(capabilities: Collection[str]) -> str:
    """The usual dtype of an engine that has these capabilities."""
    return "float32" if "float32" in capabilities and "float64" not in capabilities else "float64"


class NotClaimed(NotImplementedError):
    """A capability was used that the adapter does not claim."""


@cache
def claimed(made: type[Any], features: frozenset[str], withheld: frozenset[str]) -> frozenset[str]:
    """What a class of backends claims by overriding methods and by `features`, less what is withheld."""
    methods = {name for name, method in METHODS.items() if getattr(made, name) is not method}
    return (features | methods | IMPLIED) - withheld


def summary(method: Callable[..., Any]) -> str:
    """What a capability asks of the engine, in a line."""
    return (method.__doc__ or "").strip().splitlines()[0]
