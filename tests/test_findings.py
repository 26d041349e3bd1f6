"""The findings are true: each script still shows its defect, where its engine is installed, and stands on a page."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from gradlaws.commands.environments import shipped
from gradlaws.conformance.known_failures.entry import Known
from gradlaws.conformance.known_failures.toml_parser import shipped as known_to_fail
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.laws.whole_program_laws import LISTABLE

FINDINGS = Path(__file__).resolve().parent.parent / "docs" / "findings"
SCRIPTS = sorted((FINDINGS / "scripts").glob("*.py"))


def engine_of(script: Path) -> str:
    return script.stem.partition("_")[0]


def release(engine: str) -> tuple[str, str]:
    """The package of an engine, and the release that the findings are about."""
    package, _, version = shipped()[engine].requirements[0].partition("==")
    return package, version


def installed(engine: str) -> bool:
    """Whether that release is there."""
    package, wanted = release(engine)
    try:
        return version(package).partition("+")[0] == wanted
    except PackageNotFoundError:
        return False


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_each_script_shows_its_defect(script: Path) -> None:
    text = script.read_text("utf-8")
    if "# fixed:" in text or not installed(engine_of(script)):
        pytest.skip(f"needs the release of {engine_of(script)} that has it")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)], capture_output=True, text=True, timeout=100
    )
    assert "AssertionError" in done.stderr, f"no longer shows: take it off the list\n{done.stderr}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_each_script_is_short_and_says_what_it_is_about(script: Path) -> None:
    text = script.read_text("utf-8")
    head, _, body = text.partition("# law: ")
    assert head.startswith('"""')
    assert body.split()[0] in LAWS
    code = [
        line
        for line in body.splitlines()[1:]
        if line.strip() and not line.startswith(("#", "import", "from"))
    ]
    assert len(code) <= 12


def test_the_pages_are_as_rendered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(FINDINGS))
    render: Any = import_module("render")
    before = {place.name: place.read_text("utf-8") for place in FINDINGS.glob("*.md")}
    (tmp_path / "scripts").symlink_to(FINDINGS / "scripts")
    for name, text in before.items():
        (tmp_path / name).write_text(text, "utf-8")
    monkeypatch.setattr(render, "HERE", tmp_path)
    render.main([])
    after = {place.name: place.read_text("utf-8") for place in tmp_path.glob("*.md")}
    assert after == before, "render the pages again: python docs/findings/render.py"


LISTS = sorted(set(shipped()) - {"reference", "tinygrad-0.13"})


def entries_of(engine: str) -> list[Known]:
    """What is listed for an engine itself."""
    return [entry for entry in known_to_fail(engine).entries if not entry.inherited]


@pytest.mark.parametrize("engine", LISTS)
def test_each_entry_of_the_lists_has_a_script_on_its_page(engine: str) -> None:
    page = FINDINGS / f"{engine}.md"
    for entry in entries_of(engine):
        for law in entry.laws:
            assert law in LISTABLE, f"{law}: no such law"
        assert entry.script, f"{entry.law}: nothing shows that {entry.reason}"
        assert entry.script.strip() in page.read_text("utf-8")


@pytest.mark.parametrize("engine", sorted(set(LISTS) - {"torch"}))
def test_each_script_of_the_lists_shows_its_defect(engine: str) -> None:
    if not installed(engine):
        pytest.skip(f"needs the release of {engine} that is pinned")
    for entry in entries_of(engine):
        if not entry.admits(release(engine)[1]):
            continue  # of another release
        assert entry.reproduces(), f"{entry.law} no longer shows: {entry.reason}"
