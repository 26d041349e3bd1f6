"""What failed once is tried first: in the next run, on the next release, on another machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from deadly import Aborts
from faulty_ops import with_wrong

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.judgement.draws import given, standing_for
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.serialization import dumped, loaded
from gradlaws.conformance.language.steps import Apply, Backward, Leaf, Look, literal
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.suite.program_store import ProgramStore, StoreError, _key
from gradlaws.conformance.whole_programs.run_item import WHOLE, judge_any
from gradlaws.conformance.whole_programs.soak import Soak
from gradlaws.reports.record import load

TESTS = Path(__file__).resolve().parent


def program(op: str) -> Program:
    leaf = Leaf(literal(np.array([0.5])), True, outs=(0,))
    return Program((leaf, Apply(op, (0,), outs=(1,)), Backward((1,)), Look()))


SOUGHT, OTHER = program("expm1"), program("sin")


def test_a_folder_gives_back_what_the_engine_has(tmp_path: Path) -> None:
    store = ProgramStore.of(str(tmp_path / "store"))
    for one in (SOUGHT, OTHER, SOUGHT):
        store.remember(ReferenceBackend(), "VAL-01", one)
    store.database.save(_key("reference", "VAL-01"), b"of another version")
    again = ProgramStore.of(str(tmp_path / "store"))
    engine = ReferenceBackend()
    assert {standing_for(p) for p in again.programs(engine, "VAL-01")} == {
        standing_for(p) for p in (SOUGHT, OTHER)
    }
    assert again.programs(engine, "VAL-02") == []

    class Lacking(ReferenceBackend):
        def ops(self) -> frozenset[str]:
            return frozenset(super().ops()) - {"expm1"}

    assert [p.steps for p in again.programs(Lacking(), "VAL-01")] == [OTHER.steps]

    class Less(ReferenceBackend):
        withheld = frozenset({"materialize_grads"})

    assert again.programs(Less(), "VAL-01") == [], "what they need is not told by their ops alone"
    part = Checkpoint((Apply("expm1", (0,), outs=(1,)),), outs=(1,))
    store.remember(ReferenceBackend(), "CKPT-01", Program((Leaf(literal([0.5]), True, outs=(0,)), part)))
    assert len(again.programs(engine, "CKPT-01")) == 1
    assert again.programs(Lacking(), "CKPT-01") == [], "an op within a checkpointed part counts, too"


@pytest.mark.parametrize("law", [LAWS["VAL-01"], WHOLE], ids=lambda law: law.id)
def test_what_failed_is_judged_before_anything_is_drawn(law: object) -> None:
    assert law is WHOLE or law is LAWS["VAL-01"]
    engine, effort = with_wrong(["expm1"]), Effort(1, shrink=1.0)
    assert judge_any(law, engine, effort).verdict is Verdict.PASS  # it is not drawn
    found = judge_any(law, engine, effort, first=[OTHER, SOUGHT])
    assert found.verdict is Verdict.FAIL
    assert found.finding is not None
    assert found.finding.steps is not None
    assert "expm1" in {step.op for step in found.finding.steps if isinstance(step, Apply)}
    mended = judge_any(law, ReferenceBackend(), effort, first=[OTHER, SOUGHT])
    assert mended.verdict is Verdict.PASS
    drawn = judge_any(law, ReferenceBackend(), effort)
    assert mended.assertions > drawn.assertions  # the same programs are drawn, besides


def test_a_journal_tells_what_was_not_drawn() -> None:
    assert given(standing_for(SOUGHT), [OTHER, SOUGHT]) is SOUGHT
    assert given(standing_for(SOUGHT), [OTHER]) is None
    assert given(bytes(16), [SOUGHT]) is None
    assert len(standing_for(SOUGHT)) == 16


def judged(folder: Path, engine: str, *options: str) -> subprocess.CompletedProcess[str]:
    paths = [str(TESTS), str(TESTS.parent / "src"), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", "gradlaws", "run", "--backend", engine, "--laws", "NONE-03", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )


def test_a_crash_is_remembered_and_told_with_its_program(tmp_path: Path) -> None:
    """By another run, which draws one program that does not crash."""
    (tmp_path / "shared").mkdir()
    store = ProgramStore.of(str(tmp_path / "shared"))
    first = judged(tmp_path, "deadly:Aborts", "--max-examples", "60", "--store", "shared", "--workers", "2")
    assert first.returncode == 1, first.stdout + first.stderr
    assert len(store.programs(Aborts(), "NONE-03")) == 1
    given = ("--max-examples", "1", "--seed", "3", "--workers", "2")
    assert judged(tmp_path, "deadly:Aborts", *given).returncode == 0
    again = judged(tmp_path, "deadly:Aborts", *given, "--store", "shared")
    assert again.returncode == 1, again.stdout + again.stderr
    (result,) = load(tmp_path / "gradlaws.jsonl").results
    assert result.verdict is Verdict.CRASH
    assert result.finding is not None
    assert "exp" in result.finding.used


@pytest.mark.parametrize(
    ("place", "said"),
    [("file", "is a file"), ("no/such/folder", "there is no folder"), ("redis://127.0.0.1:1/0", "redis")],
)
def test_a_store_that_cannot_be_is_one_line(tmp_path: Path, place: str, said: str) -> None:
    (tmp_path / "file").write_text("")
    done = judged(tmp_path, "reference", "--store", place)
    assert done.returncode == 4
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_redis_needs_its_client_and_a_server() -> None:
    with pytest.raises(StoreError, match=r"pip install redis|cannot be reached"):
        ProgramStore.of("redis://127.0.0.1:1/0")


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan"), -0.5, None, (1, [2])])
@pytest.mark.parametrize("exact", [False, True])
def test_parameters_come_back_whatever_they_are(value: object, exact: bool) -> None:
    leaf = Leaf(literal(np.array([0.5])), True, outs=(0,))
    one = Program((leaf, Apply("p_norm", (0,), (("ord", value),), outs=(1,))))
    again = loaded(json.loads(json.dumps(dumped(one, exact))))
    assert repr(again.steps[1]) == repr(one.steps[1])


def test_a_soak_keeps_what_it_finds_and_tries_first_what_was_kept(tmp_path: Path) -> None:
    store, engine = ProgramStore.of(str(tmp_path)), with_wrong(["expm1"])
    soak = Soak(engine, known=KnownFailures())
    store.listen(soak)
    soak.again([OTHER, SOUGHT])
    (found,) = soak.found.values()
    assert found.number is None
    (kept,) = store.programs(engine, WHOLE.id)
    assert kept.steps == found.finding.steps.steps
    other = Soak(engine, known=KnownFailures())
    other.again(store.programs(engine, WHOLE.id))
    assert list(other.found) == list(soak.found)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """A real server, where there is one."""
    pytest.importorskip("redis")
    if (program := which("redis-server")) is None:
        pytest.skip("there is no redis-server")
    place = tmp_path / "redis.sock"
    given = ["--port", "0", "--unixsocket", str(place), "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen([program, *given], stdout=subprocess.DEVNULL) as server:
        while not place.exists():
            time.sleep(0.02)
        yield f"unix://{place}"
        server.terminate()


def test_two_processes_share_what_fails_within_a_second(redis: str) -> None:
    store = ProgramStore.of(redis)
    code = (
        "import json, sys\n"
        "from gradlaws.conformance.adapters.reference import ReferenceBackend\n"
        "from gradlaws.conformance.language.serialization import loaded\n"
        "from gradlaws.conformance.suite.program_store import ProgramStore\n"
        "store = ProgramStore.of(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "store.remember(ReferenceBackend(), 'VAL-01', loaded(json.loads(input())))\n"
        "print('kept', flush=True)\n"
    )
    paths = os.pathsep.join([str(TESTS.parent / "src"), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-c", code, redis],
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        assert store.programs(ReferenceBackend(), "VAL-01") == []
        start = time.monotonic()
        other.stdin.write(json.dumps(dumped(SOUGHT)) + "\n")
        other.stdin.flush()
        while not (found := store.programs(ReferenceBackend(), "VAL-01")):
            time.sleep(0.01)
        assert time.monotonic() - start < 1.0
    assert [one.steps for one in found] == [SOUGHT.steps]


def test_values_are_programs_as_json(tmp_path: Path) -> None:
    store = ProgramStore.of(str(tmp_path))
    store.remember(ReferenceBackend(), "VAL-01", SOUGHT)
    (value,) = store.database.fetch(_key("reference", "VAL-01"))
    assert [step["step"] for step in json.loads(value)["steps"]] == ["Leaf", "Apply", "Backward", "Look"]
