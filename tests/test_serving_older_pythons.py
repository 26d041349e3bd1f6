"""An adapter is served by Pythons that the runner does not run on: sources are read so that they understand them."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.discovery import BackendError, find
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.laws import LAWS

ROOT = Path(__file__).resolve().parent.parent
HARNESS = ROOT / "src" / "gradlaws" / "harness.py"
ADAPTER = "minigrad_adapter:MinigradBackend"
#: Has this Python take itself for one that is too old for the sources, and that has none of what the runner needs.
AS_OLDER = "import sys; sys.modules.update(dict.fromkeys(('packaging', 'pytest', 'hypothesis', 'jinja2'))); "
AS_OLDER += f"import runpy; h = runpy.run_path({str(HARNESS)!r}); g = h['main'].__globals__; "
AS_OLDER += "g.update(SUFFICIENT=(99,)); sys.exit(g['main'](sys.argv[1:]))"
#: What an adapter may import of the package, and what serves it.
NEEDED = "remote.server engines.torch_like engines.functional engines.numpy_like engines.op_spelling adapters.torch"


def older_pythons() -> list[str]:
    """The older Pythons here that have NumPy; GRADLAWS_OLDER_PYTHON names one more."""
    names = [os.environ.get("GRADLAWS_OLDER_PYTHON", ""), *(f"python3.{minor}" for minor in (8, 9, 10))]
    found = [path for name in names if name and (path := shutil.which(name))]
    return [
        p for p in found if subprocess.run([p, "-c", "import numpy"], capture_output=True).returncode == 0
    ]


def served(command: str, adapter: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """An adapter, served by a Python that has not this package on its path, but a folder."""
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return find(f"exec:{command} {adapter}")


def test_the_sources_are_written_in_words_that_are_old_enough() -> None:
    """What newer syntax there is, `Older` replaces; of what it cannot parse there must be none."""
    code = f"import importlib, sys; [importlib.import_module('gradlaws.conformance.' + m) for m in {NEEDED.split()}]; "
    code += "print(*[m.__file__ for n, m in sys.modules.items() if n.startswith('gradlaws.') and m.__file__])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src", capture_output=True, text=True)
    files = done.stdout.split()
    assert len(files) > 50, done.stderr
    for file in (str(HARNESS), *files):
        ast.parse(Path(file).read_text(encoding="utf-8"), file, feature_version=(3, 8))


@pytest.mark.parametrize("law", ["NONE-05", "VAL-01", "META-02"])
def test_an_adapter_is_the_same_to_an_older_python(
    law: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adapter as it is; the engine is of those days."""
    for name in ("minigrad.py", "minigrad_adapter.py"):
        text = (ROOT / "examples" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(", strict=True", ""), encoding="utf-8")
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    here = find(ADAPTER)
    commands = [f'{sys.executable} -c "{AS_OLDER}"', *(f"{python} {HARNESS}" for python in older_pythons())]
    for command in commands:
        there = served(command, ADAPTER, tmp_path, monkeypatch)
        assert (there.capabilities, there.dialect) == (here.capabilities - {"calls"}, here.dialect)
        results = [judge(LAWS[law], backend, Effort(20)) for backend in (here, there)]
        assert len({(r.verdict, r.programs, r.assertions, r.message) for r in results}) == 1


def test_a_whole_engine_is_the_same_to_an_older_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adapter for PyTorch, with all that it inherits: hooks, functions, checkpoints, threads, training."""
    torch = pytest.importorskip("torch")
    there = served(f'{sys.executable} -c "{AS_OLDER}"', "torch", tmp_path, monkeypatch)
    assert there.version() == torch.__version__
    for law in ("HOOK-02", "FUN-01", "CKPT-01", "MT-01", "OPT-01", "SET-01", "HO-01", "MODE-04", "INP-05"):
        result = judge(LAWS[law], there, Effort(10))
        assert result.verdict is Verdict.PASS, (law, result.message)


def test_what_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendError, match="no module 'nowhere'"):
        served(f"{sys.executable} {HARNESS}", "nowhere:Nothing", tmp_path, monkeypatch)
