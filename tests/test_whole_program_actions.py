"""What whole programs are made of: each rare conjunction, each mistake, and no step that an engine lacks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import hypothesis
import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.entropy import Entropy, stretched
from gradlaws.conformance.execution.whole_program_run import watch
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    ClearGrad,
    Detach,
    DetachInPlace,
    Forget,
    Grad,
    Hook,
    InPlace,
    Mode,
    RemoveHook,
    RequireGrad,
    RetainGrad,
    SetGrad,
    Step,
    ZeroGrad,
)
from gradlaws.conformance.language.training import ClipGrad, Optimizer
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.whole_programs.judge import breach
from gradlaws.conformance.whole_programs.soak import program_of
from gradlaws.strategies.builder import Builder, DeadEnd, Vocabulary
from gradlaws.strategies.mistakes import MISTAKES
from gradlaws.strategies.rare_conjunctions import (
    CONJUNCTIONS,
    alias_written_after_backward,
    error_between_leaves,
    failed_then_repeated,
    hooks_removed,
    hooks_that_act,
    modes_abandoned,
    retained_and_written,
    tree_used_twice,
)
from gradlaws.strategies.whole_program_actions import open_with_leaves
from gradlaws.strategies.whole_program_cast import Action, Cast
from gradlaws.strategies.whole_programs import EVERYTHING, SIZE, whole_program, whole_programs

REFERENCE = ReferenceBackend()


def played(action: Action, number: int) -> Program | None:
    """What one action adds to a program that has just begun."""
    b = Builder(Entropy(stretched(f"{number}".encode(), SIZE)), Vocabulary(capabilities=EVERYTHING))
    cast = Cast()
    b.turn()
    open_with_leaves(b, cast)
    b.turn()
    try:
        action(b, cast)
    except DeadEnd:
        return None
    return b.program()


def kinds(program: Program) -> list[type[Step]]:
    return [type(step) for step in program]


def backwards(program: Program) -> list[int]:
    return [k for k, step in enumerate(program) if isinstance(step, Backward)]


def fails_between_leaves(program: Program) -> bool:
    failed, *later = (watch(program, REFERENCE).moments[k].raised is not None for k in backwards(program))
    return failed and not all(later)


def writes_to_an_alias_in_between(program: Program) -> bool:
    first, *_, last = backwards(program)
    between = program.steps[first:last]
    writes = [s for s in between if isinstance(s, InPlace)]
    made = [program.maker(s.target) for s in writes]
    return any(isinstance(m, Detach) or (isinstance(m, Apply) and TABLE[m.op].alias) for m in made)


def nests_and_abandons(program: Program) -> bool:
    modes = [step.kind for step in program if isinstance(step, Mode)]
    return "raise" in modes and modes[:2] in (["no_grad", "enable_grad"], ["enable_grad", "no_grad"])


def removes_between_backwards(program: Program) -> bool:
    first, *_, last = backwards(program)
    return Hook in kinds(program)[:first] and RemoveHook in kinds(program)[first:last]


def acts_within_a_backward(program: Program) -> bool:
    """Whether a hook wrote to its leaf, or removed itself, by the time of the second backward."""
    hook = next(step for step in program if isinstance(step, Hook))
    moments = watch(program, REFERENCE).moments
    first, second = (moments[k] for k in backwards(program))
    if RemoveHook in map(type, hook.within):
        return bool(first.calls) and not second.calls
    return InPlace in map(type, hook.within) and bool(first.calls and second.calls)


def adds_up_a_tree_of_views(program: Program) -> bool:
    first, second = (program.steps[k] for k in backwards(program))
    views = any(isinstance(s, Apply) and TABLE[s.op].alias == "view" for s in program)
    return (
        isinstance(first, Backward) and isinstance(second, Backward) and first.roots == second.roots and views
    )


def hooks_or_retains_what_is_written(program: Program) -> bool:
    found = kinds(program)
    write = found.index(InPlace)
    return bool({RetainGrad, Hook} & set(found[:write])) and Hook in found[write:]


def fails_and_goes_on(program: Program) -> bool:
    raised = [watch(program, REFERENCE).moments[k].raised is not None for k in backwards(program)]
    return any(a and not b for a, b in pairwise(raised))


@pytest.mark.parametrize(
    ("template", "shows"),
    [
        (error_between_leaves, fails_between_leaves),
        (alias_written_after_backward, writes_to_an_alias_in_between),
        (modes_abandoned, nests_and_abandons),
        (hooks_removed, removes_between_backwards),
        (hooks_that_act, acts_within_a_backward),
        (tree_used_twice, adds_up_a_tree_of_views),
        (retained_and_written, hooks_or_retains_what_is_written),
        (failed_then_repeated, fails_and_goes_on),
    ],
)
def test_each_conjunction_is_what_it_says(template: Action, shows: Callable[[Program], bool]) -> None:
    assert template in CONJUNCTIONS
    found = 0
    for number in range(60):
        program = played(template, number)
        if program is not None:
            try:
                found += shows(program)
            except (ValueError, IndexError):
                continue  # a step of it did not fit
    assert found >= 3, found


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_refused_now_and_then(mistake: Action) -> None:
    """Some of them, such as a backward without argument, are none where there is nothing to get wrong."""

    def late(b: Builder, cast: Cast) -> None:
        x, y = cast[1], cast[2]
        cast.append(b.view(y))
        cast.append(b.detach(x))
        root = b.total(y)
        b.backward(root)
        cast.spent.append(root)
        cast.graded.append(x)
        mistake(b, cast)

    refused = 0
    for number in range(40):
        program = played(late, number)
        if program is not None:
            refused += any(moment.raised is not None for moment in watch(program, REFERENCE))
    assert refused > 0


def test_the_rate_of_mistakes_can_be_chosen() -> None:
    def refused(wrong: int) -> float:
        vocabulary = Vocabulary(capabilities=EVERYTHING)
        programs = [whole_program(f"{n}".encode(), vocabulary, mistakes=wrong) for n in range(100)]
        moments = [m for program in programs for m in watch(program, REFERENCE)]
        return sum(m.raised is not None for m in moments) / len(moments)

    rates = [refused(wrong) for wrong in (0, 6, 40)]
    assert rates == sorted(rates)
    assert rates[2] > 3 * rates[0]
    with pytest.raises(hypothesis.errors.InvalidArgument, match="mistakes"):
        whole_programs(mistakes=101)


#: By capability: whether a step needs it.
NEEDS: dict[str, Callable[[Step], bool]] = {
    "autograd_grad": lambda s: isinstance(s, Grad),
    "backward_many": lambda s: isinstance(s, Backward) and len(s.roots) > 1,
    "checkpoint": lambda s: isinstance(s, Checkpoint),
    "clip_grad_norm": lambda s: isinstance(s, ClipGrad) and s.kind == "norm",
    "clip_grad_value": lambda s: isinstance(s, ClipGrad) and s.kind == "value",
    "create_graph": lambda s: isinstance(s, Backward | Grad) and s.create_graph,
    "detach": lambda s: isinstance(s, Detach),
    "detach_inplace": lambda s: isinstance(s, DetachInPlace),
    "enable_grad": lambda s: isinstance(s, Mode) and s.kind == "enable_grad",
    "gradient_argument": lambda s: (
        isinstance(s, Backward) and any(g is not None and g < 0 for g in s.gradients or ())
    ),
    "inplace": lambda s: isinstance(s, InPlace),
    "inputs": lambda s: isinstance(s, Backward) and s.inputs is not None,
    "no_grad": lambda s: isinstance(s, Mode),
    "optimizer": lambda s: isinstance(s, Optimizer),
    "register_hook": lambda s: isinstance(s, Hook) and s.kind == "tensor",
    "register_post_accumulate_hook": lambda s: isinstance(s, Hook) and s.kind == "post_accumulate",
    "retain_grad": lambda s: isinstance(s, RetainGrad),
    "retain_graph": lambda s: isinstance(s, Backward | Grad) and s.retain_graph is not None,
    "set_grad": lambda s: isinstance(s, SetGrad | ClearGrad),
    "set_requires_grad": lambda s: isinstance(s, RequireGrad),
    "zero_grad": lambda s: isinstance(s, ZeroGrad),
}


@pytest.mark.parametrize("capability", NEEDS)
def test_an_engine_without_a_capability_gets_programs_without_its_steps(capability: str) -> None:
    class Without(ReferenceBackend):
        features = ReferenceBackend.features - {capability}
        withheld = frozenset({capability})

    needs, engine = NEEDS[capability], Without()
    assert any(needs(s) for n in range(150) for s in program_of(REFERENCE, 8, n)), (
        "the whole engine gets them"
    )
    for number in range(60):
        program = program_of(engine, 8, number)
        assert not any(needs(step) for step in program), str(program)
        assert breach(program, engine) is None


def test_forgetting_leaves_enough_to_go_on_with() -> None:
    for number in range(40):
        program = program_of(REFERENCE, 6, number)
        gone = [s.x for s in program if isinstance(s, Forget)]
        assert len(gone) == len(set(gone))
