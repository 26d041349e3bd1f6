"""What is written down while a program runs: a moment per step, a snapshot per tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradlaws.conformance.backend import Backend
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.steps import Step, Var


@dataclass(slots=True)
class Seen:
    """One tensor as it was observed after a step.

    value: a copy of the contents; None where the step cannot have changed them (see `Trace.final`).
    grad:  a copy of .grad, None where that is None.
    grad_tracked: whether .grad itself requires grad.
    flags the engine does not offer are None.
    error: (expected traces only) computes the bound for an engine's `grad`.
    value_error: the same for its value.
    also: (expected traces only) another gradient that is allowed here, after a step that raised.
    also_error: the bound for that one.
    """

    value: Array | None
    grad: Array | None
    requires_grad: bool | None = None
    is_leaf: bool | None = None
    retains: bool | None = None
    grad_tracked: bool | None = None
    error: Callable[[], Array] | None = None
    value_error: Callable[[], Array] | None = None
    also: Array | None = None
    also_error: Callable[[], Array] | None = None


@dataclass(slots=True)
class Moment:
    """What was observed after one step.

    index, step: which step.
    raised:  the exception that the step ended with, or None.
    skipped: the step was not run, because a variable that it needs was never bound, or there is no gradient to zero.
    seen:    snapshots by variable: of new tensors after an op; after any other event of leaves, of what retains
             its gradient or was otherwise singled out by a step, and after the last event of all live tensors.
             Values are noted for new tensors and after in-place writes.
    mode:    whether ops are recorded after the step; None where the engine does not say.
    same:    answers to yes-no questions about identity, by name (`returned is x`, `read twice`).
    tolerated: (expected traces only) the law that PyTorch documents to be refused here, where the subject
             went on and a right gradient will do.
    calls:   hook calls during the step, as (handle, gradient).
    """

    index: int
    step: Step
    raised: BaseException | None = None
    skipped: bool = False
    seen: dict[Var, Seen] = field(default_factory=dict)
    mode: bool | None = None
    same: dict[str, bool] = field(default_factory=dict)
    calls: Sequence[tuple[int, Array]] = ()
    tolerated: str = ""


@dataclass(slots=True)
class Trace:
    """The moments of one run.

    final:  all live tensors at the end, with values and gradients; empty in expected traces.
    shared: pairs of things that share memory at the end, or did when a gradient was cleared, as (kind, variable),
        kinds `value` and `grad`.
    None where the engine cannot tell.
    """

    moments: list[Moment] = field(default_factory=list)
    final: dict[Var, Seen] = field(default_factory=dict)
    shared: frozenset[tuple[tuple[str, Var], tuple[str, Var]]] | None = None

    def __iter__(self) -> Iterator[Moment]:
        return iter(self.moments)

    def before(self, index: int, var: Var) -> Seen | None:
        """The last snapshot of `var` from before step `index`."""
        moments = self.moments
        for k in range(min(index, len(moments)) - 1, -1, -1):
            if var in moments[k].seen:
                return moments[k].seen[var]
        return None


def described(raised: BaseException) -> str:
    """An exception in one line."""
    text = str(raised).strip().splitlines()
    return f"{type(raised).__name__}: {text[0][:160]}" if text else type(raised).__name__


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
    for v, grad in grads.items():
        if grad is None or id(grad) in known:
            continue
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
