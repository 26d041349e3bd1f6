"""Adapters found by name, ops found by name, environments, and the counting of ops."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_records import PASSING, Engine, lines

from gradlaws.commands import CommandError, engines, environments, smoke
from gradlaws.commands.parser import main
from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.discovery import EXTRAS, SHIPPED, BackendError, find
from gradlaws.conformance.engines.exceptions import Unavailable
from gradlaws.conformance.engines.functional import Functional
from gradlaws.conformance.engines.numpy_like import numpy_like
from gradlaws.conformance.engines.op_check import troubles
from gradlaws.conformance.engines.op_spelling import Spelled
from gradlaws.conformance.engines.spelled_calls import compiled, there
from gradlaws.conformance.engines.tape import Traced
from gradlaws.conformance.engines.torch_like import as_method
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.ops import INPLACE, TABLE
from gradlaws.conformance.whole_programs.run_item import WHOLE, judge_any
from gradlaws.reports.record import load, parsed
from gradlaws.reports.terminal import columns
from gradlaws.reports.view import views

# -- ops by name ---------------------------------------------------------------------------------------------


def test_spellings_are_functions() -> None:
    call = compiled("np.sum({0}, axis={dim})", alias="np")
    assert call(np, (np.ones((2, 3)),), {"dim": 0}).tolist() == [2, 2, 2]
    target = [np.ones(2)]
    compiled("{0} += {value}", True)(None, target, {"value": 2.0})
    assert target[0].tolist() == [3, 3]
    assert compiled("{0}.astype('{dtype}')")(None, (np.ones(1),), {"dtype": "int64"}).dtype == np.int64
    assert (
        compiled("{0}.astype(np.{dtype})", alias="np")(np, (np.ones(1),), {"dtype": "int64"}).dtype
        == np.int64
    )


def test_an_op_is_there_if_all_that_its_spelling_names_is() -> None:
    x = np.ones(2)
    assert there("np.linalg.norm({0}.ravel())", "np", np, x)
    assert not there("np.softmax({0})", "np", np, x)
    assert not there("{0}.permute({dims})", "np", np, x)
    assert not there("torch.exp({0})", "np", np, x)
    assert there("np.sort({0}).no_one_knows", "np", np, x)  # what a call gives is known only when called


def test_methods_and_numpys_names_are_spellings_of_known_ops() -> None:
    assert as_method("torch.nn.functional.gelu({0}, approximate='tanh')") == "{0}.gelu(approximate='tanh')"
    assert as_method("{0} + {1}") == "{0} + {1}"
    assert set(numpy_like("np", inplace=True)) <= TABLE.names() | set(INPLACE)


class NumpyOps(Spelled):
    """NumPy's own functions: forward only."""

    name = "numpy"
    engine, alias, falls_back = np, "np", False
    spellings = {**numpy_like("np", inplace=True), "relu": "np.relu({0})"}  # noqa: RUF012

    def tensor(self, array: Any, requires_grad: bool = False) -> Any:
        return array.copy()

    def numpy(self, x: Any) -> Any:
        return np.array(x)

    def inplace(self, op: str, target: Any, *inputs: Any, **params: Any) -> Any:
        return self.written(op, target, *inputs, **params)


def test_numpys_spellings_do_what_the_table_says() -> None:
    backend = NumpyOps()
    assert "relu" not in backend.ops()
    assert len(set(backend.ops())) > 75
    assert [str(t) for t in troubles(backend, tracked=False)] == []


class Misspelled(ReferenceBackend):
    """An adapter with three mistakes."""

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        if op == "sin":
            op = "cos"
        if op == "tanh":
            raise AttributeError("tanh")
        return super().apply(op, *inputs, **({**params, "keepdim": True} if op == "mean" else params))


def test_a_misspelled_op_is_named() -> None:
    assert troubles(ReferenceBackend()) == []
    found = {t.op: t.what for t in troubles(Misspelled())}
    assert set(found) == {"sin", "tanh", "mean"}
    assert found["tanh"] == "raised AttributeError: tanh"
    assert found["mean"].startswith("has shape")


class Broken(ReferenceBackend):
    """An engine whose tanh has no backward for scalars, and whose exp is wrong for some shape."""

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        if op == "exp" and made.array.shape == (2, 2):
            return super().apply("add_scalar", made, value=1.0)
        if op == "tanh" and made.array.shape == () and made.requires_grad:
            made.node.hooks = [lambda g: 1 / 0]
        return made


def test_a_defect_of_the_engine_is_no_mistake_of_the_adapter(capsys: pytest.CaptureFixture[str]) -> None:
    """What is right for some operands is spelled right: it is told as the engine's, with a program, and kept."""
    assert {t.op: t.defect for t in troubles(Broken())} == {"exp": True, "tanh": True}
    assert {t.op: t.defect for t in troubles(Misspelled())} == dict.fromkeys(("sin", "tanh", "mean"), False)
    assert smoke._looked_at("test_engines:Broken")
    shown = capsys.readouterr().out
    assert "to mend" not in shown
    assert "a defect of the engine, it seems: tanh: backward raised ZeroDivisionError" in shown
    assert "v1 = torch.tanh(v0)" in shown
    assert "leave them in" in shown


def test_smoke_names_the_ops_that_do_not_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert smoke._looked_at("test_engines:Misspelled")
    shown = capsys.readouterr().out
    assert "3. to mend   tanh: raised AttributeError: tanh (operands of shape (3,))" in shown
    assert "4. claims" in shown


def test_whole_programs_need_an_engine_that_stores_gradients() -> None:
    command = [sys.executable, "-m", "gradlaws", "soak", "--backend", "test_engines:Doubles"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(p).resolve()) for p in sys.path if p)}
    done = subprocess.run(command, cwd=Path(__file__).parent, env=env, capture_output=True, text=True)
    assert done.returncode == 4
    assert "stores gradients in its engine's stead" in done.stderr


# -- engines without .grad -----------------------------------------------------------------------------------


class Doubles(Functional):
    """A functional engine that can only add, multiply and sum; its products come from differences."""

    name = "doubles"
    engine, alias, falls_back = np, "np", False
    spellings = {op: text for op, text in numpy_like("np").items() if op in ("add", "mul", "sum")}  # noqa: RUF012
    wrong = 0.0

    def array(self, array: Any) -> Any:
        return array.copy()

    def numpy(self, x: Traced) -> Any:
        return np.array(x.value)

    def ones_like(self, value: Any) -> Any:
        return np.ones_like(value)

    def vjp(self, function: Any, values: Any, seed: Any) -> Any:
        if seed.shape != np.shape(function(*values)):
            raise ValueError("the gradient argument has another shape")
        products = []
        for k, value in enumerate(values):
            product = np.zeros_like(value)
            for at in np.ndindex(value.shape):
                bumped = value.astype(np.float64)
                bumped[at] += 0.5
                up = np.array(function(*values[:k], bumped, *values[k + 1 :]))
                bumped[at] -= 1.0
                product[at] = np.sum(seed * (up - function(*values[:k], bumped, *values[k + 1 :])))
            products.append(product + self.wrong)
        return products


def test_behind_a_tape_only_what_the_engine_computes_is_judged() -> None:
    for law in LAWS.values():
        if "stored" in law.needs:
            assert judge(law, Doubles(), Effort(1)).verdict is Verdict.UNSUPPORTED
    assert judge_any(WHOLE, Doubles(), Effort(1)).verdict is Verdict.UNSUPPORTED
    for identity in ("ROOT-03", "ACC-05", "META-01", "META-03", "META-17", "VAL-10"):
        assert judge(LAWS[identity], Doubles(), Effort(10)).verdict is Verdict.PASS, identity
    faulty = Doubles()
    faulty.wrong = 1.0
    assert judge(LAWS["VAL-02"], faulty, Effort(30, shrink=0.0)).verdict is Verdict.FAIL


# -- shipped adapters ----------------------------------------------------------------------------------------


def test_every_shipped_engine_has_a_pip_line_and_an_environment() -> None:
    others = set(SHIPPED) - {"reference"}
    assert set(EXTRAS) == others
    known = environments.shipped()
    of_hardware = {name for name in others if "torch_devices" in SHIPPED[name]}  # pip installs no GPU
    assert others - of_hardware <= {env.backend for env in known.values()}
    assert [
        text
        for env in known.values()
        for text in env.requirements
        if "==" not in text and text != "setuptools"
    ] == []


@pytest.mark.parametrize("name", sorted(set(SHIPPED) - {"reference"}))
def test_a_missing_engine_is_named_with_its_pip_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = SHIPPED[name].partition(":")[0]
    package = place.rpartition(".")[2].partition("_")[0]
    monkeypatch.delitem(sys.modules, place, raising=False)
    for module in [m for m in sys.modules if m == "gradlaws.conformance.adapters.torch"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BackendError) as caught:
        find(name)
    assert EXTRAS[name] in str(caught.value)


def test_a_device_is_judged_by_the_class_that_names_it() -> None:
    pytest.importorskip("torch")
    from gradlaws.conformance.adapters.torch_devices import TorchDeviceBackend

    class OnTheCpu(TorchDeviceBackend):
        name, where = "on-the-cpu", "cpu"

    for law in ("VAL-05", "SET-05", "VAL-07", "MODE-20"):
        assert judge(LAWS[law], OnTheCpu(), Effort(20)).verdict is Verdict.PASS
    assert "device='cpu'" in OnTheCpu().spellings["index_select"]

    class Nowhere(TorchDeviceBackend):
        where = "nowhere"

    with pytest.raises(Unavailable, match="finds no device 'nowhere' here"):
        Nowhere()


@pytest.mark.parametrize("name", ["torch-cuda", "torch-mps", "torch-xpu"])
def test_a_device_that_is_not_there_is_one_line(name: str) -> None:
    torch = pytest.importorskip("torch")
    if getattr(torch, name.removeprefix("torch-")).is_available():
        pytest.skip("it is there")
    with pytest.raises(BackendError) as caught:
        find(name)
    assert "finds no device" in str(caught.value)
    assert "\n" not in str(caught.value)


# -- environments --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[x]\nrequirement = []", "unknown key 'requirement'"),
        ("[x]\nrequirements = 'a'", "must be of type list"),
        ("[x]\nexamples = 3", "`requirements` is missing"),
        ("x = 3", "write a table"),
        ("[x", "not TOML"),
    ],
)
def test_a_file_of_environments_says_what_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text(text)
    with pytest.raises(CommandError, match=r"e\.toml") as caught:
        environments.load(tmp_path / "e.toml")
    assert said in str(caught.value)


def test_an_unknown_engine_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines", "migrograd"]) == 4
    assert "Did you mean micrograd?" in capsys.readouterr().err


def test_what_pip_says_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "e.toml").write_text('[x]\nrequirements = ["not a requirement"]')
    given = ["engines", "x", "--environments", str(tmp_path / "e.toml"), "--home", str(tmp_path / "home")]
    assert main([*given, "--out", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert "Invalid requirement" in shown.err
    assert "x: not judged" in shown.out


def test_engines_are_judged_in_processes_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "e.toml").write_text(
        '[good]\nbackend = "reference"\nrequirements = []\nworkers = 0\n'
        '[bad]\nbackend = "nowhere:Nothing"\nrequirements = []\nworkers = 0\n'
    )
    (tmp_path / "home" / "plain" / "suite").mkdir(parents=True)
    (tmp_path / "home" / "plain" / "suite" / "gradlaws").symlink_to(
        Path(environments.__file__).resolve().parent.parent
    )
    monkeypatch.setattr(engines, "prepare", lambda *_: Path(sys.executable))
    given = ["engines", "--environments", str(tmp_path / "e.toml"), "--home", str(tmp_path / "home")]
    given += ["--out", str(tmp_path / "out"), "--laws", "VAL-02", "--examples", "25"]
    assert main(given) == 2
    shown = capsys.readouterr()
    assert "bad: the run did not begin" in shown.err
    assert "there is no module 'nowhere'" in shown.err
    record = load(tmp_path / "out" / "good.jsonl")
    assert record.ops["sum"]["programs"] >= 1
    assert all(sum(said["dtypes"].values()) >= said["programs"] for said in record.ops.values())
    assert "1/1" in shown.out


@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_a_table_shows_any_number_of_engines_by_the_names_of_their_environments(count: int) -> None:
    names = [f"engine-{k}" for k in range(count)]
    shown = [view for k in range(count) for view in views([parsed(lines(PASSING, Engine("toy", f"1.{k}")))])]
    table = engines._table(names, shown)
    assert {len(row) for row in table} == {len(table[0])}
    cells = {cell for row in (table[:3] if count <= 3 else zip(*table, strict=True)) for cell in row}
    assert {*names, "version", "programs a law", *(f"1.{k}" for k in range(count))} <= cells
    assert "\n".join(columns(table))


def test_options_of_the_compiler_go_by_the_name_that_a_release_has() -> None:
    """`recompile_limit` was `cache_size_limit` up to PyTorch 2.6, and early releases have no `donated_buffer`."""
    pytest.importorskip("torch")
    from types import SimpleNamespace

    from gradlaws.conformance.adapters.torch_compile import _set

    early, late = SimpleNamespace(cache_size_limit=8), SimpleNamespace(cache_size_limit=8, recompile_limit=8)
    for config in (early, late):
        _set(config, 100, "recompile_limit", "cache_size_limit")
        _set(config, False, "donated_buffer")
    assert vars(early) == {"cache_size_limit": 100}
    assert vars(late) == {"cache_size_limit": 8, "recompile_limit": 100}
