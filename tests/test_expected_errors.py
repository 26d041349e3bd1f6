"""An error that is expected, and one that must not come, break a law that has a sentence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradlaws.conformance
from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.deviations import DEVIATIONS
from gradlaws.conformance.execution.hook_effects import Interruption
from gradlaws.conformance.execution.interpreter import VERBS, run
from gradlaws.conformance.execution.judging_standard import Standard
from gradlaws.conformance.execution.whole_program_run import watch
from gradlaws.conformance.judgement.examination import trial_of
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    Grad,
    Hook,
    Leaf,
    Literal,
    Look,
    RetainGrad,
    Step,
)
from gradlaws.conformance.language.user_functions import ApplyFunction, Function
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.laws.invariants import lawful
from gradlaws.conformance.laws.whole_program_laws import promise
from gradlaws.conformance.whole_programs.blamed_law import REFUSED
from gradlaws.conformance.whole_programs.difference import Aspect, Difference
from gradlaws.conformance.whole_programs.judge import breach
from gradlaws.conformance.whole_programs.soak import program_of
from gradlaws.conformance.whole_programs.trial import WholeTrial

HOME = Path(gradlaws.conformance.__file__).parent
ID = re.compile(r"[A-Z]+-\d\d")
#: What refuses, in the reference and in what runs programs: which argument is the law.
REFUSALS = {"MustRaise": 0, "Interruption": 0, "_refuse": 0, "_unless": 1, "_differentiable": 1}
#: What the reference raises where a program makes no sense: a fault of the suite, not a refusal.
FAULTS_OF_THE_SUITE = {"TypeError", "MayRaise"}


def modules(*wings: str) -> Iterator[tuple[str, ast.Module]]:
    for wing in wings:
        for path in sorted((HOME / wing).glob("*.py")):
            yield f"{wing}/{path.name}", ast.parse(path.read_text("utf-8"))


def called(node: ast.expr) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


def refusals() -> Iterator[tuple[str, ast.expr]]:
    """Where the reference, or what runs programs, refuses: the place, and the law as it is written there."""
    for name, tree in modules("reference", "execution", "deviations"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node.func) in REFUSALS:
                yield f"{name}:{node.lineno}", node.args[REFUSALS[called(node.func)]]


def test_each_refusal_names_a_law() -> None:
    found = list(refusals())
    assert len(found) > 30
    for place, law in found:
        if isinstance(law, ast.Constant):
            assert promise(str(law.value))[0], f"{place}: {law.value!r} is no law, and no promise"
        else:  # handed on, or chosen: what it may be is among the ids below
            assert ast.unparse(law) in ("law", "kept.law"), f"{place}: {ast.unparse(law)}"


def test_each_id_that_is_written_down_is_a_law() -> None:
    wings = ("reference", "execution", "deviations", "laws", "whole_programs")
    for name, tree in modules(*wings):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and ID.fullmatch(node.value):
                known = promise(node.value)[0] or node.value == "WHOLE-01"
                assert known, f"{name}:{node.lineno}: {node.value} is no law, and no promise"


def test_the_reference_refuses_in_no_other_way() -> None:
    for name, tree in modules("reference"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                kind = called(node.exc.func)
                assert kind in REFUSALS or kind in FAULTS_OF_THE_SUITE, f"{name}:{node.lineno}: {kind}"


class NoHandle:
    def remove(self) -> None:
        """There is nothing to remove."""


class Swallows(ReferenceBackend):
    """Never raises: what is refused has no effect, and nobody hears of it."""

    name = "swallows"

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> Any:
        return self.tried(super().backward, root, gradient, **options)

    def backward_many(self, *args: Any, **options: Any) -> Any:
        return self.tried(super().backward_many, *args, **options)

    def autograd_grad(self, roots: Any, inputs: Any, gradients: Any = None, **options: Any) -> Any:
        found = self.tried(super().autograd_grad, roots, inputs, gradients, **options)
        return tuple(self.tensor(0 * self.numpy(x)) for x in inputs) if found is None else found

    def inplace(self, *args: Any, **params: Any) -> Any:
        return self.tried(super().inplace, *args, **params)

    def set_grad(self, x: Any, value: Any) -> None:
        self.tried(super().set_grad, x, value)

    def retain_grad(self, x: Any) -> None:
        self.tried(super().retain_grad, x)

    def set_requires_grad(self, x: Any, flag: bool) -> Any:
        self.tried(super().set_requires_grad, x, flag)
        return x

    def detach_inplace(self, x: Any) -> Any:
        self.tried(super().detach_inplace, x)
        return x

    def register_hook(self, x: Any, hook: Any) -> Any:
        return self.tried(super().register_hook, x, hook) or NoHandle()

    def register_post_accumulate_hook(self, x: Any, hook: Any) -> Any:
        return self.tried(super().register_post_accumulate_hook, x, hook) or NoHandle()

    @staticmethod
    def tried(verb: Any, *args: Any, **options: Any) -> Any:
        try:
            return verb(*args, **options)
        except Exception:
            return None


class RefusesAtTimes(ReferenceBackend):
    """Every third call of one verb raises."""

    name = "refuses at times"

    def __init__(self, verb: str) -> None:
        super().__init__()
        self.calls_so_far = 0
        real = getattr(self, verb)

        def refusing(*args: Any, **options: Any) -> Any:
            self.calls_so_far += 1
            if self.calls_so_far % 3 == 0:
                raise RuntimeError("not today")
            return real(*args, **options)

        setattr(self, verb, refusing)


def outcomes(backend: ReferenceBackend, programs: int) -> list[Broken]:
    """What whole programs show of errors that are missing, or that must not come."""
    found = []
    for number in range(programs):
        error = breach(program_of(backend, 5, number), backend, Standard(strict=True))
        difference = getattr(error, "difference", None)
        if isinstance(difference, Difference) and difference.aspect is Aspect.OUTCOME:
            assert isinstance(error, Broken)
            found.append(error)
    return found


def test_an_error_that_does_not_come_breaks_a_law() -> None:
    found = outcomes(Swallows(), 150)
    assert {error.got for error in found} == {"accepted"}
    assert len({error.law for error in found}) > 10
    assert [error.law for error in found if not promise(error.law)[0]] == []


@pytest.mark.parametrize(
    "verb", ["tensor", "apply", "user_function", "backward", "autograd_grad", "inplace", "register_hook"]
)
def test_an_error_that_must_not_come_breaks_a_law(verb: str) -> None:
    found = outcomes(RefusesAtTimes(verb), 40)
    assert found
    assert [str(error) for error in found if not promise(error.law)[0]] == []


def test_each_kind_of_step_that_is_refused_breaks_a_law() -> None:
    """Whoever adds a kind of step says which law promises what it does."""
    assert [kind.__name__ for kind in VERBS if kind not in REFUSED and kind is not Look] == []
    assert [law for law in REFUSED.values() if not promise(law)[0]] == []


LEAF = Leaf(Literal(np.array([1.0, 2.0])), requires_grad=True, outs=(0,))
HOOK = Hook(0, 0, effect="raise")
FUNCTION = Function((90,), (), (90,), (91,), (), (91,), raises=True)
CALL = ApplyFunction(FUNCTION, (0,), outs=(1,))
RAISING = (HOOK, Apply("exp", (0,), outs=(1,)))
ONWARD = Apply("neg", (1,), outs=(2,))
SEED = Leaf(Literal(np.array([1.0, -1.0])), outs=(3,))


@pytest.mark.parametrize(
    ("steps", "law"),
    [
        ((LEAF, *RAISING, ONWARD), "HOOK-09"),
        ((LEAF, CALL, ONWARD), "FUN-19"),
        # The function raises before the hook can; each is told from the other.
        ((LEAF, HOOK, CALL, ONWARD), "FUN-19"),
        ((LEAF, CALL, Hook(1, 0, effect="raise"), ONWARD), "HOOK-09"),
    ],
)
def test_what_the_program_raises_comes_out_by_a_law(steps: tuple[Step, ...], law: str) -> None:
    program, backend = Program((*steps, SEED, Backward((2,), gradients=(3,)))), Swallows()
    error = breach(program, backend)
    assert isinstance(error, Broken)
    assert (error.law, error.got) == (law, "accepted")
    with pytest.raises(Broken) as raised:
        lawful(trial_of("VAL-01", program, backend, run(program, backend)))
    assert (raised.value.law, raised.value.got) == (law, "accepted")


@pytest.mark.parametrize("deviation", sorted({*DEVIATIONS} - {"hook-errors-are-replaced"}))
@pytest.mark.parametrize("raising", [RAISING, (CALL,)])
def test_a_reference_that_deviates_follows_what_the_program_raises(
    raising: tuple[Step, ...], deviation: str
) -> None:
    program = Program((LEAF, *raising, ONWARD, RetainGrad(1), SEED, Grad((2,), (0,), (3,), outs=(4,))))
    backend = ReferenceBackend()
    trial = WholeTrial(program, backend, watch(program, backend))
    moments = trial.under(frozenset({deviation})).want.moments
    assert isinstance(moments[-1].raised, Interruption)
