"""Whole programs: what is drawn, that nothing is found where nothing is, that what is there is found and made small."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import hypothesis
import pytest
from overwriting_engine import Overwriting
from thinning import every

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.execution.judging_standard import Standard
from gradlaws.conformance.execution.whole_program_run import watch, watchful
from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.judgement.standalone_script import script
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Backward, Grad, Hook, Leaf, Look, Mode, literal
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.laws.whole_program_laws import promise
from gradlaws.conformance.whole_programs.judge import breach
from gradlaws.conformance.whole_programs.shrinker import WholeShrinker, WholeSubject
from gradlaws.conformance.whole_programs.soak import Soak, program_of
from gradlaws.strategies.builder import Vocabulary
from gradlaws.strategies.whole_programs import LEAST, SIZE, whole_program, whole_programs

REFERENCE = ReferenceBackend()


def drawn(count: int, seed: int = 3) -> list[Any]:
    return [program_of(REFERENCE, seed, n) for n in range(count)]


def test_programs_are_as_long_as_they_should_be_and_mix_everything() -> None:
    programs = drawn(400)
    used = Counter(type(step).__name__ for program in programs for step in program)
    assert {
        "Leaf",
        "Apply",
        "InPlace",
        "Detach",
        "DetachInPlace",
        "RequireGrad",
        "RetainGrad",
        "ReadGrad",
    } <= set(used)
    assert {"ClearGrad", "ZeroGrad", "SetGrad", "Forget", "Mode", "Backward", "Grad", "Hook"} <= set(used)
    assert {"RemoveHook", "Look"} <= set(used)
    assert {"Optimizer", "OptimizerStep", "OptimizerZeroGrad", "ClipGrad", "Checkpoint"} <= set(used)
    assert all(len(program) >= LEAST for program in programs)
    backwards = [s for program in programs for s in program if isinstance(s, Backward)]
    for option in ("gradients", "retain_graph", "create_graph", "inputs"):
        assert any(getattr(s, option) for s in backwards), option
    assert any(len(s.roots) > 1 for s in backwards)
    asked = [s for program in programs for s in program if isinstance(s, Grad)]
    for option in ("allow_unused", "materialize_grads", "retain_graph", "create_graph"):
        assert any(getattr(s, option) for s in asked), option
    assert any(s.create_graph for s in asked)
    hooks = {(s.kind, s.effect) for program in programs for s in program if isinstance(s, Hook)}
    assert {("tensor", "raise"), ("tensor", "double"), ("post_accumulate", "clear")} <= hooks
    assert {s.kind for program in programs for s in program if isinstance(s, Mode)} >= {
        "raise",
        "enable_grad",
    }


def test_looks_are_part_of_the_program_and_differ_in_number() -> None:
    looks = Counter(sum(isinstance(s, Look) for s in program) for program in drawn(400))
    assert looks[1] > 30, "some programs are looked at in the end only"
    assert sum(n for count, n in looks.items() if count > 8) > 30, "others after every action"


def test_most_steps_are_valid_and_some_are_wrong_on_purpose() -> None:
    moments = [moment for program in drawn(300) for moment in watch(program, REFERENCE)]
    refused = sum(m.raised is not None for m in moments) / len(moments)
    skipped = sum(m.skipped for m in moments) / len(moments)
    assert 0.01 < refused < 0.1
    assert skipped < 0.05


def test_bytes_and_seeds_lead_to_the_same_programs_every_time() -> None:
    assert drawn(20) == drawn(20)
    assert len({str(program) for program in drawn(50)}) == 50
    assert whole_program(bytes(SIZE), Vocabulary()) == whole_program(bytes(SIZE), Vocabulary())


@hypothesis.settings(max_examples=30, deadline=None, database=None)
@hypothesis.given(whole_programs(backend=REFERENCE, min_length=10, max_length=20))
def test_hypothesis_draws_with_the_same_generator(program: Program) -> None:
    assert breach(program, REFERENCE) is None


def test_the_strategy_shrinks_and_checks_its_bounds() -> None:
    found = hypothesis.find(
        whole_programs(min_length=3, max_length=6),
        lambda program: any(isinstance(step, Backward) for step in program),
        settings=hypothesis.settings(database=None, max_examples=200),
    )
    assert len(found) <= 12
    with pytest.raises(hypothesis.errors.InvalidArgument, match="min_length"):
        whole_programs(min_length=8, max_length=5)


def test_an_engine_gets_no_step_that_it_lacks() -> None:
    class Modest(ReferenceBackend):
        features = frozenset({"views"})
        withheld = frozenset(
            {
                "no_grad",
                "register_hook",
                "register_post_accumulate_hook",
                "autograd_grad",
                "inplace",
                "retain_grad",
            }
        )

    for number in range(250):
        for step in program_of(Modest(), 5, number):
            assert type(step).__name__ not in ("Mode", "Hook", "Grad", "InPlace", "RetainGrad"), step
            if isinstance(step, Backward):
                assert (step.retain_graph, step.create_graph, step.inputs) == (None, False, None)


def test_nothing_is_found_where_nothing_is() -> None:
    soak = Soak(ReferenceBackend(), seed=11)
    soak.run(1000)
    assert soak.found == {}
    assert soak.tally.assertions > 30_000


def test_a_finding_is_named_by_its_law_and_found_once() -> None:
    soak = Soak(Overwriting(), seed=1, known=KnownFailures(), shrink=0.3)
    soak.run(50)
    assert soak.found
    for found in soak.found.values():
        sentence, link = promise(found.finding.law)
        assert sentence
        assert link.startswith("https://")
    assert len({found.id for found in soak.found.values()}) == len(soak.found)


def test_overwriting_is_blamed_on_accumulation() -> None:
    engine = Overwriting()
    for number in range(200):
        program = program_of(engine, 2, number)
        error = breach(program, engine)
        if isinstance(error, Broken):
            small = WholeShrinker(engine).reduce(program, error)
            if isinstance(small.error, Broken) and small.error.law == "ACC-01":
                assert len([s for s in small.program if not isinstance(s, Look)]) <= 4, str(small.program)
                return
    raise AssertionError("not found")


def shown_by_programs(law: str) -> bool:
    """Whether whole programs may show it: what needs single calls they cannot say, and keep away from some numbers."""
    return "calls" not in LAWS[law].needs and LAWS[law].family not in ("CPLX", "KINK")


def test_minimal_programs_are_short_and_quick_to_find() -> None:
    """Over planted faults that whole programs can show."""
    lengths: list[int] = []
    missed: list[str] = []
    shown = dict(every(5, [item for item in FAULTS.items() if any(map(shown_by_programs, item[1].breaks))]))
    for name, fault in shown.items():
        engine = fault.make()
        reducer = WholeShrinker(engine, 2.0, Standard(strict=fault.strict))
        for number in range(250):
            program = program_of(engine, 4, number)
            error = reducer.error(program)
            if error is not None:
                small = reducer.reduce(program, error)
                lengths.append(sum(not isinstance(s, Look) for s in small.program))
                break
        else:
            missed.append(name)
    assert median(lengths) <= 4, sorted(lengths)
    assert len(lengths) > 0.75 * len(shown), missed


@pytest.mark.parametrize(("largest", "sound"), [(2.0, True), (1.0, False)])
def test_a_program_is_not_made_small_by_a_tie(largest: float, sound: bool) -> None:
    leaf = Leaf(literal([1.0, largest]), True, outs=(0,))
    program = Program(
        (leaf, Apply("amax", (0,), (("dim", 0), ("keepdim", False)), outs=(1,)), Backward((1,)))
    )
    assert WholeSubject(REFERENCE, form=watchful).sound(program) is sound


def test_scripts_show_the_defect_without_the_project(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from gradlaws.conformance.engines.discovery import find

    torch = find("torch")
    soak = Soak(torch, seed=0, known=KnownFailures(), shrink=1.0)
    soak.run(60)
    ran: Counter[str] = Counter()
    with torch.session():
        for found in soak.found.values():
            program = found.finding.steps
            error = breach(program, torch)
            if not isinstance(error, Broken):
                continue
            text = script(program, error, torch)
            place = tmp_path / "script.py"
            place.write_text(text)
            done = subprocess.run([sys.executable, str(place)], capture_output=True, text=True, cwd=tmp_path)
            assert "gradlaws" not in text
            refused = error.expected == "no error"
            assert done.returncode == 1, f"{error}\n{text}\n{done.stderr}"
            assert refused or "AssertionError" in done.stderr, f"{text}\n{done.stderr}"
            ran[error.thing.split()[0]] += 1
    assert ran.total() > 2
    assert ran["the"], "of shared memory, too"
