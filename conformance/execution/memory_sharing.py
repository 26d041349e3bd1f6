"""What shares memory with what on an engine: gradients, tensors and earlier gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.language.steps import Var

#: Pairs of things that share memory, as (kind, variable).
Shared = frozenset[tuple[tuple[str, Var], tuple[str, Var]]]


Env = dict[Var, Any]


def together(backend: Backend, env: Env, grads: dict[Var, Any], only: Var | None = None) -> Shared:
    """Which gradients share memory with which tensors and earlier gradients; only pairs with that of `only`."""
    if not _meet(backend.place, env, grads):
        return frozenset()
    shares = backend.shares_memory
    things = [(("value", v), x) for v, x in env.items()]
    found: set[tuple[tuple[str, Var], tuple[str, Var]]] = set()
    known: dict[int, tuple[tuple[str, Var], Any]] = {}
    owners: set[int] = set()
    for v, grad in grads.items():
        # One gradient of one tensor, whether or not an engine gives the same object whenever it is read.
        if grad is None or id(grad) in known or id(env[v]) in owners:
            continue
        owners.add(id(env[v]))
        mine = ("grad", v)
        for other, thing in (*known.values(), *things):
            if only is not None and only != v and other != ("grad", only):
                continue
            if thing is not grad and shares(grad, thing):
                found.add((other, mine))
        known[id(grad)] = mine, grad
    return frozenset(found)


def _meet(place: Callable[[Any], Any], env: Env, grads: dict[Var, Any]) -> bool:
    """Whether a gradient may share memory with anything else; nearly always, none does."""
    own = {id(grad): grad for grad in grads.values() if grad is not None}
    occupied = {place(x) for x in env.values() if id(x) not in own} if own else set()
    for grad in own.values():
        here = place(grad)
        if here is None or here in occupied:
            return True
        occupied.add(here)
    return None in occupied
