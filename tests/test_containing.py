"""What is listed is passed over where its consequences are contained, and hides nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradlaws.conformance.backends.reference import ReferenceBackend
from gradlaws.conformance.comparing import breach
from gradlaws.conformance.containing import Passing
from gradlaws.conformance.known import Known, KnownFailures, shipped
from gradlaws.conformance.laws.memory import relevant
from gradlaws.conformance.laws.trial import Broken, EngineBroke, ReferenceBroke
from gradlaws.conformance.loading import find
from gradlaws.conformance.program import Program
from gradlaws.conformance.reducing import Reducer
from gradlaws.conformance.soaking import Soak
from gradlaws.conformance.steps import (
    Apply,
    Backward,
    Forget,
    Grad,
    Hook,
    InPlace,
    Leaf,
    Literal,
    Look,
    Mode,
    ReadGrad,
    RequireGrad,
    RetainGrad,
    Step,
    Var,
    ZeroGrad,
    literal,
)
from gradlaws.conformance.watching import watchful


def leaf(out: Var, values: Any = 1.0, tracked: bool = True) -> Leaf:
    return Leaf(literal(values), tracked, outs=(out,))


def op(out: Var, name: str, *inputs: Var, **params: Any) -> Apply:
    return Apply(name, inputs, tuple(params.items()), outs=(out,))


class Keeping(ReferenceBackend):
    """Listing a non-leaf in inputs= makes it retain its gradient; and zeroing, where `lazy`, does nothing."""

    lazy = False

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> None:
        super().backward(root, gradient, **options)
        for x in options.get("inputs") or ():
            self.engine.retain_grad(x)

    def zero_grad(self, x: Any) -> None:
        if not self.lazy:
            super().zero_grad(x)


class Lazy(Keeping):
    lazy = True


def entry(law: str, *steps: str) -> KnownFailures:
    return KnownFailures([Known(law, "for a test", "https://example.org", steps=frozenset(steps))])


KEPT: tuple[Step, ...] = (
    leaf(0), op(1, "mul_scalar", 0, value=2.0), Backward((1,), inputs=(1,)), leaf(2), Backward((2,)), ZeroGrad(2),
    Look(),
)  # fmt: skip


def settled(engine: ReferenceBackend, known: KnownFailures, steps: tuple[Step, ...] = KEPT) -> Soak:
    soak, program = Soak(engine, known=known), Program(steps)
    error = breach(program, engine)
    assert error is not None
    soak.settle(0, program, error)
    return soak


def test_a_listed_breach_does_not_end_a_program() -> None:
    soak = settled(Keeping(), entry("RET-09", "Backward"))
    assert not soak.found
    assert soak.tally.excused == {"RET-09": 1}
    assert (soak.tally.listed, soak.tally.ended) == (1, 0)


def test_what_comes_after_a_listed_breach_is_found_and_made_small() -> None:
    soak = settled(Lazy(), entry("RET-09", "Backward"))
    (found,) = soak.found.values()
    assert found.finding.law == "ZERO-01"
    assert found.finding.steps is not None
    assert [type(s).__name__ for s in found.finding.steps if not isinstance(s, Look)] == [
        "Leaf",
        "Backward",
        "ZeroGrad",
    ]


def test_an_entry_excuses_by_the_steps_that_have_to_do_with_it() -> None:
    reducer = Reducer(Keeping(), known=entry("RET-09", "Hook"))
    elsewhere = (*KEPT[:3], leaf(3), Hook(3, 0), *KEPT[3:])
    assert reducer.error(watchful(Program(elsewhere))), "the hook is on another tensor"
    there = (*KEPT[:2], Hook(1, 0), *KEPT[2:])
    assert reducer.error(watchful(Program(there))) is None
    (found,) = settled(Keeping(), entry("RET-09", "Hook"), there).found.values()
    assert found.finding.law == "RET-09", "made small, it shows that hooks have nothing to do with it"


def test_relevant_are_what_made_it_and_wrote_to_it() -> None:
    steps = (
        leaf(0, [1.0, 2.0]), op(1, "mul_scalar", 0, value=2.0), leaf(2, [1.0, 1.0]), op(3, "view", 1, shape=(2, 1)),
        InPlace("mul_scalar_", 3, (), (("value", 2.0),)), leaf(4), Mode("no_grad"), Mode("exit"), Hook(4, 0),
        op(5, "sum", 1, dim=None, keepdim=False), Look(), Backward((5,)), Look(), leaf(6),
    )  # fmt: skip
    kept = relevant(Program(steps), 12, 0)
    assert kept.steps == (*steps[:2], *steps[3:5], *steps[6:8], steps[9], steps[11])


def test_what_is_computed_from_a_tensor_with_a_wrong_flag_is_not_judged() -> None:
    pytest.importorskip("torch")
    steps = (
        leaf(0, [1.0, 2.0]), Mode("no_grad"), op(1, "view", 0, shape=(2, 1)), Mode("exit"),
        op(2, "mul_scalar", 1, value=2.0), op(3, "sum", 2, dim=None, keepdim=False), Backward((3,)), Look(),
    )  # fmt: skip
    past, torch = Passing(shipped("torch")), find("torch")
    with torch.session():
        assert breach(watchful(Program(steps[:5])), torch, past=past) is None
        assert set(past.laws) == {"MODE-01"}
        assert not past.ended
        assert breach(watchful(Program(steps)), torch, past=past) is None
    assert past.ended, "a backward that must be refused is not"


def test_a_gradient_that_should_not_be_there_may_have_a_history() -> None:
    pytest.importorskip("torch")
    steps = (
        leaf(0), op(1, "trunc", 0), op(2, "mul", 1, 1), RetainGrad(1), Grad((2,), (0,), create_graph=True, outs=(3,)),
        ReadGrad(1, outs=(4,)), Look(), leaf(5), Backward((5,)), Look(),
    )  # fmt: skip
    past, torch = Passing(shipped("torch")), find("torch")
    with torch.session():
        assert breach(watchful(Program(steps)), torch, past=past) is None
    assert past.laws == ["RET-15"]
    assert not past.ended


def test_a_gradient_of_zeros_that_nothing_may_write_to_is_listed_only_after_create_graph() -> None:
    pytest.importorskip("torch")
    steps = (
        leaf(0), op(1, "abs", 0), Grad((1,), (0,), create_graph=True, outs=(2,)), Backward((2,)), ZeroGrad(0), Look(),
    )  # fmt: skip
    torch = find("torch")
    with torch.session():
        past = Passing(shipped("torch"))
        assert breach(watchful(Program(steps)), torch, past=past) is None
    assert past.laws == ["ZERO-01"]
    other = Program((leaf(0), op(1, "abs", 0), Backward((1,)), ZeroGrad(0), Look()))
    assert not Passing(shipped("torch")).covers(other, Broken("ZERO-01", "v0.grad", "1", "0", 4))


def test_the_second_derivative_of_elu_at_its_kink_is_that_of_the_right_half() -> None:
    error = on_torch(
        leaf(0, 0.0), op(1, "elu", 0), Grad((1,), (0,), create_graph=True, outs=(2,)), Backward((2,)), Look(),
    )  # fmt: skip
    assert error is None


# -- what was taken for a defect of PyTorch, or for another one ------------------------------------------------


def on_torch(*steps: Step) -> Exception | None:
    pytest.importorskip("torch")
    torch = find("torch")
    with torch.session():
        return breach(Program(steps), torch)


def test_a_backward_that_fails_at_a_root_of_unknown_history_may_have_come_anywhere() -> None:
    """The derivative of relu6 is constant: an engine may track it nevertheless."""
    error = on_torch(
        leaf(0), op(2, "relu6", 0), Grad((2,), (0,), create_graph=True, outs=(3,)), Grad((3,), (0, 2), outs=(4, 5)),
        leaf(6), InPlace("copy_", 2, (6,)), Backward((3, 2)), Look(),
    )  # fmt: skip
    assert error is None


def test_a_failed_backward_may_have_written_to_a_gradient_that_somebody_read() -> None:
    error = on_torch(
        leaf(0, [[1.0]]), leaf(1), op(2, "amin", 0, dim=(0, 1), keepdim=True), Backward((2,)), Backward((1,)),
        op(7, "mul", 2, 1), ReadGrad(1, outs=(8,)), op(9, "mul", 8, 1), Backward((7,), retain_graph=True),
        Backward((9,)), Look(),
    )  # fmt: skip
    assert error is None


def test_memory_shared_with_what_is_gone_is_no_breach_of_accumulation() -> None:
    error = on_torch(
        leaf(0, [1.0, 1.0]), leaf(1, [[1.0], [1.0]]), op(2, "view", 1, shape=(2,)), op(3, "add", 0, 2), Forget(1),
        leaf(4, [1.0, 1.0], False), Backward((3,), (4,), retain_graph=True), leaf(5, [1.0, 1.0], False),
        Backward((3,), (5,)), Look(),
    )  # fmt: skip
    assert isinstance(error, Broken)
    assert error.law == "VAL-11"


def test_reducing_past_what_is_listed_keeps_to_the_other_breach() -> None:
    reducer = Reducer(Lazy(), known=entry("RET-09", "Backward"))
    error = reducer.error(watchful(Program(KEPT)))
    assert isinstance(error, Broken)
    assert error.law == "ZERO-01"
    small = reducer.reduce(Program(KEPT), error)
    assert sum(not isinstance(s, Look) for s in small.program) == 3


def test_a_loss_computed_from_another_formula_rounds_in_proportion_to_its_operand() -> None:
    """softplus(x) is x - logsigmoid(x) in some engines; for large negative x that cancels."""
    assert (
        on_torch(leaf(0, -4.0), leaf(1, 0.0), op(2, "binary_cross_entropy_with_logits", 0, 1), Look()) is None
    )


def test_a_write_through_a_view_may_be_one_op_with_all_that_it_keeps() -> None:
    """Where the base's gradient is asked for, an engine may run what wrote to it, and miss what that had kept."""
    error = on_torch(
        leaf(0, [1.0, 1.0]), op(1, "mul_scalar", 0, value=2.0), op(2, "view", 1, shape=(2, 1)), InPlace("sigmoid_", 2),
        Mode("no_grad"), InPlace("mul_scalar_", 2, (), (("value", 2.0),)), Mode("exit"), leaf(3, [[1.0], [1.0]], False),
        Backward((2,), (3,), inputs=(1,)), Look(),
    )  # fmt: skip
    assert isinstance(error, Broken)
    assert error.law == "RET-09", "that it was refused is none"


def test_a_hook_left_behind_is_blamed_only_where_it_stands_in_the_way() -> None:
    error = on_torch(
        leaf(0), Backward((0,)), op(1, "neg", 0), Hook(0, 0, "post_accumulate"), RequireGrad(0, False), leaf(2),
        op(3, "neg", 2), Hook(3, 1, effect="negate"), InPlace("mul_", 3, (1,)), Backward((1,)), Look(),
    )  # fmt: skip
    assert isinstance(error, Broken)
    assert error.law == "HOOK-20"


def test_where_looking_hides_a_breach_the_backward_before_is_blamed() -> None:
    """Reading grad_fn brings a view up to date, so that only the last look may see it."""
    error = on_torch(
        leaf(0, [1.0]), op(1, "neg", 0), op(2, "expand", 1, shape=(1,)), RetainGrad(2), op(3, "neg", 2),
        InPlace("mul_", 1, (3,)), Backward((3,)), leaf(4), Look(),
    )  # fmt: skip
    assert isinstance(error, Broken)
    assert error.law == "RET-14"


def test_zeroing_a_gradient_with_a_history_is_a_write_like_any_other() -> None:
    """What is zeroed depends on nothing any more, also where it is differentiated again."""
    error = on_torch(
        leaf(0), leaf(1), op(2, "mul", 0, 1), Backward((2,), create_graph=True), ZeroGrad(0), ReadGrad(0, outs=(3,)),
        op(4, "neg", 3), Backward((4,)), Look(),
    )  # fmt: skip
    assert error is None


def test_a_hook_that_clears_what_no_backward_reached_is_blamed_itself() -> None:
    """Although the backward fails, so that nobody looks at the calls of hooks."""
    error = on_torch(
        leaf(0, [1.0]), leaf(1), op(2, "amin", 0, dim=(0,), keepdim=False), Backward((2,)),
        Backward((1,)), Look(), Hook(1, 0, "post_accumulate", "clear"), op(3, "mul", 0, 1), RequireGrad(1, False),
        op(4, "add", 2, 3), Backward((4,)), Look(),
    )  # fmt: skip
    assert isinstance(error, Broken)
    assert error.law == "HOOK-20"


class Widening(ReferenceBackend):
    """A float32 becomes a float64 where a number takes part."""

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        return super().apply("cast", made, dtype="float64") if op == "mul_scalar" else made


WIDENED = Program(
    (Leaf(Literal(np.array(1.0, np.float32)), True, outs=(0,)), op(1, "mul_scalar", 0, value=2.0), Look())
)


@pytest.mark.parametrize(
    ("also", "ops", "excused"),
    [
        (["ENGINE"], ["mul_scalar"], True),
        (["*"], [], True),
        (["LEAF-06"], [], False),
        (["ENGINE"], ["exp"], False),
    ],
)
def test_contents_that_no_law_speaks_of_are_listed_as_engine(
    also: list[str], ops: list[str], excused: bool
) -> None:
    listed = Known("VAL-04", "for a test", "https://example.org", also=frozenset(also), ops=frozenset(ops))
    past = Passing(KnownFailures([listed]))
    assert (breach(WIDENED, Widening(), past=past) is None) is excused
    assert past.laws == (["ENGINE"] if excused else [])
    soak = Soak(Widening(), known=past.known)
    soak.settle(0, WIDENED, EngineBroke("found before"))
    assert len(soak.found) == (not excused)


def test_no_list_excuses_the_reference() -> None:
    listed = Known("VAL-04", "for a test", "https://example.org", also=frozenset({"*"}))
    soak = Soak(ReferenceBackend(), known=KnownFailures([listed]))
    soak.settle(0, WIDENED, ReferenceBroke("the reference itself broke"))
    assert len(soak.found) == 1


def test_a_derivative_may_depend_on_more_than_it_changes_with() -> None:
    """In PyTorch that of relu depends on relu's result, with the derivative zero, and so a hook there sees a zero."""
    hooked = (leaf(0), op(1, "relu", 0), Hook(1, 0))
    again = (
        Backward((1,), create_graph=True),
        ReadGrad(0, outs=(2,)),
        op(3, "mul", 2, 0),
        Backward((3,)),
        Look(),
    )
    assert on_torch(*hooked, *again) is None


class Calling(ReferenceBackend):
    """Hooks are called with zeros by backwards that do not come near."""

    def register_hook(self, x: Any, hook: Any) -> Any:
        self.last = hook, x
        return super().register_hook(x, hook)

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> None:
        super().backward(root, gradient, **options)
        hook, x = self.last
        hook(self.tensor(np.zeros_like(self.numpy(x))))


def test_a_hook_that_is_called_with_zeros_for_nothing_is_blamed() -> None:
    steps = (leaf(0), op(1, "relu", 0), Hook(1, 0), leaf(2), op(3, "neg", 2), Backward((3,)), Look())
    error = breach(Program(steps), Calling())
    assert isinstance(error, Broken)
    assert error.law == "HOOK-11"


def test_a_backward_from_derivatives_may_free_what_they_were_derived_from() -> None:
    hooked = (
        leaf(0),
        op(1, "relu", 0),
        Backward((1,), create_graph=True),
        ReadGrad(0, outs=(2,)),
        op(3, "mul", 2, 0),
    )
    assert on_torch(*hooked, Backward((3,)), Grad((1,), (0,), outs=(4,)), Look()) is None
    vanishing = (leaf(0), op(1, "abs", 0), Grad((1,), (0,), create_graph=True, outs=(2,)), Backward((2,)))
    error = on_torch(*vanishing, op(3, "neg", 0), Backward((3,)), Look())
    assert isinstance(error, Broken), "what is recorded later is not freed by then"
    assert error.law == "HO-14"


class Misshapen(ReferenceBackend):
    """Gradients have one dimension too many."""

    def grad(self, x: Any) -> Any:
        found = super().grad(x)
        return None if found is None else super().apply("unsqueeze", found, dim=0)


def test_nothing_goes_on_with_a_gradient_of_another_shape() -> None:
    steps = (
        leaf(0, [1.0, 2.0]),
        op(1, "sum", 0, dim=None, keepdim=False),
        Backward((1,)),
        ZeroGrad(0),
        Look(),
    )
    past = Passing(entry("VAL-03"))
    assert breach(watchful(Program(steps)), Misshapen(), past=past) is None
    assert past.laws == ["VAL-03"]
    assert past.ended
