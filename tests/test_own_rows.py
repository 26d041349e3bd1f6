"""Rows that an adapter adds to the op table: judged like any other, for that adapter alone, and told where wrong."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradlaws import LAWS, Effort, Row, Verdict, check, judge
from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.known_failures.toml_parser import shipped
from gradlaws.conformance.laws.value_comparison import excess
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.reach.possible import own
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.error_bounds import bound_of
from gradlaws.strategies.builder import Vocabulary

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def adapter(*rows: Row, name: str = "mine") -> ReferenceBackend:
    """The reference engine, with rows of its own."""
    return type("Mine", (ReferenceBackend,), {"name": name, "rows": rows})()  # type: ignore[no-any-return]


def said(*rows: Any) -> str:
    """What the check of an adapter with these rows says."""
    return "\n".join(map(str, check(adapter(*rows))))


def plain(name: str = "cube", **more: Any) -> Row:
    return Row(
        **{"name": name, "call": lambda x: x, "forward": lambda x: x * x * x, "elementwise": True, **more}
    )


def squared(x: Any) -> Any:
    """A call of the reference engine's."""
    return Engine().apply("square", x)


#: Rows of the table, and parameters: their derivatives are known twice.
KNOWN: tuple[tuple[str, bool, dict[str, Any]], ...] = (
    ("tanh", True, {}),
    ("mul", True, {}),
    ("atan2", True, {}),
    ("softmax", False, {"dim": 1}),
    ("logsumexp", False, {"dim": 0, "keepdim": False}),
    ("cumsum", False, {"dim": 1}),
    ("matmul", False, {}),
)


@pytest.mark.parametrize(("name", "elementwise", "params"), KNOWN, ids=[name for name, *_ in KNOWN])
def test_differences_give_what_the_table_knows(name: str, elementwise: bool, params: dict[str, Any]) -> None:
    row = TABLE[name]
    mine = Row(
        name="mine", call=squared, forward=row, elementwise=elementwise, arity=row.arity,
        params={key: (value,) for key, value in params.items()},
    ).op("differences")  # fmt: skip
    chance = np.random.default_rng(1)
    arrays = [chance.uniform(0.3, 1.5, (2, 2)) for _ in range(row.arity)]
    found = []
    for op in (name, mine.name):
        engine = Engine()
        xs = [engine.tensor(a, requires_grad=True) for a in arrays]
        y = engine.apply(op, *xs, **params)
        seed = engine.tensor(np.full(y.array.shape, 0.75))
        first = [g for g in engine.grad([y], xs, [seed], create_graph=True) if g is not None]
        seeds = [engine.tensor(np.full(x.array.shape, 1.25)) for x in xs]
        second = (
            engine.grad(first, xs, seeds, allow_unused=True) if all(g.requires_grad for g in first) else []
        )
        found.append([g for g in (y, *first, *second) if g is not None])
    for theirs, ours in zip(found[0], found[1], strict=False):
        bound = bound_of(ours.node)
        assert excess(theirs.array, ours.array, partial(np.copy, bound)) <= 1
        assert bound.max() <= 1e-9


def test_rows_are_part_of_their_adapters_vocabulary_alone() -> None:
    first, second = adapter(plain(), name="one"), adapter(plain(), name="two")
    assert "one.cube" in Vocabulary.of(first).ops
    assert "two.cube" in Vocabulary.of(second).ops
    for other in (second, ReferenceBackend(), adapter()):
        assert not any(row.name == "one.cube" for row in Vocabulary.of(other).rows)
    assert "one.cube" not in TABLE.names()
    assert all("own" not in row.tags for row in TABLE)


def test_two_adapters_of_one_name_keep_their_own_rows() -> None:
    first = adapter(plain(name="same"))
    second = adapter(plain(name="same", forward=lambda x: -x))
    [one], [other] = first.own, second.own
    assert one != other
    assert TABLE[one](np.full(1, 2.0)) == 8
    assert TABLE[other](np.full(1, 2.0)) == -2


def test_what_rows_can_reach_is_told_where_they_are_known() -> None:
    backend = adapter(plain())
    assert own(backend.own, backend.capabilities)["mine.cube"] > 0


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "taken": ({"name": "tanh"}, "the op table has a row of this name"),
    "no word": ({"name": "my cube"}, "is not a word"),
    "no value": ({"forward": None}, "there is no forward"),
    "raises": ({"forward": lambda x: 1 / 0}, "ZeroDivisionError"),
    "other shape": ({"forward": lambda x: x.ravel()}, "is not elementwise"),
    "mixes": ({"forward": lambda x: x - x.mean()}, "is not elementwise"),
    "no floats": ({"forward": lambda x: x > 0}, "gave bool"),
    "never the same": ({"forward": lambda x: x + np.random.default_rng().uniform()}, "called again"),
    "writes": ({"forward": lambda x: np.negative(x, out=x)}, "writes to its operands"),
    "beyond its domain": ({"forward": np.log}, "say by `domain`"),
    "nowhere": ({"domain": (5, 4)}, "no operands were found"),
    "another call": (
        {"call": lambda x: Engine().apply("sum", x, dim=None, keepdim=False)},
        "forward float64",
    ),
    "no such call": ({"call": "nowhere_at_all.cube({0})"}, "nowhere_at_all"),
    "no expression": ({"call": "cube({0}"}, "no expression"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_with_a_row_is_told_with_its_place(kind: str) -> None:
    changes, words = WRONG[kind]
    text = said(plain(**{"call": squared, **changes}))
    assert words in text
    assert "test_own_rows.py:" in text
    assert len(text.splitlines()) == 1


def test_a_derivative_that_is_not_that_of_the_value_is_told() -> None:
    from gradlaws.conformance.ops.table import Composite, Elementwise

    wrong = Elementwise(lambda F, y, x: (2 * x * x,))
    assert "by differences" in said(plain(call=squared, rule=wrong))
    other = Composite(lambda F, x: F.square(x))
    assert "its composite" in said(plain(call=squared, rule=other))


def test_all_that_is_wrong_is_told_at_once() -> None:
    text = said(plain(call=squared, forward=np.log), plain("relu"), plain("again", forward=None), "no row")
    assert len(text.splitlines()) == 4


def test_an_adapter_with_a_wrong_row_ends_a_run_before_it_begins(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    text = (EXAMPLES / "fused_adapter.py").read_text("utf-8").replace('name="swish"', 'name="relu"')
    (tmp_path / "wrong_adapter.py").write_text(text, "utf-8")
    command = [sys.executable, "-m", "gradlaws", "run", "--backend", "wrong_adapter:FusedBackend"]
    ran = subprocess.run(
        command, cwd=tmp_path, env=_environment(), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 4, ran.stdout + ran.stderr
    assert "relu (wrong_adapter.py:" in ran.stdout + ran.stderr


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(EXAMPLES), *sys.path))}


# -- what is found ---------------------------------------------------------------------------------------------


def verdict(backend: Any, law: str, examples: int = 100) -> Any:
    """The verdict on a law, beside what PyTorch is known to break."""
    known = shipped("torch").applying(backend.capabilities, backend.version())
    with backend.session():
        return judge(LAWS[law], backend, Effort(examples, 0), known)


@pytest.mark.parametrize("law", ["VAL-02", "HO-14"])
def test_a_sound_kernel_keeps_the_laws(law: str) -> None:
    pytest.importorskip("torch")
    from broken_kernels import Fused

    assert verdict(Fused(), law).verdict in (Verdict.PASS, Verdict.KNOWN)


@pytest.mark.parametrize(
    ("kernel", "law"),
    [("Forgetting", "ACC-05"), ("Mutating", "VAL-12"), ("Losing", "HO-14")],
)
def test_a_kernel_is_found_out(kernel: str, law: str) -> None:
    """It forgets a repeated operand, writes to the gradient that comes in, or has no second derivative."""
    pytest.importorskip("torch")
    import broken_kernels

    result = verdict(getattr(broken_kernels, kernel)(), law)
    assert result.verdict is Verdict.FAIL
    assert "fused(" in result.finding.program


def test_the_example_conforms_where_its_kernel_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from fused_adapter import FusedBackend  # type: ignore[import-not-found]

    backend = FusedBackend()
    assert check(backend) == []
    assert verdict(backend, "HO-01", 20).verdict in (Verdict.PASS, Verdict.KNOWN)
    assert backend.own["fused.swish"].spell == "fused_kernels.swish({0}, beta={beta})"
