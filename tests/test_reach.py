"""What programs have reached is counted, told in the record, and shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_records import PASSING, Engine, lines, written

from gradlaws.commands.parser import main
from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    Hook,
    InPlace,
    Leaf,
    Look,
    ReadGrad,
    Step,
    literal,
)
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.reach.op_cells import CELLS, GROUPS, bit, called, special
from gradlaws.conformance.reach.possible import cells, names
from gradlaws.conformance.reach.reached import Call, Reached, joined
from gradlaws.conformance.reach.step_cells import BETWEEN, KINDS, RELATIONS, WIDTH, pair_row, triple_row
from gradlaws.conformance.whole_programs.soak import Soak
from gradlaws.reports.html import html
from gradlaws.reports.record import load, parsed
from gradlaws.reports.view import views


def met(
    values: list[np.ndarray], homes: tuple[int, ...], variables: tuple[int, ...], **params: object
) -> set[str]:
    bits = called("op", values, homes, variables, params)
    return {f"{group} {value}" for k, (group, value) in enumerate(CELLS) if bits >> k & 1}


def test_size_rank_and_dtype_are_those_of_the_first_operand() -> None:
    assert met([np.zeros((0, 2), "float32")], (0,), (0,)) == {"size 0", "rank 2", "dtype float32"}
    assert met([np.zeros((5, 5, 8))], (0,), (0,), dim=1) >= {"size 25-300", "rank 3", "dim middle"}


def test_the_memory_of_operands_is_told_apart() -> None:
    x = np.zeros((2, 3))
    assert "operand strided" in met([x.T], (0,), (1,))
    assert "operand view" in met([x.T], (0,), (1,))
    assert "operand expanded" in met([np.broadcast_to(np.zeros(3), (2, 3))], (0,), (0,))
    assert "operand given twice" in met([x, x], (0, 0), (0, 0))
    assert "operand alias of another" in met([x, x.reshape(2, 3)], (0, 0), (0, 1))


@pytest.mark.parametrize(
    ("shapes", "pattern"),
    [
        (((2, 3), (2, 3)), {"same"}),
        (((2, 3), ()), {"0-d"}),
        (((2, 3), (3,)), {"fewer dims"}),
        (((2, 3), (1, 3)), {"stretched"}),
        (((2, 1), (1, 3)), {"both stretched"}),
    ],
)
def test_patterns_of_broadcasting(shapes: tuple[tuple[int, ...], ...], pattern: set[str]) -> None:
    found = met([np.zeros(s) for s in shapes], (0, 1), (0, 1))
    assert {one.removeprefix("broadcast ") for one in found if one.startswith("broadcast")} >= pattern


def test_special_contents_are_told_apart() -> None:
    bits = special([np.array([np.inf, -0.0, 5e-324, 1e300, np.nan])])
    assert names("special", bits) == list(GROUPS["special"])
    assert not special([np.array([0.0, 1.0])])


def walked(*steps: Step, watched: bool = False) -> Reached:
    reached = Reached()
    reached.note(steps, (), [False] * len(steps), {}, watched)
    return reached


def pairs(reached: Reached) -> set[tuple[str, str, str, str]]:
    return {
        (KINDS[first], KINDS[last], relation, word)
        for last in range(len(KINDS))
        for k, relation in enumerate(RELATIONS)
        for between, word in enumerate(BETWEEN)
        for first in range(WIDTH)
        if reached.pairs[pair_row(k, between, last)] >> first & 1
    }


X = Leaf(literal([1.0, 2.0]), True, outs=(0,))


def test_pairs_are_told_apart_by_relation_and_by_looks() -> None:
    double = Apply("mul_scalar", (0,), (("value", 2.0),), outs=(1,))
    found = pairs(walked(X, double, Hook(1, 0), Look(), Backward((1,)), ReadGrad(0, outs=(2,))))
    assert ("compute", "hook", "same tensor", "unseen") in found
    assert ("hook", "backward", "same tensor", "looked at") in found
    assert ("hook", "read grad", "descendant", "looked at") in found
    assert ("backward", "read grad", "descendant", "unseen") in found


def test_views_of_one_tensor_are_siblings() -> None:
    parts = [
        Apply("narrow", (0,), (("dim", 0), ("start", k), ("length", 1)), outs=(1 + k,)) for k in range(2)
    ]
    found = pairs(walked(X, *parts, InPlace("neg_", 1), InPlace("neg_", 2), InPlace("neg_", 0)))
    assert ("write", "write", "sibling view", "unseen") in found
    assert ("write", "write", "same memory", "unseen") in found


def test_triples_have_nothing_in_between_only_where_nobody_looked_at_all() -> None:
    steps = (InPlace("neg_", 0), InPlace("neg_", 0), Hook(0, 0))
    write, hook = KINDS.index("write"), KINDS.index("hook")
    for looks, between in (((), 0), ((Look(),), 1)):
        reached = walked(X, steps[0], *looks, *steps[1:])
        assert reached.triples[triple_row(between, write, hook)] == 1 << write
        assert not any(reached.triples[triple_row(1 - between, write, hook)] >> k & 1 for k in range(WIDTH))


def test_what_was_refused_is_no_coverage_of_its_op() -> None:
    step = Apply("exp", (0,), outs=(1,))
    reached = Reached()
    reached.note((X, step), [Call(1, step, [np.zeros(2)], [0])], [False, True], {}, True)
    assert not reached.ops


def test_parts_of_a_run_are_joined() -> None:
    one, other = walked(X, InPlace("neg_", 0), Backward((0,))), walked(X, Hook(0, 0), Backward((0,)))
    one.ops, other.ops = {"exp": bit("rank", "1")}, {"exp": bit("rank", "2")}
    both = Reached()
    both.take(joined([one.dumped(), {}, other.dumped()]))
    assert pairs(both) == pairs(one) | pairs(other)
    assert both.ops == {"exp": bit("rank", "1") | bit("rank", "2")}
    assert both.programs == 2


@pytest.mark.parametrize("damage", [{"pairs": "AAAA"}, {"triples": 3}, {"kinds": ["other"]}])
def test_what_cannot_be_read_is_refused_or_left_out(damage: dict[str, object]) -> None:
    data = walked(X, InPlace("neg_", 0)).dumped() | damage
    with pytest.raises((ValueError, TypeError)):
        Reached().take(data)
    assert joined([data]) == {}


def test_there_is_no_empty_operand_where_the_forward_is_not_defined() -> None:
    assert names("size", cells("exp"))[0] == "0"
    assert "0" not in names("size", cells("max_all"))
    assert names("broadcast", cells("mm")) == []
    assert names("rank", cells("mm")) == ["2"]


# -- in the record ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    engine = Engine()
    found = judge(LAWS["ACC-01"], engine, Effort(30))
    assert found.reached["programs"] == 30
    made = lines(PASSING, engine)
    made[-1]["reach"] = {"toy": found.reached}
    return written(tmp_path_factory.mktemp("reach") / "r.jsonl", made)


def test_a_record_tells_what_was_reached(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reach", str(record)]) == 0
    told = capsys.readouterr().out
    assert "order of derivative:" in told
    assert "pairs of steps, unseen: 0 of" in told  # laws look after every step
    assert "not 0: " in told
    assert " more" in told
    assert main(["reach", str(record), "--all"]) == 0
    assert " more" not in capsys.readouterr().out
    assert main(["reach", str(record), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["toy"]["kinds"]["rank"]["reached"] > 0


def test_the_page_shows_it_as_a_picture(record: Path) -> None:
    page = html(views([load(record)]))
    assert "Reach: how far the programs came" in page
    assert '<td style="--share:' in page
    assert "Reach:" not in html(views([parsed(lines(PASSING))]))


def test_a_record_that_does_not_say_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = lines(PASSING)
    del made[-1]["reach"]
    assert main(["reach", str(written(tmp_path / "r.jsonl", made))]) == 2
    assert "does not say" in capsys.readouterr().out


def test_the_seal_is_on_it_too(record: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text(record.read_text().replace('"counted": ', '"counted": 1'))
    assert main(["reach", str(broken)]) == 4


def test_a_soak_tells_what_it_reached(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "soak.jsonl"
    command = ["soak", "--backend", "reference", "--in-process", "--file", str(file), "--programs"]
    assert main([*command, "50"]) == 0
    assert main([*command, "100"]) == 0  # taken up
    capsys.readouterr()
    assert main(["reach", str(file)]) == 0
    assert "counted in 25 programs" in capsys.readouterr().out  # one in four


def test_counting_changes_nothing() -> None:
    assert (
        Soak(ReferenceBackend(), one_in=1).run(50).steps == Soak(ReferenceBackend(), one_in=50).run(50).steps
    )
