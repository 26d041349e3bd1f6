"""The documentation says what the code says, and its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from gradlaws.commands.parser import COMMANDS
from gradlaws.conformance.engines.backend import CAPABILITIES
from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.toml_parser import FIELDS, shipped
from gradlaws.conformance.laws import LAWS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(([^)\s#]+)?(#[\w-]+)?\)")


@pytest.fixture(scope="module")
def lawbook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lawbook", DOCS / "lawbook.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(lawbook: ModuleType) -> dict[str, str]:
    """Path to Markdown of everything: written by hand, and generated."""
    by_hand = {
        path.relative_to(DOCS).as_posix(): lawbook.filled(path.read_text()) for path in DOCS.rglob("*.md")
    }
    generated: dict[str, str] = lawbook.pages()
    return by_hand | generated


def test_every_law_has_its_page(pages: dict[str, str]) -> None:
    for law in LAWS.values():
        page = pages[f"laws/{law.id}.md"]
        assert law.sentence in page
        assert law.source.split(" ")[0] in page
        assert f"def {law.name}" in page
        assert all(f"`{fault.name}`" in page for fault in FAULTS.values() if law.id in fault.breaks)
        assert law.leaning is None or ".backward(" in page or "autograd.grad(" in page or "```python" in page


def test_every_law_kills_a_fault(pages: dict[str, str]) -> None:
    bare = [law for law in LAWS if "## The faults that it kills\n\n\n" in pages[f"laws/{law}.md"]]
    assert bare == []


def test_engines_that_break_a_law_are_named_on_its_page(pages: dict[str, str]) -> None:
    for entry in shipped("torch").entries:
        if entry.law in LAWS:
            assert f"### torch\n\n{entry.reason}" in pages[f"laws/{entry.law}.md"]


def test_links_lead_somewhere(pages: dict[str, str]) -> None:
    broken = []
    for path, text in pages.items():
        for target, anchor in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.S)):
            if target.startswith("http"):
                continue
            home = (Path("/") / path).parent
            found = path if not target else (home / target).as_posix()
            found = re.sub(r"/[^/]+/\.\./", "/", found).lstrip("/")
            headings = {
                "#" + re.sub(r"[^\w-]", "", line.lstrip("# ").lower().replace(" ", "-"))
                for line in pages.get(found, "").splitlines()
                if line.startswith("#")
            }
            if found not in pages or (anchor and anchor not in headings):
                broken.append(f"{path}: {target}{anchor}")
    assert broken == []


def test_nothing_is_left_to_fill_in(pages: dict[str, str]) -> None:
    assert [path for path, text in pages.items() if re.search(r"\{\{ \w+ \}\}", text)] == []


def test_what_there_is_is_listed(pages: dict[str, str]) -> None:
    assert [name for name in COMMANDS if f"`gradlaws {name}`" not in pages["index.md"]] == []
    assert [verdict for verdict in Verdict if verdict not in pages["index.md"]] == []
    assert [name for name in CAPABILITIES if f"`{name}`" not in pages["adapter.md"]] == []
    conditions = set(FIELDS) - {"law", "reason", "link"}
    assert [name for name in conditions if f"`{name}`" not in pages["gating.md"]] == []
