"""The house rules: who may import whom, how large a module may be, what has to be explained."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradlaws.conformance.laws import LAWS

ROOT = Path(__file__).resolve().parent.parent
HALLS = ("conformance", "strategies", "reports")
LONGEST = 350

#: The layers, lowest first. A module imports what stands in a lower layer, and its own room: the entries of
#: one string. `x` stands for the module gradlaws.x, or the package and all that is in it.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("conformance.entropy", "conformance.dialect"),
    ("conformance.ops",),
    ("conformance.steps",),
    ("conformance.printing",),
    ("conformance.program",),
    (
        "conformance.verdict",
        "conformance.serial",
        "conformance.minimise",
        "conformance.known conformance.marks",
    ),
    ("strategies", "conformance.backend"),
    (
        "conformance.spelled conformance.torchlike conformance.functional",
        "conformance.observe",
        "conformance.effects",
        "conformance.limits",
        "conformance.reference",
    ),
    ("conformance.backends", "conformance.interpreter"),
    ("conformance.oracle", "conformance.watching"),
    ("conformance.laws", "conformance.faults"),
    ("conformance.examining", "conformance.promises"),
    ("conformance.blame", "conformance.containing"),
    ("conformance.whole_trial", "conformance.undetermined"),
    ("conformance.comparing",),
    ("conformance.reducing", "conformance.standalone"),
    ("conformance.soaking",),
    ("conformance.soakfile",),
    (
        "conformance.coverage conformance.judging",
        "conformance.checking",
        "conformance.trying",
        "conformance.loading",
        "conformance.scripts",
    ),
    ("conformance.wholes",),
    ("conformance.journal", "conformance.examples", "conformance.selection", "reports"),
    ("conformance.lines",),
    ("conformance.verifying",),
    ("conformance.parametrizing",),
    ("conformance.plugin conformance.campaign conformance.replaying",),
    ("commands",),
)
#: Modules that may import less than all that is below them.
ONLY: dict[str, tuple[str, ...]] = {
    "conformance.verdict": (),
    "conformance.minimise": ("conformance.entropy", "conformance.program", "conformance.steps"),
    "conformance.backends": (
        "conformance.entropy",
        "conformance.dialect",
        "conformance.ops",
        "conformance.backend",
        "conformance.spelled",
        "conformance.effects",
        "conformance.limits",
        "conformance.torchlike",
        "conformance.functional",
        "conformance.reference",
    ),
    "conformance.reference": ("conformance.entropy", "conformance.dialect", "conformance.ops"),
    "conformance.interpreter": (
        "conformance.backend",
        "conformance.effects",
        "conformance.observe",
        "conformance.ops",
        "conformance.program",
        "conformance.steps",
        "conformance.entropy",
    ),
    "conformance.faults": (
        "conformance.backends",
        "conformance.reference",
        "conformance.ops",
        "conformance.entropy",
    ),
    "strategies": ("conformance.entropy", "conformance.ops", "conformance.steps", "conformance.program"),
    "reports": (
        "conformance.verdict",
        "conformance.program",
        "conformance.printing",
        "conformance.known",
        "conformance.dialect",
    ),
}
#: Who may import what belongs to others.
GUESTS = {
    "torch": ("conformance.backends.torch", "conformance.backends.torch_compile"),
    "pytest": (
        "conformance.plugin",
        "conformance.campaign",
        "conformance.replaying",
        "conformance.parametrizing",
        "commands.driving",
    ),
    "jinja2": ("reports.html",),
    "hypothesis": ("strategies", "conformance.judging", "conformance.plugin", "conformance.campaign"),
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


def within(name: str, room: str) -> bool:
    """Whether a module belongs to a room."""
    return any(name == entry or name.startswith(entry + ".") for entry in room.split())


def place(name: str) -> tuple[int, str] | None:
    """(number of the layer, room) of a module."""
    return next(((k, room) for k, rooms in enumerate(LAYERS) for room in rooms if within(name, room)), None)


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


def test_every_module_stands_in_a_layer() -> None:
    homeless = [m.shown for m in INNER if place(m.name) is None]
    assert not homeless, f"add these to LAYERS in {Path(__file__).name}:{listed(homeless)}"


def test_every_layer_has_its_modules() -> None:
    rooms = [entry for rooms in LAYERS for room in rooms for entry in room.split()]
    entries = {*rooms, *ONLY, *(entry for few in ONLY.values() for entry in few)}
    assert [e for e in sorted(entries) if not any(within(m.name, e) for m in MODULES)] == []


def test_layers_import_downwards_only() -> None:
    problems = []
    for module in INNER:
        here = place(module.name)
        for line, what in module.imports(typing=False):
            other = what.removeprefix("gradlaws.")
            there = place(other)
            if here is None or there is None or not what.startswith("gradlaws.") or here[1] == there[1]:
                continue
            where = f"{module.shown}:{line} imports {other}"
            if there[0] >= here[0]:
                problems.append(f"{where}, which is not below it")
            few = next((few for room, few in ONLY.items() if within(module.name, room)), None)
            if few is not None and not any(within(other, entry) for entry in few):
                problems.append(f"{where}; it may import {', '.join(few) or 'nothing of gradlaws'} only")
    assert not problems, listed(problems)


@pytest.mark.parametrize("guest", GUESTS)
def test_what_belongs_to_others_is_imported_in_few_places(guest: str) -> None:
    hosts = " ".join(GUESTS[guest])
    problems = [
        f"{module.shown}:{line} imports {what}"
        for module in MODULES
        for line, what in module.imports()
        if what.split(".")[0] == guest
        and not within(module.name, hosts)
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
        if within(module.name, "conformance.backends"):
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
