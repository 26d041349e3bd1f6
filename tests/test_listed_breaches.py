"""What is listed is passed over where its consequences are contained, and hides nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_programs import leaf, on_torch, op

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.discovery import find
from gradlaws.conformance.engines.exceptions import EngineBroke, ReferenceBroke
from gradlaws.conformance.execution.whole_program_run import watchful
from gradlaws.conformance.known_failures.entry import Known
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.known_failures.toml_parser import shipped
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.program_slice import relevant
from gradlaws.conformance.language.steps import (
    Backward,
    Grad,
    Hook,
    InPlace,
    Leaf,
    Literal,
    Look,
    Mode,
    ReadGrad,
    RetainGrad,
    SetGrad,
    Step,
    ZeroGrad,
)
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.whole_programs.judge import breach
from gradlaws.conformance.whole_programs.listed_breaches import Containment
from gradlaws.conformance.whole_programs.shrinker import WholeShrinker
from gradlaws.conformance.whole_programs.soak import Soak


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


class Unretaining(ReferenceBackend):
    """retain_grad() does nothing."""

    def retain_grad(self, x: Any) -> None:
        pass


def test_a_wrong_flag_and_the_gradient_that_it_explains_may_be_seen_at_once() -> None:
    steps = (leaf(0), op(1, "mul_scalar", 0, value=2.0), RetainGrad(1), Backward((1,)), Look())
    past = Containment(entry("RET-03", "RetainGrad"))
    assert breach(Program(steps), Unretaining(), past=past) is None
    assert past.laws == ["RET-03"]


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
    reducer = WholeShrinker(Keeping(), known=entry("RET-09", "Hook"))
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
    past, torch = Containment(shipped("torch")), find("torch")
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
    past, torch = Containment(shipped("torch")), find("torch")
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
        past = Containment(shipped("torch"))
        assert breach(watchful(Program(steps)), torch, past=past) is None
    assert past.laws == ["ZERO-01"]
    other = Program((leaf(0), op(1, "abs", 0), Backward((1,)), ZeroGrad(0), Look()))
    assert not Containment(shipped("torch")).covers(other, Broken("ZERO-01", "v0.grad", "1", "0", 4))


def test_the_second_derivative_of_elu_at_its_kink_is_that_of_the_right_half() -> None:
    error = on_torch(
        leaf(0, 0.0), op(1, "elu", 0), Grad((1,), (0,), create_graph=True, outs=(2,)), Backward((2,)), Look(),
    )  # fmt: skip
    assert error is None


def test_reducing_past_what_is_listed_keeps_to_the_other_breach() -> None:
    reducer = WholeShrinker(Lazy(), known=entry("RET-09", "Backward"))
    error = reducer.error(watchful(Program(KEPT)))
    assert isinstance(error, Broken)
    assert error.law == "ZERO-01"
    small = reducer.reduce(Program(KEPT), error)
    assert sum(not isinstance(s, Look) for s in small.program) == 3


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
    past = Containment(KnownFailures([listed]))
    assert (breach(WIDENED, Widening(), past=past) is None) is excused
    assert past.laws == (["ENGINE"] if excused else [])
    soak = Soak(Widening(), known=past.known)
    soak.settle(0, WIDENED, EngineBroke("found before"))
    assert len(soak.found) == (not excused)


@pytest.mark.parametrize("assigned", [True, False])
def test_what_is_read_from_grad_may_be_a_copy_of_what_was_assigned_there(assigned: bool) -> None:
    """Its flags are not judged any more, so those of what was assigned are not either."""
    steps = [leaf(0), leaf(1), SetGrad(0, 1), ReadGrad(0, outs=(2,))]
    program = Program(tuple(steps if assigned else steps[:2] + steps[3:]))
    past = Containment(entry("ACC-01"))
    assert past.passes(program, Broken("ACC-01", "v0.grad", "1.", "2."), 0)
    for step in program:
        past.follow(program, step)
    assert past.skips(2)
    assert past.skips(1) is assigned


def test_a_comparison_that_breaks_is_a_finding_and_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(trial: object) -> None:
        raise KeyError(4)

    monkeypatch.setattr("gradlaws.conformance.whole_programs.soak.verdict", breaks)
    soak = Soak(ReferenceBackend(), seed=1)
    soak.run(50)
    assert soak.tally.programs == 50
    assert {found.finding.law for found in soak.found.values()} == {"ENGINE"}
    assert all("the comparison itself broke: KeyError: 4" in f.finding.got for f in soak.found.values())


def test_no_list_excuses_the_reference() -> None:
    listed = Known("VAL-04", "for a test", "https://example.org", also=frozenset({"*"}))
    soak = Soak(ReferenceBackend(), known=KnownFailures([listed]))
    soak.settle(0, WIDENED, ReferenceBroke("the reference itself broke"))
    assert len(soak.found) == 1


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
    past = Containment(entry("VAL-03"))
    assert breach(watchful(Program(steps)), Misshapen(), past=past) is None
    assert past.laws == ["VAL-03"]
    assert past.ended
