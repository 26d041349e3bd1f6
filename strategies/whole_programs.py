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
from gradlaws.conformance.language.steps import Look
from gradlaws.strategies import whole_program_actions as actions
from gradlaws.strategies.aimed_conjunctions import Aim, aimed
from gradlaws.strategies.arguments import integer
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.in_place_writes import (
    compute,
    join,
    retain,
)
from gradlaws.strategies.mistakes import SHARE, mistake
from gradlaws.strategies.rare_conjunctions import CONJUNCTIONS
from gradlaws.strategies.steering import Steering
from gradlaws.strategies.swarm import keep
from gradlaws.strategies.vocabulary import Vocabulary
from gradlaws.strategies.whole_program_cast import Action, Cast
from gradlaws.strategies.whole_program_ops import table_op
from gradlaws.strategies.whole_program_rules import act, viewed, written
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
        "float64",
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


#: All actions; what stands there more often is done more often.
MIX: tuple[Action, ...] = (
    compute, join, actions.differentiate, viewed, written, compute, join, actions.differentiate, written,
    actions.new_leaf, retain, actions.hook, actions.reset, actions.ask, actions.detach, actions.enter,
    actions.leave, actions.flag, actions.assign, actions.read, actions.hook_after, actions.unhook, compute,
    join, actions.differentiate, viewed, written, actions.detach_in_place, actions.forget, actions.settle, compute,
    join, actions.differentiate, written, actions.leave, actions.user_function, actions.user_function,
    train, checkpoint, table_op,
)  # fmt: skip
#: The same, each once.
DISTINCT: tuple[Action, ...] = tuple(dict.fromkeys(MIX))
#: Of a hundred programs, how many do only some of it.
SWARMING = 50
OPENINGS: tuple[Action, ...] = (actions.open_with_leaves, actions.open_with_tree, actions.open_with_leaves)


def interplay(
    b: Builder, least: int = LEAST, most: int = MOST, mistakes: int = SHARE, aim: Aim | None = None
) -> Cast:
    """Write a whole program of `least` to `most` steps (a few more, so that the last action is complete).

    mistakes: of a hundred actions, how many are wrong on purpose.
    aim:      a conjunction of steps that it shall have; None for none in particular.
    """
    b.turn()
    cast = Cast()
    cast.every = b.entropy.pick((1, 4, 2, 0, 1, 8))
    wanted = least + min(b.entropy.below(most - least + 1), b.entropy.below(most - least + 1))
    act(b, cast, b.entropy.pick(OPENINGS))
    if not cast:  # a tree wants ops that an engine need not have
        actions.open_with_leaves(b, cast)
    mix = some_actions(b)
    taken = 0
    at = 1 + b.entropy.below(5)
    in_turn = at + b.entropy.pick((-1, 1))
    while (len(b.steps) < wanted or taken <= in_turn) and taken < 3 * wanted:
        b.turn()
        taken += 1
        if taken - 1 == at and aim is not None:
            action = aimed(aim)
        elif taken - 1 == in_turn:
            action = table_op
        elif b.entropy.chance(RARE):
            action = b.entropy.pick(CONJUNCTIONS)
        else:
            action = mistake if b.entropy.chance(mistakes) else b.entropy.pick(mix)
        act(b, cast, action)
        if cast.every and taken % cast.every == 0:
            b.step(Look())
    finish(b, cast)
    return cast


def some_actions(b: Builder) -> tuple[Action, ...]:
    """What a program does: all there is, or some of it, each as often as the others."""
    b.turn()
    if not b.entropy.chance(SWARMING):
        return MIX
    kept = [b.entropy.pick(DISTINCT) for _ in range(3 + b.entropy.below(8))]
    return (actions.differentiate, compute, *kept)


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
    data: bytes,
    vocabulary: Vocabulary,
    least: int = LEAST,
    most: int = MOST,
    mistakes: int = SHARE,
    aim: Aim | None = None,
    number: int | None = None,
) -> Builder:
    """The same with all that is known of how it came about.

    aim:    a conjunction of steps that it shall have.
    number: which of a run it is, where it is one of many: what is taken in turn begins there, or anywhere.
    """
    entropy = Entropy(data if len(data) >= SIZE else stretched(data, SIZE))
    b = Builder(entropy, vocabulary, int.from_bytes(data[-2:]) if number is None else number)
    if len(data) < SIZE:
        keep(b, data)
    interplay(b, least, most, mistakes, aim)
    return b


def steered(seed: int, vocabulary: Vocabulary, least: int = LEAST, most: int = MOST) -> Steering:
    """The whole programs of a run by number: each follows from seed and number."""
    return Steering(
        seed,
        vocabulary,
        lambda number, aim: whole_draft(
            f"{seed}:{number}".encode(), vocabulary, least, most, aim=aim, number=number
        ),
    )


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
