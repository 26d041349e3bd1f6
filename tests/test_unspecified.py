"""What was taken for a defect of PyTorch, or for another one than it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from small_programs import leaf, on_torch, op

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import (
    Backward,
    Forget,
    Grad,
    Hook,
    InPlace,
    Look,
    Mode,
    ReadGrad,
    RequireGrad,
    RetainGrad,
    SetGrad,
    ZeroGrad,
)
from gradlaws.conformance.language.user_functions import ApplyFunction, Function
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.whole_programs.judge import breach


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


def test_a_failed_backward_may_have_written_to_a_held_gradient_of_what_is_gone() -> None:
    """Nobody looks at it any more, so nobody knows: contents and saved values may have changed, or not."""
    start = (
        leaf(0, [1.0]), leaf(1, [1.0]), op(2, "amax", 0, dim=(0,), keepdim=True), leaf(4, [1.0], False),
        SetGrad(1, 4), Grad((2,), (0,), outs=(6,)), ReadGrad(1, outs=(7,)), op(8, "mul", 7, 1), Forget(1),
        Backward((2, 8), retain_graph=True),
    )  # fmt: skip
    assert on_torch(*start, Backward((8,)), Look()) is None
    assert on_torch(*start, op(9, "mul_scalar", 7, value=2.0), Look()) is None


def test_a_hook_after_accumulation_need_not_be_told_of_zeros() -> None:
    """The derivative of floor is zero whatever its operand's gradient is, so that PyTorch does not record it."""
    error = on_torch(
        leaf(0), leaf(1), op(2, "floor", 0), Hook(1, 0, "post_accumulate"), op(5, "mul", 2, 1),
        Backward((5,), create_graph=True), ReadGrad(0, outs=(12,)), op(13, "mul", 12, 0), Backward((13,)),
    )  # fmt: skip
    assert error is None


def test_what_arrives_at_a_result_from_a_derivative_depends_on_how_that_is_written_down() -> None:
    written = (op(7, "sum", 2, dim=None, keepdim=False), op(10, "unsqueeze", 7, dim=0), InPlace("tanh_", 10))
    for steps in (written, (leaf(3), op(10, "div", 3, 2))):
        start = (leaf(2), *steps, Backward((10,), create_graph=True), RetainGrad(10), ReadGrad(2, outs=(18,)))
        assert on_torch(*start, Backward((18,)), Look()) is None
        assert on_torch(*start, Grad((18,), (10,), outs=(20,), allow_unused=True), Look()) is None


def test_a_failed_backward_leaves_a_gradient_its_history() -> None:
    """The second of two without retain_graph is refused, and has added nothing to what create_graph made."""
    error = on_torch(
        leaf(0, [[[0.75, -1.625]], [[-1.75, 1.0]]]), leaf(2, [1.0, 0.0, 1.0, -1.0]),
        op(5, "sum", 0, dim=None, keepdim=False), op(6, "sum", 2, dim=None, keepdim=False), op(7, "add", 5, 6),
        op(8, "div", 0, 7), op(9, "sum", 8, dim=None, keepdim=False), leaf(10, -1.375, False),
        Backward((7, 9), (None, 10), create_graph=True), leaf(12, [[[-0.25, 1.0]], [[-0.25, 1.0]]], False),
        Backward((8,), (12,)), Backward((8,), (12,)), ReadGrad(2, outs=(15,)), op(17, "add", 15, 7),
        op(30, "sum", 17, dim=None, keepdim=False), Backward((30,)), Look(),
    )  # fmt: skip
    assert error is None


def test_gradients_that_share_memory_are_to_blame_though_assignments_were_refused() -> None:
    error = on_torch(
        leaf(0, [1.0, 1.0]), op(2, "permute", 0, dims=(0,)), leaf(3, [1.0, 1.0]), op(4, "view", 3, shape=(2,)),
        op(5, "add", 2, 4), leaf(6, 1.0, False), SetGrad(0, 6), SetGrad(3, 6), op(9, "mul_scalar", 5, value=2.0),
        op(16, "sum", 9, dim=None, keepdim=False), Backward((16,), retain_graph=True), Backward((16,)), Look(),
    )  # fmt: skip
    assert isinstance(error, Broken)
    assert error.law == "VAL-11"


def test_contributions_may_be_added_to_a_gradient_one_by_one() -> None:
    """One and minus one are exactly nothing together, but rounding sees them if they come in turn."""

    class InTurn(ReferenceBackend):
        def backward(self, root: Any, gradient: Any = None, **options: Any) -> None:
            held = self.first.grad
            super().backward(root, gradient, **options)
            if held is not None:
                self.engine.set_grad(self.first, self.engine.tensor((held.array + 1.0) - 1.0))

        def tensor(self, array: Any, requires_grad: bool = False) -> Any:
            self.first = super().tensor(array, requires_grad)
            return self.first

    steps = (
        leaf(0, -1.5),
        op(1, "sin", 0),
        Backward((1,)),
        Look(),
        op(3, "sub", 0, 0),
        Backward((3,)),
        Look(),
    )
    assert breach(Program(steps), InTurn()) is None


def test_a_failed_backward_may_have_added_zeros_in_place() -> None:
    """So that what was computed from the gradient before may be refused a backward."""
    error = on_torch(
        leaf(0), op(2, "relu", 0), leaf(4, -1.0), InPlace("add_", 2, (4,)), Backward((2,)), InPlace("relu_", 2),
        ReadGrad(4, outs=(10,)), op(11, "mul", 10, 4), Backward((2,)), Backward((11,)), Look(),
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


def test_an_assignment_that_was_refused_is_not_to_blame() -> None:
    """The write to an item is what PyTorch's view does not know of; looking at once would tell it."""
    error = on_torch(
        leaf(3, [1.0, 1.0], False), op(4, "narrow", 3, dim=0, start=1, length=1), leaf(5),
        InPlace("set_item_", 4, (5,), (("index", 0),)), RetainGrad(4), Backward((4,)), leaf(6, 1.0, False),
        SetGrad(4, 6), RetainGrad(4), Look(),
    )  # fmt: skip
    assert isinstance(error, Broken)
    assert error.law == "RET-14"


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


def test_where_a_derivative_is_written_all_of_that_memory_may_have_a_history() -> None:
    error = on_torch(
        leaf(0), leaf(1, [1.0], False), op(2, "relu6", 0), op(3, "view", 1, shape=(1, 1)),
        Grad((2,), (0,), create_graph=True, outs=(4,)), InPlace("copy_", 3, (4,)), Look(),
    )  # fmt: skip
    assert error is None


def test_a_variance_rounds_in_proportion_to_what_it_is_the_variance_of() -> None:
    """Updated from element to element, the mean is rounded, however exact it is."""
    values = [[-1.25, -1.25, 1.0, 1.0], [1.125, 1.125, 1.0, 1.0]]
    assert on_torch(leaf(0, values), op(1, "var", 0, dim=1, keepdim=False), Look()) is None


def test_who_is_asked_beyond_a_function_that_gives_none_is_open() -> None:
    """PyTorch gives zeros to a user-defined function where nothing arrives, and what it does then is the user's."""
    given = (op(1, "square", 0),)
    none = Function((0,), given, (1,), (2,), (), (None,))
    for below in (
        Function((0,), given, (1,), (2,), (), (2,)),
        Function((0,), given, (1,), (2,), (), (2,), raises=True),
    ):
        steps = (
            leaf(0),
            Hook(0, 0),
            ApplyFunction(below, (0,), outs=(1,)),
            ApplyFunction(none, (1,), outs=(2,)),
        )
        assert on_torch(*steps, Backward((2,)), Look()) is None


class RunsWhatIsBelow(ReferenceBackend):
    """Runs all that an input of a backward was computed from, whether its gradient needs that or not."""

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> Any:
        if options.pop("inputs", None) is not None:
            options["inputs"] = None
        return super().backward(root, gradient, **options)


def test_whether_the_function_of_an_input_is_run_is_open() -> None:
    """PyTorch runs it, and calls that an implementation detail; what lies further below must not be run."""
    raising = Function((0,), (op(1, "square", 0),), (1,), (2,), (), (2,), raises=True)
    made = leaf(0), ApplyFunction(raising, (0,), outs=(1,))
    assert on_torch(*made, Backward((1,), inputs=(1,)), Look()) is None
    assert on_torch(*made, op(2, "exp", 1), Backward((2,), inputs=(1,)), Look()) is None
    for inputs, law in (((1,), None), ((2,), "ROOT-18")):
        error = breach(
            Program((*made, op(2, "exp", 1), Backward((2,), inputs=inputs), Look())), RunsWhatIsBelow()
        )
        assert getattr(error, "law", None) == law
