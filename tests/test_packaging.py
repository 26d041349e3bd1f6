"""What is shipped: a wheel built from the sdist holds all of the three halls, under one name."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HALLS = ("conformance", "strategies", "reports")
FACADE = ROOT / "src" / "gradlaws"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def belongs(path: Path) -> bool:
    """Whether a file under a hall is part of the project, and not a trace of running it."""
    hidden = any(part.startswith((".", "__pycache__")) for part in path.relative_to(ROOT).parts)
    return path.is_file() and not hidden and path.suffix not in (".pyc", ".pyo")


def facade() -> list[Path]:
    """What lies in src/gradlaws beside the links to the halls: the facade and the command line."""
    halls = [FACADE / hall for hall in HALLS]
    return [p for p in FACADE.rglob("*") if belongs(p) and not any(h == p or h in p.parents for h in halls)]


def shipped_name(path: Path) -> str:
    """Where a file of the checkout lies in the wheel."""
    return f"gradlaws/{path.relative_to(ROOT).as_posix()}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from the sdist, built from a copy of the checkout; nothing is downloaded."""
    tmp = tmp_path_factory.mktemp("packaging")
    copy = tmp / "checkout"
    names = ["pyproject.toml", "README.md", "LICENSE", "conftest.py", "src", *HALLS]
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        else:
            copy.mkdir(exist_ok=True)
            shutil.copy(source, copy / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp / "dist"), str(copy)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300)
    hint = "building needs build and setuptools: pip install -e .[dev]"
    assert built.returncode == 0, f"{' '.join(command)} failed; {hint}\n{built.stderr[-2000:]}"
    made = sorted(p.name for p in (tmp / "dist").iterdir())
    assert [Path(name).suffix for name in made] == [".whl", ".gz"], made
    return zipfile.ZipFile(tmp / "dist" / made[0])


def test_every_file_of_the_halls_is_shipped(wheel: zipfile.ZipFile) -> None:
    expected = {shipped_name(p) for hall in HALLS for p in (ROOT / hall).rglob("*") if belongs(p)}
    expected |= {f"gradlaws/{p.relative_to(FACADE).as_posix()}" for p in facade()}
    shipped = {name for name in wheel.namelist() if name.startswith("gradlaws/")}
    assert expected - shipped == set(), (
        "missing from the wheel: list the package, or the data, in pyproject.toml"
    )
    assert shipped - expected == set(), "in the wheel, but not in the checkout"


def test_the_only_top_level_is_gradlaws(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"gradlaws"}


def test_data_is_shipped(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {f"gradlaws/{hall}/py.typed" for hall in HALLS} <= names
    lists = {shipped_name(p) for p in (ROOT / "conformance" / "known_failures").glob("*.toml")}
    assert lists <= names


def test_the_licence_is_shipped(wheel: zipfile.ZipFile) -> None:
    assert any(name.endswith("/LICENSE") for name in wheel.namelist())


def test_every_package_is_listed() -> None:
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    found = {"gradlaws", "gradlaws.commands"}
    for hall in HALLS:
        for init in (ROOT / hall).rglob("__init__.py"):
            found.add("gradlaws." + ".".join(init.parent.relative_to(ROOT).parts))
    assert found == listed


def test_every_directory_with_modules_is_a_package() -> None:
    directories = {p.parent for hall in HALLS for p in (ROOT / hall).rglob("*.py") if belongs(p)}
    assert [d for d in directories if not (d / "__init__.py").exists()] == []


def test_the_plugin_is_registered_under_the_name_of_its_module() -> None:
    """Or pytest refuses: the checkout's conftest.py and an installed entry point would register it twice."""
    plugins = PROJECT["project"]["entry-points"]["pytest11"]
    assert plugins
    assert all(name == module for name, module in plugins.items())


def test_entry_points_lead_somewhere(wheel: zipfile.ZipFile) -> None:
    parsed = ConfigParser(delimiters=("=",))
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    text = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    parsed.read_string(wheel.read(text).decode())
    names = set(wheel.namelist())
    for group in parsed.sections():
        for _, target in parsed.items(group):
            module, _, attribute = target.partition(":")
            file = module.replace(".", "/")
            source = file + ".py" if file + ".py" in names else file + "/__init__.py"
            assert source in names, f"{group}: {target}"
            leaf = attribute.split(".")[0]
            assert not leaf or leaf in wheel.read(source).decode(), f"{group}: {target}"


def test_what_is_shipped_can_be_imported(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    modules = [
        name.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
        for name in wheel.namelist()
        if name.endswith(".py")
        and not name.endswith("__main__.py")
        and "/test_" not in name
        # an adapter imports its engine
        and ("/adapters/" not in name or name.endswith(("__init__.py", "reference.py")))
    ]
    lines = [*(f"import {module}" for module in modules), "import sys", "assert 'torch' not in sys.modules"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
