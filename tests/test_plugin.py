"""The suite as its users meet it: options, outcomes, messages, exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gradlaws.conformance.engines.discovery import BackendError, find
from gradlaws.reports.record_file import RecordError, read

Suite = Callable[..., pytest.RunResult]
USAGE = pytest.ExitCode.USAGE_ERROR

TOY = """
import numpy as np
from gradlaws import Backend
from gradlaws.conformance.adapters.reference import ReferenceBackend

class Toy(ReferenceBackend):
    name = "toy"

class Overwriting(Toy):
    name = "overwriting"
    def backward(self, root, gradient=None, **options):
        from gradlaws.conformance.reference.graph_traversal import ancestors
        if root.requires_grad:
            for node in ancestors([root.node]):
                if node.owner is not None:
                    node.owner.grad = None
        super().backward(root, gradient, **options)

class Modest(Toy):
    name = "modest"
    withheld = frozenset({"retain_graph"})

class Unstored(Toy):
    name = "unstored"
    withheld = frozenset({"stored"})

class Dying(Toy):
    name = "dying"
    armed = False
    def backward(self, root, gradient=None, **options):
        if Dying.armed and root.array.size > 1:
            import os
            os._exit(11)
        Dying.armed = Dying.armed or bool(options)
        super().backward(root, gradient, **options)

class Hanging(Toy):
    name = "hanging"
    def backward(self, root, gradient=None, **options):
        if options:
            import time
            time.sleep(1000)
        super().backward(root, gradient, **options)

class Blind(Toy):
    name = "blind"
    def numpy(self, x):
        if x.array.ndim == 3:
            raise RuntimeError("cannot be read")
        return super().numpy(x)

class Lying(Toy):
    name = "lying"
    def numpy(self, x):
        return x.array.tolist()

class Wordy(Toy):
    name = "wordy"
    def is_leaf(self, x):
        return "yes"

class Failing(Toy):
    def __init__(self):
        raise OSError("no such device")

class Empty(Backend):
    name = "empty"

class NotOne:
    pass

number = 3
def make():
    return Toy()
def make_nothing():
    return None
"""


@pytest.fixture
def toy(pytester: pytest.Pytester) -> None:
    """A module `toy` with adapters, most of them with a mistake in them."""
    pytester.makepyfile(toy=TOY)


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        (
            "tourch",
            [
                "unknown backend 'tourch'. Did you mean torch?",
                "reference",
                "torch",
                "gradlaws.backends",
                "module:attribute",
            ],
        ),
        ("nowhere:Engine", ["there is no module 'nowhere'", "PYTHONPATH"]),
        ("toy:Missing", ["module toy has no attribute 'Missing'", "Toy"]),
        ("toy:NotOne", ["not a subclass of gradlaws.Backend"]),
        ("toy:number", ["number is int", "expected a gradlaws.Backend"]),
        ("toy:make_nothing", ["make_nothing is NoneType"]),
        ("toy:Empty", ["lacks the required methods tensor, numpy, apply, backward, grad"]),
        ("toy:Failing", ["Failing() raised OSError: no such device"]),
        ("toy:", ["write module:attribute"]),
        (
            "toy:Lying",
            ["adapter 'lying' is not right yet", "numpy: numpy(tensor(a)) gave list, expected numpy.ndarray"],
        ),
        ("toy:Wordy", ["is_leaf: gave str, expected bool"]),
    ],
)
def test_a_wrong_backend_gets_one_clear_message(
    suite: Suite, toy: None, backend: str, words: list[str]
) -> None:
    result = suite("--backend", backend)
    assert result.ret == USAGE
    said = result.stderr.str() + result.stdout.str()
    for word in words:
        assert word in said
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said


def test_ids_read_as_law_ids_and_sentences(suite: Suite) -> None:
    result = suite("--backend", "reference", "--collect-only", "-q")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*test_law[[]reference-ACC-01-a_second_backward_adds[]]"])


def test_a_passing_run_has_header_table_and_record(suite: Suite, pytester: pytest.Pytester) -> None:
    result = suite("--backend", "reference", "--max-examples", "5", "--record", "record.jsonl", "-k", "ACC")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["gradlaws: backend reference *", "*5 programs a law*seed 0*", "family*laws*", "ACC*"]
    )
    lines = list(read(pytester.path / "record.jsonl"))
    assert [line["type"] for line in lines][:1] == ["header"]
    assert lines[-1]["type"] == "footer"
    assert lines[-1]["results"] == len(lines) - 2
    assert lines[-1]["exit"] == 0
    assert {line["verdict"] for line in lines[1:-1]} == {"PASS"}
    assert all(line["assertions"] > 0 for line in lines[1:-1] if line["type"] == "result")


def _timeless(path: Path) -> list[str]:
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    for line in lines:
        for key in ("seconds", "started", "seal"):
            line.pop(key, None)
    return sorted(json.dumps(line, sort_keys=True) for line in lines)


def test_equal_seeds_give_equal_records(suite: Suite, pytester: pytest.Pytester) -> None:
    args = ["--backend", "reference", "--max-examples", "5", "-k", "ACC or RET"]
    for name, more in (("a", ["--seed", "5"]), ("b", ["--seed", "5", "-n2"]), ("c", ["--seed", "6"])):
        assert suite(*args, "--record", name, *more).ret == 0
    first, second, other = (_timeless(pytester.path / name) for name in "abc")
    assert first == second
    assert first != other


def test_a_truncated_record_is_told(suite: Suite, pytester: pytest.Pytester) -> None:
    suite("--backend", "reference", "--max-examples", "2", "--record", "whole", "-k", "ACC-01")
    lines = (pytester.path / "whole").read_text().splitlines()
    (pytester.path / "cut").write_text("\n".join(lines[:-1]))
    with pytest.raises(RecordError, match="cut short"):
        list(read(pytester.path / "cut"))
    (pytester.path / "foreign").write_text("hello")
    with pytest.raises(RecordError, match="not a line of a record"):
        list(read(pytester.path / "foreign"))


def test_a_broken_law_is_shown_small_and_can_be_replayed(suite: Suite, toy: None) -> None:
    result = suite("--backend", "toy:Overwriting", "-k", "ACC-01")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "FAIL ACC-01 on overwriting",
            "after `*.backward(*)`: *.grad is *, expected *",
            "law:    *",
            "source: http*",
            "program:",
            "*requires_grad=True)",
            "again: *--replay ACC-01-*",
        ]
    )
    again = next(line for line in result.outlines if line.startswith("again:")).split()
    identity = again[again.index("--replay") + 1]
    replayed = suite("--backend", "toy:Overwriting", "--replay", identity)
    assert replayed.ret == 1
    replayed.stdout.fnmatch_lines(["FAIL ACC-01 on overwriting", "*1 failed*"])
    assert suite("--backend", "reference", "--replay", identity).ret == 0


def test_whole_programs_are_unsupported_without_a_grad_of_the_engine_s_own(
    suite: Suite, toy: None, pytester: pytest.Pytester
) -> None:
    result = suite("--backend", "toy:Unstored", "-k", "WHOLE-01", "-rs")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*UNSUPPORTED: needs stored*"])


def test_what_is_not_claimed_is_unsupported(suite: Suite, toy: None, pytester: pytest.Pytester) -> None:
    result = suite("--backend", "toy:Modest", "-k", "ACC-01", "-rs", "--record", "r")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*without *retain_graph*", "*UNSUPPORTED: needs retain_graph*"])
    (line,) = [line for line in read(pytester.path / "r") if line["type"] == "result"]
    assert line["verdict"] == "UNSUPPORTED"
    assert line["missing"] == ["retain_graph"]


def test_known_failures_are_expected_and_stale_ones_fail(
    suite: Suite, toy: None, pytester: pytest.Pytester
) -> None:
    pytester.path.joinpath("known.toml").write_text(
        "[[known]]\nlaw = 'ACC-01'\nreason = 'by design'\nlink = 'https://x.y'\nbroad = 'so'"
    )
    args = ["--known-failures", "known.toml", "-k", "ACC-01", "-rx"]
    known = suite("--backend", "toy:Overwriting", *args)
    assert known.ret == 0
    known.stdout.fnmatch_lines(["*KNOWN: by design (https://x.y)*"])
    stale = suite("--backend", "toy:Toy", *args)
    assert stale.ret == 1
    stale.stdout.fnmatch_lines(["STALE ACC-01 on toy", "*take it off the list*"])


def test_a_crash_is_a_verdict_with_its_program(suite: Suite, toy: None, pytester: pytest.Pytester) -> None:
    result = suite("--backend", "toy:Dying", "-k", "ACC-01", "-n1", "--record", "r")
    assert result.ret == 1
    (line,) = [line for line in read(pytester.path / "r") if line["type"] == "result"]
    assert line["verdict"] == "CRASH"
    assert ".backward(" in line["finding"]["program"]


def test_a_hang_is_a_verdict_with_its_program(suite: Suite, toy: None, pytester: pytest.Pytester) -> None:
    result = suite("--backend", "toy:Hanging", "-k", "ACC-01", "-n1", "--law-timeout", "2", "--record", "r")
    assert result.ret == 1
    (line,) = [line for line in read(pytester.path / "r") if line["type"] == "result"]
    assert line["verdict"] == "TIMEOUT"
    assert "--law-timeout" in line["message"]
    assert ".backward(" in line["finding"]["program"]


def test_what_cannot_be_looked_at_is_a_verdict_with_its_program(
    suite: Suite, toy: None, pytester: pytest.Pytester
) -> None:
    result = suite(
        "--backend", "toy:Blind", "-k", "ACC-01 or WHOLE-01", "--max-examples", "2", "--record", "r"
    )
    assert result.ret == 1
    lines = [line for line in read(pytester.path / "r") if line["type"] == "result"]
    assert {(line["law"], line["verdict"]) for line in lines} == {("ACC-01", "ERROR"), ("WHOLE-01", "ERROR")}
    assert all("cannot be read" in line["message"] and line["finding"]["program"] for line in lines)


def test_several_backends_run_side_by_side(suite: Suite, toy: None) -> None:
    result = suite("--backend", "reference", "--backend", "toy:make", "-k", "ACC-01", "--max-examples", "3")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*gradlaws: reference*", "*gradlaws: toy*", "*2 passed*"])


def test_a_missing_engine_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "gradlaws.conformance.adapters.torch", raising=False)
    with pytest.raises(BackendError, match=r'pip install "gradlaws\[torch\]"(.|\n)*--backend reference'):
        find("torch")


def test_other_peoples_runs_are_left_alone(pytester: pytest.Pytester, suite: Suite) -> None:
    pytester.makepyfile("def test_mine(): pass")
    result = pytester.runpytest_subprocess("-p", "gradlaws.conformance.plugin")
    assert result.ret == 0
    assert "gradlaws:" not in result.stdout.str()


def test_an_engine_may_warn(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        warner="""
        import warnings
        from gradlaws.conformance.adapters.reference import ReferenceBackend

        class Warner(ReferenceBackend):
            name = "warner"

            def backward(self, *args, **options):
                warnings.warn("this engine is old", DeprecationWarning)
                return super().backward(*args, **options)
        """
    )
    result = suite("-W", "error", "--backend", "warner:Warner", "--max-examples", "5", "-k", "ACC or EX")
    assert result.ret == 0
