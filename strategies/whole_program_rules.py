"""What goes for each action of a whole program: what it may not do, and what has to be remembered of it.

A dead end keeps what was done so far; what no documentation says is kept from being asked.
"""

from __future__ import annotations

from gradlaws.conformance.language.steps import Apply, InPlace
from gradlaws.conformance.ops import TABLE
from gradlaws.strategies import whole_program_actions as actions
from gradlaws.strategies.builder import Builder, DeadEnd
from gradlaws.strategies.in_place_writes import (
    look,
    merge,
    write,
    write_detached,
    write_through_view,
    write_unrecorded,
)
from gradlaws.strategies.whole_program_cast import Action, Cast

#: Ways to write in place; what stands there more often is done more often.
WRITES: tuple[Action, ...] = (
    write, write_through_view, merge, write, write_through_view, write_unrecorded, write_detached, merge,
)  # fmt: skip


def part(b: Builder, cast: Cast) -> None:
    """Where a gradient is retained or hooked, detached aliases are not written to, which would bypass the history."""
    for info in b.info.values():
        if info.base in cast.retained and info.kin != b[info.base].kin:
            info.sealed = True


def viewed(b: Builder, cast: Cast) -> None:
    """A view, made where ops are recorded: what an engine views under no_grad is a matter of its own."""
    if not b.recording[-1] and not b.entropy.chance(5):
        actions.settle(b, cast)
    look(b, cast)


def written(b: Builder, cast: Cast, ways: tuple[Action, ...] = WRITES) -> None:
    """One of the ways to write in place."""
    if b.has("inplace"):
        first = len(b.steps)
        if cast.retained:
            actions.settle(b, cast)
        b.entropy.pick(ways)(b, cast)
        for step in b.steps[first:]:
            if isinstance(step, InPlace) and (
                not b.recording[-1] or b[step.target].kin != b[b[step.target].base].kin
            ):
                cast.bypassed.add(b[step.target].base)


def act(b: Builder, cast: Cast, action: Action) -> None:
    """One action; where it comes to a dead end, what it has done so far stays."""
    depth, first = len(b.recording), len(b.steps)
    try:
        action(b, cast)
    except (DeadEnd, IndexError, ValueError) as error:
        # At other sizes than the usual ones there may be no element to take.
        if not (isinstance(error, DeadEnd) or b.sizes):
            raise
        while len(b.recording) > depth:
            b.leave()
    if not all(b.recording):
        seal(b, first)
    if cast.retained:
        part(b, cast)


def seal(b: Builder, first: int) -> None:
    """Views made under no_grad, and what they are views of, are not written to: engines may refuse to go on."""
    for step in b.steps[first:]:
        if isinstance(step, Apply) and TABLE[step.op].alias:
            for var in step.outs:
                info = b[var]
                info.sealed = b[info.base].sealed = True
