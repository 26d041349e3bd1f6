"""The house rules: who may import whom, how large a module may be, what has to be explained."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from gradlaws.conformance.laws import LAWS

ROOT = Path(__file__).resolve().parent.parent
HALLS = ("conformance", "strategies", "reports")
LONGEST = 350

#: The order of the wings, lowest first: a wing is a package, or a module that stands alone. A module imports its own
#: wing and those below it. `x` stands for the module gradlaws.x, or the package and all that is in it.
WINGS: tuple[str, ...] = (
    "conformance.drawn_values",
    "conformance.entropy",
    "conformance.ops",
    "conformance.language",
    "conformance.reach",
    "conformance.engines",
    "conformance.reference",
    "conformance.adapters",
    "conformance.faults",
    "conformance.zoo",
    "conformance.deviations",
    "conformance.known_failures",
    "strategies",
    "conformance.execution",
    "conformance.remote",
    "conformance.laws",
    "conformance.judgement",
    "conformance.whole_programs",
    "conformance.detection",
    "conformance.documented",
    "reports",
    "conformance.suite",
    "conformance.plugin",
    "commands",
)
#: What says what came of a law, as plain data.
OUTCOMES = tuple(f"conformance.judgement.{name}" for name in ("recurrence", "finding", "verdict", "result"))
#: Wings, and modules, that import less than all that is below them.
ONLY: dict[str, tuple[str, ...]] = {
    "conformance.judgement.recurrence": (),
    "conformance.judgement.verdict": (),
    **{f"conformance.judgement.{name}": OUTCOMES for name in ("finding", "result")},
    "conformance.engines": ("conformance.entropy", "conformance.ops"),
    "conformance.known_failures": ("conformance.ops", "conformance.language", "conformance.deviations"),
    "conformance.deviations": tuple(f"conformance.{x}" for x in ("entropy", "ops", "reference", "faults")),
    "conformance.reference": ("conformance.entropy", "conformance.ops", "conformance.engines.conventions"),
    "conformance.adapters": tuple(f"conformance.{it}" for it in ("entropy", "ops", "engines", "reference")),
    "conformance.faults": (
        *("conformance.entropy", "conformance.ops", "conformance.engines", "conformance.reference"),
        "conformance.adapters.reference",
    ),
    "strategies": (
        "conformance.drawn_values",
        "conformance.entropy",
        "conformance.ops",
        "conformance.language",
        "conformance.reach",
        *(f"conformance.engines.{name}" for name in ("backend", "capabilities", "conventions")),
        "conformance.known_failures.op_calls",
    ),
    "conformance.remote": (
        "conformance.entropy",
        "conformance.ops",
        "conformance.language",
        "conformance.engines",
        "conformance.execution",
    ),
    "conformance.documented": ("conformance.language", "conformance.engines", "conformance.execution"),
    "reports": (
        *OUTCOMES,
        "conformance.language",
        "conformance.reach",
        "conformance.known_failures",
        "conformance.engines.conventions",
        "conformance.engines.exceptions",
    ),
}
#: Who may import what belongs to others.
GUESTS = {
    "torch": tuple(f"conformance.adapters.torch{x}" for x in ("", "_compile", "_devices", "_wrapper")),
    "pytest": ("conformance.plugin", "conformance.suite", "commands.pytest_driver"),
    "jinja2": ("reports.page_templates",),
    "hypothesis": ("strategies", "conformance.judgement.law_run", "conformance.plugin", "conformance.suite"),
}


class Module:
    """One source file of the three halls, or of the command line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shown = path.relative_to(ROOT).as_posix()
        parts = path.relative_to(ROOT).with_suffix("").parts
        parts = parts[2:] if parts[:2] == ("src", "gradlaws") else parts
        self.name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)
        self.is_test = path.name.startswith("test_")

    def imports(self, typing: bool = True) -> Iterator[tuple[int, str]]:
        """(line, what) of every import, as dotted names; those for type checkers only if `typing`."""
        skipped = set()
        if not typing:
            for node in ast.walk(self.tree):
                if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                    skipped |= {id(inner) for inner in ast.walk(node)}
        for node in ast.walk(self.tree):
            if id(node) in skipped:
                continue
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node.lineno, alias.name
            elif isinstance(node, ast.ImportFrom):
                base = "." * node.level + (node.module or "")
                for alias in node.names:
                    # `from package import module` names a module, `from module import thing` does not
                    inner = (
                        ROOT / Path(*base.split(".")[1:], alias.name) if base.startswith("gradlaws") else None
                    )
                    deeper = inner is not None and (inner.is_dir() or inner.with_suffix(".py").exists())
                    yield node.lineno, f"{base}.{alias.name}" if deeper else base


def within(name: str, *wings: str) -> bool:
    """Whether a module belongs to one of these wings."""
    return any(name == wing or name.startswith(wing + ".") for wing in wings)


def wing_of(name: str) -> str | None:
    """The wing of a module."""
    return next((wing for wing in WINGS if within(name, wing)), None)


#: The command line lies beside the facade.
COMMANDS = ROOT / "src" / "gradlaws" / "commands"
MODULES = [
    Module(p)
    for room in (*(ROOT / hall for hall in HALLS), COMMANDS)
    for p in sorted(room.rglob("*.py"))
    if "__pycache__" not in p.parts
]
INNER = [m for m in MODULES if not m.is_test and m.name not in HALLS]
TESTS = [Module(p) for p in sorted((ROOT / "tests").rglob("*.py"))]


def listed(problems: list[str]) -> str:
    return "\n" + "\n".join(problems)


def test_every_module_stands_in_a_wing() -> None:
    homeless = [m.shown for m in INNER if wing_of(m.name) is None]
    assert not homeless, f"add these to WINGS in {Path(__file__).name}:{listed(homeless)}"


def test_every_wing_has_its_modules() -> None:
    entries = {*WINGS, *ONLY, *(entry for few in ONLY.values() for entry in few)}
    assert [e for e in sorted(entries) if not any(within(m.name, e) for m in MODULES)] == []


def test_the_norm_shows_its_wings_and_little_else() -> None:
    alone = {m.path.name for m in MODULES if m.path.parent == ROOT / "conformance" and not m.is_test}
    assert alone == {"__init__.py", "entropy.py", "plugin.py", "drawn_values.py"}


def test_wings_import_one_way() -> None:
    problems = []
    for module in INNER:
        here = wing_of(module.name)
        few = next((few for wing, few in ONLY.items() if within(module.name, wing)), None)
        for line, what in module.imports():
            other = what.removeprefix("gradlaws.")
            there = wing_of(other)
            if here is None or there is None or not what.startswith("gradlaws.") or here == there:
                continue
            where = f"{module.shown}:{line} imports {other}"
            if WINGS.index(there) > WINGS.index(here):
                problems.append(f"{where}, which is not below it")
            if few is not None and not within(other, *few):
                problems.append(f"{where}; it may import {', '.join(few) or 'nothing of gradlaws'} only")
    assert not problems, listed(problems)


def test_no_modules_import_each_other() -> None:
    """Not even for type checkers, nor through others."""
    names = {m.name for m in MODULES}
    graph = {
        m.name: {what for _, full in m.imports() if (what := full.removeprefix("gradlaws.")) in names}
        for m in MODULES
    }
    # A package imports its modules, to register them; what a module takes from its package it takes after that.
    graph = {
        name: {w for w in used if not w.startswith(name + ".") and not name.startswith(w + ".")}
        for name, used in graph.items()
    }
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise AssertionError(f"these import each other: {' <- '.join(error.args[1])}") from None


def test_wings_say_what_they_are_about() -> None:
    packages = [
        m for m in MODULES if m.path.name == "__init__.py" and m.name not in HALLS and m.name in WINGS
    ]
    short = [m.shown for m in packages if len((ast.get_docstring(m.tree) or "").split()) < 15]
    silent = [
        m.shown for m in packages if "mport" not in (ast.get_docstring(m.tree) or "") and m.name != "commands"
    ]
    assert not short + silent, f"say what the wing is about, and what it imports:{listed(short + silent)}"


@pytest.mark.parametrize("guest", GUESTS)
def test_what_belongs_to_others_is_imported_in_few_places(guest: str) -> None:
    problems = [
        f"{module.shown}:{line} imports {what}"
        for module in MODULES
        for line, what in module.imports()
        if what.split(".")[0] == guest
        and not within(module.name, *GUESTS[guest])
        and not (module.is_test and guest == "pytest")
    ]
    assert not problems, listed(problems)


def test_nothing_imports_a_test() -> None:
    imported = [(m.shown, line, what) for m in MODULES for line, what in m.imports()]
    assert [i for i in imported if i[2].rpartition(".")[2].startswith("test_")] == []


def test_halls_go_by_their_full_name() -> None:
    """`import strategies` is somebody else's strategies; relative imports hide where things come from."""
    problems = [
        f"{module.shown}:{line} imports {what}"
        for module in MODULES + TESTS
        for line, what in module.imports()
        if what.startswith(".") or what.split(".")[0] in HALLS
    ]
    assert not problems, listed(problems)


def test_no_module_is_too_long() -> None:
    lengths = {m.shown: len(m.text.splitlines()) for m in MODULES + TESTS}
    problems = [f"{name}: {length} lines" for name, length in lengths.items() if length > LONGEST]
    assert not problems, f"longer than {LONGEST} lines; find the two nouns and split:{listed(problems)}"


def test_adapters_are_short() -> None:
    """An engine is one file that one can read at a glance: blank lines, comments and docstrings do not count."""
    problems = []
    for module in MODULES:
        if within(module.name, "conformance.adapters"):
            said = [
                ast.get_docstring(n) or ""
                for n in ast.walk(module.tree)
                if isinstance(n, ast.Module | ast.ClassDef)
            ]
            code = [
                line for line in module.text.splitlines() if line.strip() and not line.strip().startswith("#")
            ]
            length = len(code) - sum(len(text.splitlines()) for text in said)
            problems += [f"{module.shown}: {length} lines"] if length > 60 else []
    assert not problems, listed(problems)


def test_everything_public_is_explained() -> None:
    problems = [f"{m.shown}: the module" for m in MODULES + TESTS if not ast.get_docstring(m.tree)]
    for module in MODULES:
        for node in module.tree.body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            said = bool(ast.get_docstring(node)) or (module.is_test and node.name.startswith("test_"))
            if not node.name.startswith("_") and not said:
                problems.append(f"{module.shown}:{node.lineno} {node.name}")
    assert not problems, f"these need a docstring:{listed(problems)}"


def test_every_law_has_a_sentence_and_a_source() -> None:
    problems = []
    for law in LAWS.values():
        if not re.fullmatch(r"[A-Z]+-\d+", law.id):
            problems.append(f"{law.id}: not an id of the catalogue")
        if not law.sentence.endswith(".") or len(law.sentence) < 15:
            problems.append(f"{law.id}: {law.sentence!r} is no sentence")
        if not law.source.startswith("https://"):
            problems.append(f"{law.id}: {law.source!r} is no link")
    assert not problems, listed(problems)


def test_sentences_say_different_things() -> None:
    sentences = [law.sentence for law in LAWS.values()]
    assert sorted({s for s in sentences if sentences.count(s) > 1}) == []


def test_nothing_depends_on_a_machine() -> None:
    pattern = re.compile(r"(?<![\w.:/])/(?:home|root|work|tmp|Users|mnt|opt)/")
    files = [m.path for m in MODULES + TESTS] + [
        p for p in (ROOT / "pyproject.toml", ROOT / "README.md") if p.exists()
    ]
    folders = [ROOT / name for name in ("docs", "examples", "benchmarks", ".ci")]
    files += [p for f in folders for p in f.rglob("*") if p.suffix in (".py", ".md", ".toml", ".sh", ".yml")]
    problems = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not problems, listed(problems)


def test_the_facade_is_lazy_and_whole() -> None:
    """An installed plugin imports `gradlaws` in every pytest run of its environment."""
    code = "import sys, gradlaws; assert not {'numpy', 'hypothesis', 'torch'} & set(sys.modules), 'not lazy'"
    code += "; assert all(hasattr(gradlaws, name) for name in gradlaws.__all__); assert gradlaws.__version__"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT / "src", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_plugin_costs_next_to_nothing_to_import() -> None:
    code = "import pytest, sys, gradlaws.conformance.plugin; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT / "src", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    heavy = {"numpy", "torch", "hypothesis.strategies", "gradlaws.conformance.laws"}
    assert heavy & set(done.stdout.split()) == set()


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_the_map_names_what_is_there(page: str) -> None:
    """Paths in full, or within the wing that was named just before."""
    named = re.findall(r"`([\w./-]+\.(?:py|md|toml|jinja))`", (ROOT / page).read_text(encoding="utf-8"))
    there = {path.as_posix() for path in ROOT.rglob("*.*") if ".git" not in path.parts}
    missing = [name for name in named if not any(path.endswith("/" + name) for path in there)]
    assert len(named) > 3
    assert [name for name in missing if not re.search(r"FAMILY|ENGINE", name)] == []
