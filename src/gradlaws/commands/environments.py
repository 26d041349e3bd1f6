"""Virtual environments, one an engine: pins of NumPy and clashing module names keep engines apart.

An environment is made once, with pip, and used again as long as its requirements stay the same. The suite itself is
not installed there: the package that runs now is put on the path, so that all engines are judged by the same code.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires
from importlib.resources import files
from pathlib import Path
from typing import Any

from gradlaws.commands import CommandError
from gradlaws.conformance.judgement.profiles import CI

#: What the suite needs, where its own metadata are not there (in a bare checkout).
NEEDS = ("hypothesis>=6.151", "jinja2>=3.1", "numpy>=2", "pytest>=8", "pytest-xdist>=3.5")
FIELDS: Mapping[str, type] = {
    "backend": str,
    "requirements": list,
    "variables": dict,
    "examples": int,
    "timeout": int,
    "workers": int,
}


@dataclass(frozen=True)
class Environment:
    """What is known of one engine's environment; see environments.toml for the fields."""

    name: str
    backend: str
    requirements: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    examples: int = CI.examples
    timeout: int = 300
    workers: int = 1

    def place(self, home: Path) -> Path:
        """The folder of the environment; environments of the same requirements share one."""
        names = [text.split("=")[0].split("[")[0] + text.partition("==")[2] for text in self.requirements]
        return home / ("-".join(names) or "plain")

    def python(self, home: Path) -> Path:
        """The interpreter in there."""
        folder = self.place(home)
        return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def shipped() -> dict[str, Environment]:
    """Those that come with the suite."""
    place = files("gradlaws.conformance") / "adapters" / "environments.toml"
    return parsed(place.read_text("utf-8"), "environments.toml")


def load(path: Path) -> dict[str, Environment]:
    """Those of a file; raises CommandError."""
    try:
        return parsed(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise CommandError(f"environments {path}: {error.strerror}") from error


def parsed(text: str, where: str) -> dict[str, Environment]:
    """The environments in a text of TOML; raises CommandError."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CommandError(f"environments {where}: not TOML: {error}") from error
    return {name: _entry(name, entry, where) for name, entry in data.items()}


def _entry(name: str, entry: Any, where: str) -> Environment:
    if not isinstance(entry, dict):
        raise CommandError(f"environments {where}: {name}: write a table, headed [{name}]")
    for key, value in entry.items():
        if key not in FIELDS:
            raise CommandError(
                f"environments {where}: {name}: unknown key {key!r}; there are {', '.join(FIELDS)}"
            )
        if not isinstance(value, FIELDS[key]):
            raise CommandError(f"environments {where}: {name}: {key} must be of type {FIELDS[key].__name__}")
    if "requirements" not in entry:
        raise CommandError(f"environments {where}: {name}: `requirements` is missing: what pip shall install")
    fields = {**entry, "requirements": tuple(entry["requirements"])}
    return Environment(name, fields.pop("backend", name), **fields)


def default_home() -> Path:
    """Where environments are kept: a folder of the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "gradlaws" / "environments"


def prepare(environment: Environment, home: Path, fresh: bool = False) -> Path:
    """Make the environment if it is not there, or is another one; its interpreter. Raises CommandError."""
    folder, python = environment.place(home), environment.python(home)
    wanted = [*environment.requirements, *_needs()]
    stamp = folder / "gradlaws.json"
    if not fresh and python.exists() and stamp.exists() and json.loads(stamp.read_text()) == wanted:
        return python
    print(f"{environment.name}: installing {', '.join(environment.requirements) or 'the suite'} in {folder}")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _called([sys.executable, "-m", "venv", str(folder)], environment)
        _called(
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted],
            environment,
        )
        # only the package itself, not what else lies beside it
        (folder / "suite").mkdir()
        (folder / "suite" / "gradlaws").symlink_to(Path(__file__).resolve().parent.parent)
    except OSError as error:
        raise CommandError(
            f"{environment.name}: {folder}: {error.strerror}; choose another by --home"
        ) from error
    stamp.write_text(json.dumps(wanted))
    return python


def _needs() -> list[str]:
    try:
        found = requires("gradlaws") or []
    except PackageNotFoundError:
        found = list(NEEDS)
    return [text for text in found if "extra ==" not in text]


def _called(command: list[str], environment: Environment) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        listed = "\n".join(f"    {line[:150]}" for line in said[-6:])
        raise CommandError(
            f"{environment.name}: `{' '.join(command[1:])}` failed; the last that it said:\n{listed}\n"
            f"Mend the requirements in the file of environments, or see whether pip reaches its index."
        )


def variables(environment: Environment, home: Path) -> dict[str, str]:
    """The environment variables of a run: this process's own, the engine's, and where the suite and adapters are."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    path = os.pathsep.join((str(environment.place(home) / "suite"), str(Path.cwd())))
    return {**own, "PYTHONPATH": path, **environment.variables}
