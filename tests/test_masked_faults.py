"""A list of known failures hides nothing but what it lists: total breaches of listed laws are found past the list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from small_programs import leaf, op
from thinning import every

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.deviations import DEVIATIONS, deviant
from gradlaws.conformance.execution.whole_program_run import watchful
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.masked_faults import tried
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.entry import Known, KnownFailuresError
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.known_failures.toml_parser import parsed, shipped
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    Grad,
    Hook,
    InPlace,
    Look,
    Mode,
    RequireGrad,
    RetainGrad,
    Step,
)
from gradlaws.conformance.language.training import ClipGrad
from gradlaws.conformance.language.user_functions import ApplyFunction, Function
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.whole_programs.judge import breach
from gradlaws.conformance.whole_programs.listed_breaches import Containment
from gradlaws.conformance.whole_programs.soak import Soak

torch = pytest.importorskip("torch")

from gradlaws.conformance.adapters.torch import TorchBackend  # noqa: E402 - imports torch


class SilentHooks(TorchBackend):
    """Hooks are never called in `autograd.grad`."""

    silent = False

    def register_hook(self, x: Any, hook: Callable[[Any], Any]) -> Any:
        return super().register_hook(x, lambda g: None if self.silent else hook(g))

    def autograd_grad(self, *args: Any, **options: Any) -> Sequence[Any]:
        self.silent = True
        try:
            return super().autograd_grad(*args, **options)
        finally:
            self.silent = False


class GradClears(TorchBackend):
    """`autograd.grad` takes away the .grad of its roots and inputs."""

    def autograd_grad(self, roots: Any, inputs: Any, *args: Any, **options: Any) -> Sequence[Any]:
        found = super().autograd_grad(roots, inputs, *args, **options)
        for x in (*roots, *inputs):
            x.grad = None
        return found


class InputsClear(TorchBackend):
    """A backward with inputs= takes away the .grad of a root that retains it."""

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> Any:
        done = super().backward(root, gradient, **options)
        if "inputs" in options and all(root is not x for x in options["inputs"]):
            root.grad = None
        return done


class Retaining(TorchBackend):
    """Whatever a backward starts from says that it retains its gradient."""

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> Any:
        if root.requires_grad and not root.is_leaf:
            root.retain_grad()
        return super().backward(root, gradient, **options)


class CallsBackTwice(TorchBackend):
    """Post-accumulate hooks run twice."""

    def register_post_accumulate_hook(self, x: Any, hook: Callable[[Any], None]) -> Any:
        def twice(p: Any) -> None:
            hook(p)
            hook(p)

        return super().register_post_accumulate_hook(x, twice)


class AnyLists(TorchBackend):
    """Roots and gradients are cut to the shorter list."""

    def backward_many(self, roots: Sequence[Any], gradients: Any = None, **options: Any) -> Any:
        if gradients is not None:
            both = list(zip(roots, gradients, strict=False))
            roots, gradients = [r for r, _ in both], [g for _, g in both]
        return super().backward_many(roots, gradients, **options)


BREACHES = (SilentHooks, GradClears, InputsClear, Retaining, CallsBackTwice)


@pytest.mark.parametrize("engine", BREACHES)
def test_a_total_breach_of_a_listed_law_is_found_past_the_list(engine: type[TorchBackend]) -> None:
    backend = engine()
    soak = Soak(backend, seed=3, known=shipped("torch"), shrink=0.3)
    soak.run(3000, enough=1)
    assert soak.found, f"{engine.__doc__} The list of PyTorch hides it"


def test_lists_of_any_length_are_no_listed_defect() -> None:
    result = judge(LAWS["ROOT-09"], AnyLists(), Effort(200, shrink=0.3), shipped("torch"))
    assert result.verdict is Verdict.FAIL


def test_the_list_of_pytorch_masks_no_fault_of_a_law_that_it_lists() -> None:
    known = shipped("torch")
    found = list(tried({"torch": known}, 100, range(1), known.laws))
    assert len(found) > 10
    assert [one for one in found if one.masked] == []


def listed(name: str) -> KnownFailures:
    return KnownFailures([Known("ACC-01", "for a test", "https://example.org", deviation=name)])


@pytest.mark.parametrize("name", every(3, DEVIATIONS))
def test_an_engine_that_deviates_so_is_excused(name: str) -> None:
    soak = Soak(ReferenceBackend(engine=deviant([name])), seed=5, known=listed(name), shrink=0.3)
    soak.run(700)
    assert soak.found == {}, next(iter(soak.found.values())).finding


X = leaf(0)
Y = op(1, "mul_scalar", 0, value=2.0)
#: A user-defined function whose backward returns None.
NOTHING = Function((0,), (op(1, "square", 0),), (1,), (2,), (), (None,))
#: By deviation: a few steps that show it.
SHOWN: dict[str, tuple[Step, ...]] = {
    "listed-input-retains": (X, Y, Backward((1,), inputs=(1,))),
    "larger-gradients-are-summed": (X, Y, leaf(2, [1.0, 2.0]), Backward((1,), (2,))),
    "inputs-leave-retained": (X, Y, RetainGrad(1), Backward((1,), inputs=(0,))),
    "grad-writes-retained": (X, Y, RetainGrad(1), Grad((1,), (0,), outs=(2,))),
    "asked-before-its-hooks": (X, Y, Hook(1, 0, effect="double"), Grad((1,), (0, 1), outs=(2, 3))),
    "siblings-are-told": (
        leaf(0, [1.0, 2.0]),
        Apply("chunk", (0,), (("dim", 0),), outs=(1, 2)),
        Hook(1, 0),
        Backward((2,)),
    ),
    "nothing-calls-back": (
        X,
        Y,
        Backward((1,)),
        Hook(0, 0, "post_accumulate"),
        ApplyFunction(NOTHING, (0,), outs=(3,)),
        Backward((3,)),
    ),
    "frozen-leaf-calls-back": (
        X,
        Y,
        Hook(0, 0, "post_accumulate"),
        Backward((1,), retain_graph=True),
        RequireGrad(0, False),
        Backward((1,)),
    ),
    "rough-hardsigmoid": (X, op(1, "hardsigmoid", 0), Backward((1,))),
    "unrecorded-view-looks-tracked": (X, Mode("no_grad"), op(1, "view", 0, shape=(1,)), Mode("exit")),
    "unrecorded-requires-grad": (X, Mode("no_grad"), Y, Mode("exit"), Backward((1,))),
    "writes-move-views": (X, Y, op(2, "view", 1, shape=(1,)), Hook(2, 0), InPlace("neg_", 2), Backward((2,))),
    "vanished-is-locked": (
        leaf(0, 0.0),
        op(1, "pow_scalar", 0, exponent=3.0),
        Grad((1,), (0,), create_graph=True, outs=(2,)),
        Backward((2,), retain_graph=True),
        Backward((1,)),
    ),
    "clipping-by-value-needs-gradients": (X, ClipGrad((0,), 1.0, "value")),
    "trace-goes-on": (leaf(0, [[1.0], [2.0], [3.0]]), op(1, "trace", 0), Backward((1,))),
    "zeros-for-none-are-tracked": (X, leaf(1), Grad((0,), (1,), materialize_grads=True, outs=(2,))),
    "unrecorded-backward-does-nothing": (X, Y, Mode("no_grad"), Backward((1,)), Mode("exit")),
    "constants-get-gradients": (X, leaf(1, tracked=False), op(2, "mul", 0, 1), Backward((2,))),
    "constants-stay-constant": (leaf(0, [1.0]), leaf(1, [1.0], tracked=False), InPlace("add_", 1, (0,))),
    "views-have-histories-of-their-own": (
        X,
        Y,
        op(2, "view", 1, shape=(1,)),
        InPlace("mul_scalar_", 2, (), (("value", 3.0),)),
        Backward((1,)),
    ),
    "integers-stay-tracked": (X, op(1, "to_integer", 0, dtype="int64")),
    "gradients-require-grad": (X, Y, Backward((1,))),
    "refused-writes-are-carried-out": (leaf(0, [1.0]), InPlace("neg_", 0)),
    "functions-in-place-are-apart": (leaf(0, [1.0]), Y, InPlace("neg_", 1), Backward((1,))),
    "fills-are-unrecorded": (leaf(0, [1.0]), Y, InPlace("fill_", 1, (), (("value", 1.0),)), Backward((1,))),
    "written-leads-nowhere": (leaf(0, [1.0]), Y, InPlace("neg_", 1), op(2, "square", 1), Backward((2,))),
    "hooks-see-each-contribution": (X, Hook(0, 0), op(1, "mul", 0, 0), Backward((1,))),
    "picks-count-once": (
        leaf(0, [1.0, 2.0]),
        op(1, "index", 0, index=(0, 0)),
        op(2, "sum", 1, dim=None, keepdim=False),
        Backward((2,)),
    ),
    "casts-are-constant": (X, op(1, "cast", 0, dtype="float32")),
    "unrecorded-views-become-leaves": (
        X,
        Mode("no_grad"),
        op(1, "view", 0, shape=(1,)),
        Mode("exit"),
    ),
    "flags-are-read-in-backward": (X, op(1, "square", 0), RequireGrad(0, False), Backward((1,))),
    "leftovers-go-on": (X, Y, op(2, "square", 1), Backward((2,), retain_graph=True), Backward((2,))),
    "roots-are-set-to-one": (X, Y, Backward((1,)), Backward((0,))),
    "asked-twice-is-refused": (X, Y, Grad((1,), (0, 0), outs=(2, 3))),
    "retaining-hooks-overwrite": (
        X,
        Y,
        RetainGrad(1),
        op(2, "square", 1),
        Backward((2,), retain_graph=True),
        Backward((2,)),
    ),
    "writes-to-doubles-are-lost": (leaf(0, tracked=False), InPlace("neg_", 0)),
    "more-gradients-than-roots": (
        X,
        Y,
        leaf(2, tracked=False),
        leaf(3, tracked=False),
        Backward((1,), (2, 3)),
    ),
}


#: A deviation, and another that does the same where the first is shown, and more elsewhere.
WIDER = {
    ("unrecorded-view-looks-tracked", "unrecorded-requires-grad"),
    ("unrecorded-view-looks-tracked", "unrecorded-views-become-leaves"),
    ("unrecorded-views-become-leaves", "unrecorded-requires-grad"),
    ("unrecorded-views-become-leaves", "unrecorded-view-looks-tracked"),
    ("writes-move-views", "written-leads-nowhere"),
    ("views-have-histories-of-their-own", "written-leads-nowhere"),
    ("inputs-leave-retained", "retaining-hooks-overwrite"),
    ("grad-writes-retained", "retaining-hooks-overwrite"),
}

#: What whole programs leave open, or do not reach, and a law does: whether a derivative that vanishes can be
#: differentiated, what comes of infinities, and slopes at kinks.
SHOWN_BY_A_LAW = {
    "hardsigmoid-once": "HO-11",
    "extrema-multiply-masks": "KINK-21",
    "atan2-divides-at-the-origin": "KINK-19",
    "relu-multiplies-mask": "KINK-21",
    "powers-multiply-infinities": "KINK-19",
    "hook-errors-are-replaced": "HOOK-09",
    "ties-of-two-get-nothing": "KINK-10",
    "leaky-relu-is-flat-at-zero": "KINK-06",
    "norms-of-zeros-are-divided": "KINK-14",
    "deviations-of-equals-are-divided": "KINK-19",
    "deep-graphs-may-be-refused": "VAL-17",
}


@pytest.mark.parametrize(("name", "law"), SHOWN_BY_A_LAW.items())
def test_a_deviation_breaks_a_law_unless_it_is_listed(name: str, law: str) -> None:
    engine, effort = (
        ReferenceBackend(engine=deviant([name])),
        Effort(400 if LAWS[law].leaning else 5, shrink=0.0),
    )
    engine.engine.refuses = "may-be-refused" in name
    known = KnownFailures([Known(law, "for a test", "https://example.org", deviation=name)])
    assert judge(LAWS[law], engine, effort, KnownFailures()).verdict is Verdict.FAIL
    assert judge(LAWS[law], engine, effort, known).verdict is Verdict.KNOWN


@pytest.mark.parametrize("name", [name for name in DEVIATIONS if name not in SHOWN_BY_A_LAW])
def test_a_deviation_is_a_breach_that_its_entry_excuses_and_no_other_does(name: str) -> None:
    program, engine = watchful(Program(SHOWN[name])), ReferenceBackend(engine=deviant([name]))
    engine.engine.refuses = name == "vanished-is-locked"  # which may refuse
    assert isinstance(breach(program, engine), Broken)
    for other in DEVIATIONS:
        excused = breach(program, engine, past=Containment(listed(other))) is None
        assert excused is (other == name or (name, other) in WIDER), other


@pytest.mark.parametrize("asks", [Grad((5,), (0,), outs=(6,)), Backward((5,), inputs=(0,))])
def test_two_listed_defects_in_one_program_are_excused(asks: Step) -> None:
    """The gradient of a view's old value is written, by what should write to no .grad at all."""
    moved = (op(2, "view", 1, shape=(1,)), RetainGrad(2), op(4, "neg", 2), InPlace("neg_", 1))
    program = Program((leaf(0, [1.0]), Y, *moved, op(5, "sum", 4, dim=None, keepdim=False), asks, Look()))
    backend = TorchBackend()
    with backend.session():
        assert isinstance(breach(program, backend), Broken)
        assert breach(program, backend, past=Containment(shipped("torch"))) is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ('deviation = "no-such"', "no deviation 'no-such' is known"),
        ('deviation = "listed-input-retain"', "there is listed-input-retains"),
        ('deviation = "listed-input-retains"\nsteps = ["Backward"]', "leave out ops, modes, steps"),
    ],
)
def test_a_deviation_is_checked_when_the_list_is_read(fields: str, says: str) -> None:
    with pytest.raises(KnownFailuresError, match=says):
        parsed(f'[[known]]\nlaw = "RET-09"\nreason = "so"\nlink = "https://x.y"\n{fields}', "a list")
