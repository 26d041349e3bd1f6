"""Whole programs: everything that a program can do, mixed, so that what one step does to another is seen.

`interplay` is a leaning like any other: bytes decide, one chunk per action, references are relative, and the
builder knows shapes, flags and magnitudes, so that nearly all steps are valid; some are wrong on purpose. How
often the program looks at its tensors is a part of it: some defects only show where nothing is read in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from gradlaws.conformance.entropy import Entropy, stretched
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, InPlace, Look
from gradlaws.conformance.ops import TABLE
from gradlaws.strategies import whole_program_actions as actions
from gradlaws.strategies.arguments import integer
from gradlaws.strategies.builder import Builder, DeadEnd
from gradlaws.strategies.in_place_writes import (
    compute,
    join,
    look,
    merge,
    retain,
    write,
    write_detached,
    write_through_view,
    write_unrecorded,
)
from gradlaws.strategies.mistakes import SHARE, mistake
from gradlaws.strategies.rare_conjunctions import CONJUNCTIONS
from gradlaws.strategies.vocabulary import Vocabulary
from gradlaws.strategies.whole_program_actions import Action, Cast
from gradlaws.strategies.whole_program_training import checkpoint, train

if TYPE_CHECKING:
    from gradlaws.conformance.engines.backend import Backend

#: Bytes that a whole program is drawn from: a chunk per action, and there are rarely more than forty.
SIZE = 1024
#: Programs grow until they have between so many steps (and the last action is complete).
LEAST, MOST = 20, 40
#: Of a hundred actions, how many are rare conjunctions.
RARE = 6
#: All capabilities that make a difference to whole programs.
EVERYTHING = frozenset(
    [
        "allow_unused",
        "autograd_grad",
        "backward_many",
        "checkpoint",
        "clip_grad_norm",
        "clip_grad_value",
        "create_graph",
        "detach",
        "detach_inplace",
        "enable_grad",
        "float32",
        "grad_roots",
        "gradient_argument",
        "hook_removal",
        "inplace",
        "inputs",
        "materialize_grads",
        "no_grad",
        "optimizer",
        "order",
        "register_hook",
        "register_post_accumulate_hook",
        "retain_grad",
        "retain_graph",
        "set_grad",
        "set_requires_grad",
        "user_function",
        "views",
        "zero_grad",
    ]
)


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


def written(b: Builder, cast: Cast) -> None:
    """One of the ways to write in place."""
    if b.has("inplace"):
        first = len(b.steps)
        if cast.retained:
            actions.settle(b, cast)
        b.entropy.pick(WRITES)(b, cast)
        for step in b.steps[first:]:
            if isinstance(step, InPlace) and (
                not b.recording[-1] or b[step.target].kin != b[b[step.target].base].kin
            ):
                cast.bypassed.add(b[step.target].base)


#: Actions on memory, and on everything else; what stands there more often is done more often.
WRITES: tuple[Action, ...] = (
    write, write_through_view, merge, write, write_through_view, write_unrecorded, write_detached, merge,
)  # fmt: skip
MIX: tuple[Action, ...] = (
    compute, join, actions.differentiate, viewed, written, compute, join, actions.differentiate, written,
    actions.new_leaf, retain, actions.hook, actions.reset, actions.ask, actions.detach, actions.enter,
    actions.leave, actions.flag, actions.assign, actions.read, actions.hook_after, actions.unhook, compute,
    join, actions.differentiate, viewed, written, actions.detach_in_place, actions.forget, actions.settle, compute,
    join, actions.differentiate, written, actions.leave, actions.user_function, actions.user_function,
    train, checkpoint,
)  # fmt: skip
OPENINGS: tuple[Action, ...] = (actions.open_with_leaves, actions.open_with_tree, actions.open_with_leaves)


def interplay(b: Builder, least: int = LEAST, most: int = MOST, mistakes: int = SHARE) -> Cast:
    """Write a whole program of `least` to `most` steps (a few more, so that the last action is complete).

    mistakes: of a hundred actions, how many are wrong on purpose.
    """
    b.turn()
    cast = Cast()
    cast.every = b.entropy.pick((1, 4, 2, 0, 1, 8))
    wanted = least + min(b.entropy.below(most - least + 1), b.entropy.below(most - least + 1))
    b.entropy.pick(OPENINGS)(b, cast)
    taken = 0
    while len(b.steps) < wanted and taken < 3 * wanted:
        b.turn()
        taken += 1
        if b.entropy.chance(RARE):
            action = b.entropy.pick(CONJUNCTIONS)
        else:
            action = mistake if b.entropy.chance(mistakes) else b.entropy.pick(MIX)
        act(b, cast, action)
        if cast.every and taken % cast.every == 0:
            b.step(Look())
    finish(b, cast)
    return cast


def act(b: Builder, cast: Cast, action: Action) -> None:
    """One action; where it comes to a dead end, what it has done so far stays."""
    depth, first = len(b.recording), len(b.steps)
    try:
        action(b, cast)
    except DeadEnd:
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


def finish(b: Builder, cast: Cast) -> None:
    """A last backward, mostly, and a last look."""
    b.turn()
    while len(b.recording) > 1:
        b.leave()
    if b.entropy.chance(75):
        act(b, cast, actions.differentiate)
    if not b.steps or not isinstance(b.steps[-1], Look):
        b.step(Look())


def whole_program(
    data: bytes, vocabulary: Vocabulary, least: int = LEAST, most: int = MOST, mistakes: int = SHARE
) -> Program:
    """The whole program that some bytes decode to; few of them are stretched to as many as it takes."""
    return whole_draft(data, vocabulary, least, most, mistakes).program()


def whole_draft(
    data: bytes, vocabulary: Vocabulary, least: int = LEAST, most: int = MOST, mistakes: int = SHARE
) -> Builder:
    """The same with all that is known of how it came about."""
    b = Builder(Entropy(data if len(data) >= SIZE else stretched(data, SIZE)), vocabulary)
    interplay(b, least, most, mistakes)
    return b


def whole_programs(
    *,
    backend: Backend | None = None,
    min_length: int = LEAST,
    max_length: int = MOST,
    mistakes: int = SHARE,
) -> st.SearchStrategy[Program]:
    """Whole programs: everything that a program can do, mixed, mistakes included.

    backend: an adapter, whose ops and capabilities limit what programs use; None for all there are.
    min_length, max_length: bounds of the number of steps; the last action is completed beyond them.
    mistakes: of a hundred actions, how many are wrong on purpose: steps that must be refused.

    Shrinks towards programs of the same length with simpler steps; `gradlaws.conformance.whole_programs.reducer`
    makes a failing one shorter. Raises `InvalidArgument` for impossible bounds.
    """
    integer("min_length", min_length, 1, MOST)
    integer("max_length", max_length, min_length, instead=", or lower min_length")
    integer("mistakes", mistakes, 0, 100)
    vocabulary = Vocabulary(capabilities=EVERYTHING) if backend is None else Vocabulary.of(backend)
    return st.binary(min_size=SIZE, max_size=SIZE).map(
        lambda data: whole_program(data, vocabulary, min_length, max_length, mistakes)
    )
