"""Whole programs: what is drawn, that nothing is found where nothing is, that what is there is found and made small."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import hypothesis
import pytest

from gradlaws.conformance.backends.reference import ReferenceBackend
from gradlaws.conformance.comparing import breach
from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.known import KnownFailures
from gradlaws.conformance.laws.trial import Broken
from gradlaws.conformance.printing import source
from gradlaws.conformance.program import Program
from gradlaws.conformance.promises import promise
from gradlaws.conformance.reducing import Reducer
from gradlaws.conformance.soakfile import SoakFile, SoakFileError, read
from gradlaws.conformance.soaking import Soak, program_of
from gradlaws.conformance.standalone import script
from gradlaws.conformance.steps import Backward, Grad, Hook, Look, Mode
from gradlaws.conformance.watching import watch
from gradlaws.strategies.builder import Vocabulary
from gradlaws.strategies.interplay import LEAST, SIZE, whole_program, whole_programs

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
    assert all(len(program) >= LEAST for program in programs)
    backwards = [s for program in programs for s in program if isinstance(s, Backward)]
    for option in ("gradients", "retain_graph", "create_graph", "inputs"):
        assert any(getattr(s, option) for s in backwards), option
    assert any(len(s.roots) > 1 for s in backwards)
    asked = [s for program in programs for s in program if isinstance(s, Grad)]
    assert any(s.allow_unused for s in asked)
    assert any(s.create_graph for s in asked)
    hooks = {(s.kind, s.effect) for program in programs for s in program if isinstance(s, Hook)}
    assert {("tensor", "raise"), ("tensor", "double"), ("post_accumulate", "clear")} <= hooks
    assert {s.kind for program in programs for s in program if isinstance(s, Mode)} >= {
        "raise",
        "enable_grad",
    }


def test_looks_are_part_of_the_program_and_differ_in_number() -> None:
    looks = Counter(sum(isinstance(s, Look) for s in program) for program in drawn(200))
    assert looks[1] > 20, "some programs are looked at in the end only"
    assert sum(n for count, n in looks.items() if count > 10) > 20, "others after every action"


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

    for number in range(150):
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
    soak = Soak(_overwriting(), seed=1, known=KnownFailures(), shrink=0.3)
    soak.run(50)
    assert soak.found
    for found in soak.found.values():
        sentence, link = promise(found.finding.law)
        assert sentence
        assert link.startswith("https://")
    assert len({found.id for found in soak.found.values()}) == len(soak.found)


class _Overwriting(ReferenceBackend):
    def backward(self, root: Any, gradient: Any = None, **options: Any) -> None:
        from gradlaws.conformance.reference.differentiate import ancestors

        if root.requires_grad:
            for node in ancestors([root.node]):
                if node.owner is not None and node.owner.requires_grad:
                    node.owner.grad = None
        super().backward(root, gradient, **options)


def _overwriting() -> ReferenceBackend:
    return _Overwriting()


def test_overwriting_is_blamed_on_accumulation() -> None:
    engine = _overwriting()
    for number in range(200):
        program = program_of(engine, 2, number)
        error = breach(program, engine)
        if isinstance(error, Broken):
            small = Reducer(engine).reduce(program, error)
            if isinstance(small.error, Broken) and small.error.law == "ACC-01":
                assert len([s for s in small.program if not isinstance(s, Look)]) <= 4, str(small.program)
                return
    raise AssertionError("not found")


def test_minimal_programs_are_short_and_quick_to_find() -> None:
    """Over all planted faults that whole programs can show."""
    lengths: list[int] = []
    missed: list[str] = []
    for name, fault in FAULTS.items():
        engine = fault.make()
        reducer = Reducer(engine, seconds=2.0, strict=fault.strict)
        for number in range(150):
            program = program_of(engine, 4, number)
            error = reducer.error(program)
            if error is not None:
                small = reducer.reduce(program, error)
                lengths.append(sum(not isinstance(s, Look) for s in small.program))
                break
        else:
            missed.append(name)
    assert median(lengths) <= 4, sorted(lengths)
    assert len(lengths) > 0.75 * len(FAULTS), missed


def test_a_soak_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    engine, place = _overwriting(), tmp_path / "soak.jsonl"
    first = Soak(engine, seed=9, known=KnownFailures(), shrink=0.3)
    file = SoakFile(place)
    file.begin(first)
    first.run(50)
    file.progress(first)
    second = Soak(engine, seed=9, known=KnownFailures(), shrink=0.3)
    SoakFile(place).begin(second)
    assert second.tally.number == 50
    assert {k: f.times for k, f in second.found.items()} == {k: f.times for k, f in first.found.items()}
    second.run(100)
    whole = Soak(engine, seed=9, known=KnownFailures(), shrink=0.3)
    whole.run(100)
    assert second.tally.programs == whole.tally.programs == 100
    with pytest.raises(SoakFileError, match="another soak"):
        SoakFile(place).begin(Soak(engine, seed=10, known=KnownFailures()))
    place.write_text("no soak\n")
    with pytest.raises(SoakFileError, match="not the file of a soak"):
        read(place)


def test_a_line_cut_short_is_left_out(tmp_path: Path) -> None:
    place = tmp_path / "soak.jsonl"
    soak = Soak(_overwriting(), known=KnownFailures())
    SoakFile(place).begin(soak)
    SoakFile(place).progress(soak)
    place.write_text(place.read_text() + '{"type": "find')
    assert [line["type"] for line in read(place)] == ["soak", "progress"]


def test_scripts_show_the_defect_without_the_project(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from gradlaws.conformance.loading import find

    torch = find("torch")
    soak = Soak(torch, seed=1, known=KnownFailures(), shrink=1.0)
    soak.run(150)
    ran = 0
    with torch.session():
        for found in soak.found.values():
            program = found.finding.steps
            error = breach(program, torch)
            if not isinstance(error, Broken) or error.thing.startswith(("the memory", "a look")):
                continue
            text = script(program, error, torch)
            place = tmp_path / "script.py"
            place.write_text(text)
            done = subprocess.run([sys.executable, str(place)], capture_output=True, text=True, cwd=tmp_path)
            assert "gradlaws" not in text
            refused = error.expected == "no error"
            assert done.returncode == 1, f"{error}\n{text}\n{done.stderr}"
            assert refused or "AssertionError" in done.stderr, f"{text}\n{done.stderr}"
            ran += 1
    assert ran > 2


def test_findings_are_json(tmp_path: Path) -> None:
    soak = Soak(_overwriting(), known=KnownFailures(), shrink=0.3)
    file = SoakFile(tmp_path / "soak.jsonl")
    file.begin(soak)
    soak.run(50)
    file.progress(soak)
    lines = [json.loads(line) for line in (tmp_path / "soak.jsonl").read_text().splitlines()]
    finding = next(line for line in lines if line["type"] == "finding")
    assert finding["program"] == source(soak.found[finding["id"]].finding.steps.steps)


def soaked(place: Path, *args: str, **more: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gradlaws", "soak", "--backend", "reference", *args]
    env = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent / "src") + os.pathsep + str(place),
    }
    return subprocess.Popen(command, cwd=place, env=env, text=True, stdout=-1, stderr=-1, **more)


def test_the_command_soaks_and_takes_up_what_was_interrupted(tmp_path: Path) -> None:
    running = soaked(tmp_path, "--seconds", "300", start_new_session=True)
    place = tmp_path / "gradlaws-soak.jsonl"
    while not place.exists():
        time.sleep(0.1)
    time.sleep(3)
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 2, err
    assert "interrupted; the same command goes on at program" in out
    assert "Traceback" not in err
    reached = next(line for line in reversed(read(place)) if line["type"] == "progress")["number"]
    assert reached > 0
    again = soaked(tmp_path, "--programs", str(reached + 50))
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert f"taken up at program {reached:,}" in err
    assert "no findings" in out


def test_a_program_that_kills_the_process_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text(
        "import os\n"
        "from gradlaws.conformance.backends.reference import ReferenceBackend\n"
        "class Dying(ReferenceBackend):\n"
        "    name = 'dying'\n"
        "    def backward(self, root, gradient=None, **options):\n"
        "        if options.get('create_graph') and 'inputs' not in options:\n"
        "            os._exit(11)\n"
        "        super().backward(root, gradient, **options)\n"
    )
    done = soaked(tmp_path, "--backend", "dying:Dying", "--programs", "60", "--file", "found.jsonl")
    out, err = done.communicate(timeout=200)
    assert done.returncode == 1, err
    assert "CRASH: program" in err
    assert "findings are in found.jsonl" in out
    crashes = [line for line in read(tmp_path / "found.jsonl") if line["type"] == "finding"]
    assert crashes[0]["law"] == "CRASH"
    assert "create_graph=True" in crashes[0]["program"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--steps", "9", "5"), "the lower number comes first"),
        (("--replay", "ACC-01-0"), "cannot be read"),
        (("--backend", "nowhere"), "nowhere"),
        (("--seconds", "-1"), "--seconds"),
    ],
)
def test_wrong_usage_is_told(tmp_path: Path, args: tuple[str, ...], says: str) -> None:
    done = soaked(tmp_path, *args)
    _, err = done.communicate(timeout=60)
    assert done.returncode == 4, err
    assert says in err
    assert "Traceback" not in err
