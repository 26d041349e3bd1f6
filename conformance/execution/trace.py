"""What is written down while a program runs: a moment per step, a snapshot per tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.language.steps import Step, Var


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
    skipped: the step was not run, because a variable or an optimizer that it needs is not there, or no
             gradient to zero.
    seen:    snapshots by variable: of new tensors after an op; after any other event of leaves, of what retains
             its gradient or was otherwise singled out by a step, and after the last event of all live tensors.
             Values are noted for new tensors and after in-place writes.
    mode:    whether ops are recorded after the step; None where the engine does not say.
    same:    answers to yes-no questions about identity, by name (`returned is x`, `read twice`).
    tolerated: (expected traces only) the law that PyTorch documents to be refused here, where the subject
             went on and a right gradient will do.
    calls:   hook calls during the step, as (handle, gradient).
    nothing: results of `autograd.grad` that are None.
    """

    index: int
    step: Step
    raised: BaseException | None = None
    skipped: bool = False
    seen: dict[Var, Seen] = field(default_factory=dict)
    mode: bool | None = None
    same: dict[str, bool] = field(default_factory=dict)
    calls: Sequence[tuple[int, Array]] = ()
    nothing: tuple[Var, ...] = ()
    tolerated: str = ""


@dataclass(slots=True)
class Trace:
    """The moments of one run.

    final:  all live tensors at the end, with values and gradients; empty in expected traces.
    shared: pairs of things that share memory at the end, or did when a gradient was cleared, as (kind, variable),
        kinds `value` and `grad`.
    None where the engine cannot tell.
    foreign: the type of a gradient that was no tensor of the engine; None if all were.
    """

    moments: list[Moment] = field(default_factory=list)
    final: dict[Var, Seen] = field(default_factory=dict)
    shared: frozenset[tuple[tuple[str, Var], tuple[str, Var]]] | None = None
    foreign: str | None = None

    def __iter__(self) -> Iterator[Moment]:
        return iter(self.moments)

    def before(self, index: int, var: Var) -> Seen | None:
        """The last snapshot of `var` from before step `index`."""
        moments = self.moments
        for k in range(min(index, len(moments)) - 1, -1, -1):
            if var in moments[k].seen:
                return moments[k].seen[var]
        return None
