"""Parts of a soak, judged side by side, come to what one soak comes to."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from overwriting_engine import Overwriting

from gradlaws.commands import CommandError, merge
from gradlaws.conformance.judgement.finding import Finding
from gradlaws.conformance.judgement.reruns import Small
from gradlaws.conformance.known_failures.toml_parser import parsed
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Backward, Leaf, Look, ZeroGrad, literal
from gradlaws.conformance.laws.whole_program_laws import LISTABLE
from gradlaws.conformance.whole_programs import soak as soak_module
from gradlaws.conformance.whole_programs.ledger import AUDITED, MOST_PER_LAW, Ledger, Settled
from gradlaws.conformance.whole_programs.shrinker import WholeShrinker
from gradlaws.conformance.whole_programs.soak import Soak, found_by
from gradlaws.conformance.whole_programs.soak_file import SoakFile, SoakFileError, read
from gradlaws.conformance.whole_programs.soak_parts import Joined, part_of, so_far

LISTED = parsed(
    '[[known]]\nlaw = "ACC-01"\nreason = "overwrites"\nlink = "https://example.org"\nbroad = "it never adds"\n',
    "a list",
    laws=LISTABLE,
)


def program(*ops: str) -> Program:
    steps: list[Any] = [Leaf(literal([0.5]), True, outs=(0,))]
    for k, op in enumerate(ops):
        steps.append(Apply(op, (k,), outs=(k + 1,)))
    return Program((*steps, Backward((len(ops),)), Look()))


@pytest.fixture(autouse=True)
def _as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are not made small: that takes long, and depends on the clock."""

    def as_it_is(program: Program, error: Exception, *_: object) -> Small:
        return Small(program, error, False)

    monkeypatch.setattr(soak_module, "reduced", as_it_is)
    monkeypatch.setattr(WholeShrinker, "reduce", lambda self, program, error: as_it_is(program, error))


def soaked(place: Path, end: int, first: int | None, before: Joined | None = None) -> list[dict[str, Any]]:
    soak = Soak(Overwriting(), seed=9, known=LISTED, first=first)
    if before is not None and first is not None:
        place.write_text("".join(json.dumps(line) + "\n" for line in so_far(before, first)))
    file = SoakFile(place)
    file.begin(soak)
    soak.run(end)
    file.end(soak)
    return read(place)


def but_times(path: Path) -> list[dict[str, Any]]:
    lines = [line for line in read(path) if line["type"] != "progress"]
    (*_, last) = (line for line in read(path) if line["type"] == "progress")
    return [*lines, {k: v for k, v in last.items() if k not in ("seconds", "wall")}]


def test_parts_come_to_what_one_soak_comes_to(tmp_path: Path) -> None:
    """With listed breaches of which some are made small, and more findings of a law than are kept."""
    soaked(tmp_path / "one.jsonl", 240, None)
    tally = but_times(tmp_path / "one.jsonl")[-1]
    assert tally["excused"]["ACC-01"] > AUDITED
    assert tally["unreduced"]
    whole = Joined()
    for first in (0, 80, 160):  # the last begins with what the first has, as on a cluster
        lines = soaked(tmp_path / f"{first}.jsonl", first + 80, first, whole if first == 80 else None)
        whole.take(part_of(lines, str(first)), str(first))
    SoakFile(tmp_path / "joined.jsonl").write(whole)
    assert but_times(tmp_path / "joined.jsonl") == but_times(tmp_path / "one.jsonl")


def merged(tmp_path: Path, *names: str) -> int:
    records = [tmp_path / name for name in names]
    return merge.execute(Namespace(records=records, output=tmp_path / "merged.jsonl"))


def test_parts_are_merged_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soaked(tmp_path / "one.jsonl", 75, None)
    for first in (0, 25, 50):
        soaked(tmp_path / f"{first}", first + 25, first)
    assert merged(tmp_path, "50", "0", "25") == 1  # in any order
    assert but_times(tmp_path / "merged.jsonl") == but_times(tmp_path / "one.jsonl")
    assert "LOST" not in capsys.readouterr().out
    assert merged(tmp_path, "0", "50") == 1
    assert "LOST: of programs 25 to 49 nothing is known" in capsys.readouterr().out
    with pytest.raises(CommandError, match="are judged already"):
        merged(tmp_path, "0", "0")
    with pytest.raises(CommandError, match="is a whole soak and no part of one"):
        merged(tmp_path, "0", "one.jsonl")
    other = json.loads((tmp_path / "25").read_text().splitlines()[0]) | {"seed": 10}
    (tmp_path / "other").write_text(json.dumps(other) + "\n")
    with pytest.raises(CommandError, match="seed 10 instead of 9"):
        merged(tmp_path, "0", "other")


def test_a_part_is_not_taken_up_as_a_whole_or_another_part(tmp_path: Path) -> None:
    soaked(tmp_path / "part", 25, 0)
    for first in (None, 25):
        with pytest.raises(SoakFileError, match="another soak"):
            SoakFile(tmp_path / "part").begin(Soak(Overwriting(), seed=9, known=LISTED, first=first))


def settled(number: int, law: str, *ops: str) -> Settled:
    finding = Finding(law, "x.grad", "0", "1", steps=program(*ops))
    return Settled(number, law=law, found=found_by(number, program(*ops), finding))


def test_what_is_alike_is_one_finding() -> None:
    ledger = Ledger()
    told: list[int | None] = []
    ledger.tell = lambda found: told.append(found.number)
    ledger.take(settled(3, "ACC-01", "exp"))
    ledger.take(settled(5, "ACC-01", "sin"))
    ledger.take(settled(5, "ACC-01", "sin"))
    ledger.take(settled(7, "ACC-02", "sin"))
    assert told == [3, 7]
    assert [found.times for found in ledger.found.values()] == [3, 1]
    ledger.take(settled(3, "ACC-01", "exp"))  # once more, after an interruption
    assert [found.times for found in ledger.found.values()] == [3, 1]


def test_what_could_not_be_made_small_is_kept_once() -> None:
    ledger = Ledger()
    for number in range(2):
        death = settled(number, "CRASH", *["exp"] * (number + 1))
        ledger.take(Settled(number, law="CRASH", found=death.found, spare=True))
    assert len(ledger.found) == 1
    assert ledger.tally.unreduced == {"CRASH": 1}


def test_so_many_of_a_law_are_enough() -> None:
    ledger = Ledger()
    leaf = Leaf(literal([0.5]), True, outs=(0,))
    for number in range(MOST_PER_LAW + 3):
        steps = [ZeroGrad(0) if k % 2 else Backward((0,)) for k in range(number)]
        one = Program((leaf, *steps))
        found = found_by(number, one, Finding("ACC-01", "x.grad", "0", "1", steps=one))
        ledger.take(Settled(number, law="ACC-01", found=found))
    assert len(ledger.found) == MOST_PER_LAW
    assert ledger.tally.unreduced["ACC-01"] == 3


def test_what_rows_of_an_adapters_own_can_reach_is_there_when_parts_are_joined() -> None:
    has = {"ops": ["fused.swish"], "capabilities": [], "own": {"fused.swish": 7}}
    lines: list[dict[str, Any]] = [
        {"type": "soak", "schema": 1, "first": 0},
        {"type": "progress", "number": 5, "excused": {}, "unreduced": {}},
        {"type": "reach", **has, "reach": {}},
    ]
    whole = Joined()
    whole.take(part_of(lines, "a part"), "a part")
    assert whole.has() == has
