"""What a condition of a known failure can name besides ops and kinds of steps."""

from __future__ import annotations

import pytest

from gradlaws.conformance.known_failures.entry import Known
from gradlaws.conformance.known_failures.matching import covers
from gradlaws.conformance.known_failures.program_marks import MARKS
from gradlaws.conformance.known_failures.symptom import SEEN, Symptom, symptom
from gradlaws.conformance.known_failures.toml_parser import parsed
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    Detach,
    DetachInPlace,
    Grad,
    Hook,
    InPlace,
    Leaf,
    Mode,
    ReadGrad,
    RemoveHook,
    RequireGrad,
    RetainGrad,
    SetGrad,
    Step,
    Var,
    literal,
)
from gradlaws.conformance.language.threads import Threads
from gradlaws.conformance.language.training import Optimizer, OptimizerStep
from gradlaws.conformance.language.user_functions import ApplyFunction, Function

X = Leaf(literal([1.0, 2.0]), requires_grad=True, outs=(0,))
Y = Apply("exp", (0,), outs=(1,))
VIEW = Apply("get_slice", (1,), (("start", 0), ("stop", 1)), outs=(2,))
VIEW_OF_C = Apply("get_slice", (3,), (("start", 0), ("stop", 1)), outs=(2,))


NO_GRAD, EXIT = Mode("no_grad"), Mode("exit")
C = Leaf(literal([0.0, 0.0]), outs=(3,))
SINGLE = Leaf(literal([0.0, 0.0], "float32"), outs=(3,))
BACK = Backward((1,))
FIRST = Grad((1,), (0,), create_graph=True, outs=(4,))
AGAIN = Grad((4,), (0,), create_graph=True, outs=(5,))
#: By mark: a few steps that have it, with the tensor that a breach is seen at, and as many that do not.
SGD, STEP = Optimizer((0,), 0, 0.5), OptimizerStep((0,), 0)
MARKED: dict[str, tuple[Var | None, tuple[Step, ...], tuple[Step, ...]]] = {
    "empty": (None, (Leaf(literal([]), outs=(0,)),), (X,)),
    "stepped_operand": (None, (X, Y, SGD, STEP, BACK), (X, SGD, STEP, Y, BACK)),
    "create_graph": (None, (X, Backward((0,), create_graph=True)), (X, Backward((0,)))),
    "second_order": (None, (X, Y, FIRST, AGAIN), (X, Y, FIRST)),
    "third_order": (None, (X, Y, FIRST, AGAIN, Grad((5,), (0,), outs=(6,))), (X, Y, FIRST, AGAIN)),
    "alias_write": (None, (X, Y, VIEW, InPlace("neg_", 1)), (X, Y, InPlace("neg_", 1))),
    "repeated_op": (None, (X, Y, Apply("exp", (0,), outs=(2,))), (X, Y, Apply("exp", (1,), outs=(2,)))),
    "unrecorded_view": (2, (X, Y, NO_GRAD, VIEW, EXIT), (X, Y, VIEW, NO_GRAD, EXIT)),
    "view_before_flag": (2, (C, VIEW_OF_C, RequireGrad(3)), (C, RequireGrad(3), VIEW_OF_C)),
    "written_elsewhere": (2, (X, Y, VIEW, InPlace("neg_", 1)), (X, Y, VIEW, InPlace("neg_", 2))),
    "retained_then_detached": (1, (X, Y, RetainGrad(1), DetachInPlace(1)), (X, Y, DetachInPlace(1))),
    "retained_then_written": (1, (X, Y, VIEW, RetainGrad(1), InPlace("neg_", 2)), (X, Y, InPlace("neg_", 1))),
    "retained_then_hooked": (1, (X, Y, RetainGrad(1), Hook(1, 0)), (X, Y, Hook(1, 0), RetainGrad(1))),
    "retained": (1, (X, Y, RetainGrad(1)), (X, Y, RetainGrad(0))),
    "retained_root": (1, (X, Y, RetainGrad(1), BACK), (X, Y, RetainGrad(0), BACK)),
    "unrecorded_retain": (1, (X, Y, NO_GRAD, RetainGrad(1), EXIT), (X, Y, NO_GRAD, EXIT, RetainGrad(1))),
    "hooked_then_written": (
        1,
        (X, Y, Hook(1, 0), InPlace("neg_", 1)),
        (X, Y, InPlace("neg_", 1), Hook(1, 0)),
    ),
    "hooked_then_detached": (1, (X, Y, Hook(1, 0), DetachInPlace(1)), (X, Y, DetachInPlace(1))),
    "hooked_root": (1, (X, Y, Hook(1, 0), BACK), (X, Y, Hook(0, 0), BACK)),
    "number_from_hook": (None, (X, Hook(0, 0, effect="number")), (X, Hook(0, 0, effect="double"))),
    "hooked_use": (None, (X, Hook(0, 0), Apply("mul", (0, 0), outs=(1,))), (X, Hook(0, 0), Y)),
    "hook_removed_within": (None, (X, Hook(0, 0, within=(RemoveHook(0),))), (X, Hook(0, 0), RemoveHook(0))),
    "one_of_several": (4, (X, Apply("chunk", (0,), (("chunks", 2),), outs=(4, 5))), (X, Y)),
    "overlapping_write": (
        None,
        (C, Apply("expand", (3,), outs=(4,)), Detach(4, outs=(5,)), InPlace("neg_", 3)),
        (C, Apply("expand", (3,), outs=(4,)), InPlace("neg_", 3)),
    ),
    "untracked_target": (None, (X, C, InPlace("add_", 3, (0,))), (X, Y, C, InPlace("add_", 1, (3,)))),
    "leaf_write": (None, (X, InPlace("neg_", 0)), (X, Y, InPlace("neg_", 1))),
    "unrecorded_write": (None, (X, NO_GRAD, InPlace("neg_", 0)), (X, NO_GRAD, EXIT, InPlace("neg_", 0))),
    "locked_write": (
        None,
        (X, Y, NO_GRAD, InPlace("neg_", 0)),
        (X, NO_GRAD, InPlace("neg_", 0), EXIT, Y),
    ),
    "write_after_backward": (None, (X, Y, BACK, InPlace("neg_", 1)), (X, Y, InPlace("neg_", 1), BACK)),
    "own_operand": (None, (X, Y, InPlace("mul_", 1, (1,))), (X, Y, InPlace("mul_", 1, (0,)))),
    "flag_after_use": (None, (X, Y, RequireGrad(0)), (X, RequireGrad(0), Y)),
    "detached_in_place": (1, (X, Y, DetachInPlace(1)), (X, Y, DetachInPlace(0))),
    "non_leaf": (1, (X, Y), (X, C)),
    "given_gradient": (None, (X, C, Backward((0,), (3,))), (X, Backward((0,)))),
    "given_root": (0, (X, C, Backward((0,), (3,))), (X, Y, C, Backward((1,), (3,)))),
    "given_leaf": (None, (X, C, Backward((0,), (3,))), (X, Y, C, Backward((1,), (3,)))),
    "early_turn": (
        None,
        (X, Y, Apply("mul", (1, 1), outs=(4,)), Apply("neg", (1,), outs=(5,))),
        (X, Y, Apply("mul", (1, 1), outs=(4,))),
    ),
    "freed_way": (None, (X, Y, BACK, BACK), (X, Y, Backward((1,), retain_graph=True), BACK)),
    "root_twice": (None, (X, Y, Backward((1, 1))), (X, Y, Backward((0, 1)))),
    "several_precisions": (
        None,
        (X, SINGLE, Apply("mul", (0, 3), outs=(4,))),
        (X, C, Apply("mul", (0, 3), outs=(4,))),
    ),
    "several_roots": (None, (X, Y, Backward((0, 1))), (X, Y, BACK)),
    "asked_root": (None, (X, Y, Grad((1,), (1,))), (X, Y, Grad((1,), (0,)))),
    "asked_twice": (None, (X, Y, Grad((1,), (0, 0))), (X, Y, Grad((1,), (0, 1)))),
    "before_root": (0, (X, Detach(0, outs=(1,)), Backward((1,))), (X, C, Backward((3,)))),
    "second_backward": (None, (X, Y, BACK, BACK), (X, Y, BACK)),
    "unrecorded_backward": (None, (X, Y, NO_GRAD, BACK), (X, Y, NO_GRAD, EXIT, BACK)),
    "assigned_gradient": (None, (X, C, SetGrad(0, 3)), (X, C)),
    "gradient_read": (None, (X, Y, BACK, ReadGrad(0, outs=(4,))), (X, Y, BACK)),
}


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_is_there_and_not_there(mark: str) -> None:
    var, there, absent = MARKED[mark]
    entry = Known("ACC-01", "so", "https://x.y", steps=frozenset({mark}))
    assert covers(entry, Program(there), Symptom("numbers", var))
    assert not covers(entry, Program(absent), Symptom("numbers", 0 if mark == "one_of_several" else var))


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        (("v1.grad", "None", "[1. 2.]"), "no gradient"),
        (("v1.grad", "[1. 2.]", "None"), "unexpected gradient"),
        (("v1.grad", "[0., 0.]", "[1., 2.]"), "zeros"),
        (("v1.grad", "0.0", "None"), "zeros for None"),
        (("v1.grad", "[[], []]", "None"), "zeros for None"),
        (("`v1.grad is None`", "True", "False"), "no gradient"),
        (("v1.grad", "[1.0000000000000002, 0.5]", "[1., 0.5]"), "rounding"),
        (("v1.grad", "[1.000001, 0.5]", "[1., 0.5]"), "numbers"),
        (("v1.grad", "[1.0000001] (float32)", "[1.] (float32)"), "rounding"),
        (("v1.grad", "[nan, 0.]", "[1., 2.]"), "nan"),
        (("v1.grad", "[1., 2.5e-07]", "[1., 2.]"), "numbers"),
        (("v1.grad", "[[1., 2.]]", "[1., 2.]"), "more dimensions"),
        (("v1.grad", "3.", "[1., 2.]"), "fewer dimensions"),
        (("v1.grad", "[1., 2., 3.]", "[1., 2.]"), "other sizes"),
        (("v1.grad", "[1., 2.] (float32)", "[1., 2.]"), "dtype"),
        (("v1.grad.shape", "(1,)", "()"), "more dimensions"),
        (("v1.is_leaf", "True", "False"), "is_leaf True"),
        (("v1.grad.requires_grad", "True", "False"), "grad.requires_grad True"),
        (("the memory of v1.grad", "shared with v2", "its own"), "shared"),
        (("the memory of v1", "its own", "shared with v2"), "apart"),
        (("hook h0", "calls with nothing: none", "calls with 1."), "not called"),
        (("hook h0", "calls with 1.", "calls with nothing: none"), "called"),
        (("hook h0", "calls with 1., 1.", "calls with 1."), "called otherwise"),
        (("`v1.backward()`", "refused: RuntimeError: no", "no error"), "refused"),
        (("`v1.backward()`", "refused: Endless", "no error"), "hung"),
        (("`v1.backward()`", "accepted", "an error"), "accepted"),
        (("`v1.backward()`: returned None", "False", "True"), "other"),
        (("the process", "dead", "alive"), "crashed"),
    ],
)
def test_what_is_seen_is_told_from_the_words_of_a_finding(told: tuple[str, str, str], seen: str) -> None:
    found = symptom(*told)
    assert found.seen == seen
    assert found.seen in SEEN
    assert found.var == (1 if told[0].replace("the memory of ", "").startswith("v1") else None)


def test_whatever_law_draws_what_is_marked_may_be_one_entry() -> None:
    text = "[[known]]\nlaw = 'INP-08'\nreason = 'so'\nlink = 'x'\nalso = ['*']\nscript = 'assert False'\n"
    text += "seen = ['numbers']\n"
    listed = parsed(text + "steps = ['alias_write']\n", "file")
    assert listed.excuse("HOOK-02", Program((X, Y, VIEW, InPlace("neg_", 2)))) is listed.entries[0]
    assert listed.excuse("HOOK-02", Program((X, Y, VIEW))) is None


def test_a_dtype_may_come_from_any_conversion() -> None:
    entry = Known("REQ-07", "so", "https://x.y", dtypes=frozenset({"int64"}))
    assert covers(entry, Program((X, Apply("to_integer", (0,), (("dtype", "int64"),), outs=(1,)))))
    assert not covers(entry, Program((X, Y)))


EXP = Apply("exp", (0,), outs=(1,))
MADE = Function((0,), (EXP,), (1,), (2,), (), (2,))


@pytest.mark.parametrize(
    "step",
    [
        Checkpoint((EXP,), outs=(1,)),
        Checkpoint((Checkpoint((EXP,), outs=(1,)),), outs=(1,)),
        ApplyFunction(MADE, (0,), outs=(1,)),
        Threads(((EXP,),), outs=(1,)),
        Hook(0, 0, within=(EXP,)),
    ],
)
def test_an_op_counts_wherever_it_stands(step: Step) -> None:
    entry = Known("ACC-01", "so", "https://x.y", ops=frozenset({"exp"}))
    assert covers(entry, Program((X, step)))
    assert not covers(Known("ACC-01", "so", "https://x.y", ops=frozenset({"log"})), Program((X, step)))
