"""Writes the law book: a page per law and per family, from the registry. A hook of MkDocs."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files as resources
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))  # a bare checkout will do

from gradlaws.conformance.adapters.reference import ReferenceBackend  # noqa: E402
from gradlaws.conformance.engines.backend import CAPABILITIES  # noqa: E402
from gradlaws.conformance.faults import FAULTS  # noqa: E402
from gradlaws.conformance.judgement.draws import SIZE, drawn  # noqa: E402
from gradlaws.conformance.known_failures.entry import Known  # noqa: E402
from gradlaws.conformance.known_failures.op_calls import CALLS  # noqa: E402
from gradlaws.conformance.known_failures.program_marks import MARKS  # noqa: E402
from gradlaws.conformance.known_failures.symptom import SEEN  # noqa: E402
from gradlaws.conformance.known_failures.toml_parser import shipped  # noqa: E402
from gradlaws.conformance.language.source import source  # noqa: E402
from gradlaws.conformance.laws import LAWS, Law  # noqa: E402
from gradlaws.conformance.laws.whole_program_laws import PROMISES  # noqa: E402
from gradlaws.strategies.builder import DeadEnd, Vocabulary  # noqa: E402


def pages() -> dict[str, str]:
    """Path to Markdown of all generated pages."""
    found = {"laws/index.md": _index(), "laws/coverage.md": "\n".join(_coverage()) + "\n"}
    found["laws/pytorch-tests.md"] = "\n".join(_tests()) + "\n"
    known = broken_by()
    for family in dict.fromkeys(law.family for law in LAWS.values()):
        found[f"laws/{family}.md"] = _family(family)
    for law in LAWS.values():
        found[f"laws/{law.id}.md"] = "\n".join(_law(law, known.get(law.id, [])))
    return found


def broken_by() -> dict[str, list[tuple[str, Known]]]:
    """By law, the engines that break it: as listed (`conformance/known_failures`), or as found (`docs/findings`)."""
    found: dict[str, list[tuple[str, Known]]] = {}
    folder = resources("gradlaws.conformance") / "known_failures"
    for place in sorted(folder.iterdir(), key=lambda p: p.name):
        if place.name.endswith(".toml"):
            engine = place.name.removesuffix(".toml")
            own = (entry for entry in shipped(engine).entries if not entry.inherited)
            for entry in own:
                found.setdefault(entry.law, []).append((engine, entry))
    for script in sorted((ROOT / "docs" / "findings" / "scripts").glob("*.py")):
        text = script.read_text("utf-8")
        said = dict(re.findall(r"^# (law|link): (.*)$", text, re.MULTILINE))
        if "law" in said:
            sentence = text.split('"""')[1].strip()
            entry = Known(said["law"], sentence, said.get("link", ""), script=text.split('"""', 2)[2])
            found.setdefault(entry.law, []).append((script.name.split("_")[0], entry))
    return found


def _index() -> str:
    counts = Counter(law.level for law in LAWS.values())
    lines = [
        "# The laws",
        "",
        f"{len(LAWS)} laws: {', '.join(f'{count} of level {level}' for level, count in counts.items())}. A level "
        "includes the ones before it: `core` is what the headline promises need, `full` all that is portable; "
        "`torch` insists on every refusal that PyTorch documents, and asks what only its own API can say. "
        "[What is covered](coverage.md) says of every promise of the catalogue by what it is judged, or why it is not.",
        "",
        "| family | what it is about | laws |",
        "|---|---|---|",
    ]
    for family in dict.fromkeys(law.family for law in LAWS.values()):
        laws = [law for law in LAWS.values() if law.family == family]
        lines.append(f"| [{family}]({family}.md) | {_about(family)} | {len(laws)} |")
    lines += [
        "",
        "## Laws that only whole programs judge",
        "",
        "`gradlaws soak` runs programs that mix everything, and names what breaks by these laws too.",
        "",
        "| law | promise |",
        "|---|---|",
        *(f"| {law} | {sentence} ([source]({_url(where)})) |" for law, (sentence, where) in PROMISES.items()),
    ]
    return "\n".join(lines) + "\n"


def coverage() -> dict[str, Any]:
    """What is known of the catalogue of promises beside the laws: `docs/uncovered.toml`."""
    return tomllib.loads((ROOT / "docs" / "uncovered.toml").read_text("utf-8"))


def _coverage() -> Iterator[str]:
    """The page that says of each promise of the catalogue by what it is judged, or why it is not."""
    known = coverage()
    rows = {family: list(_promises(family, listed)) for family, listed in known["families"].items()}
    counts = Counter(kind for found in rows.values() for kind, _ in found)
    sources = ", ".join(f"[{source['name']}]({source['url']})" for source in known["sources"])
    ids = {row.split()[1] for found in rows.values() for _, row in found}
    beyond = ", ".join(f"[{law}]({law}.md)" for law in LAWS if law not in ids)
    yield from ("# What is covered", "")
    yield (
        f"Of {counts.total()} promises about gradient access {counts['law']} are laws, {counts['whole']} more are "
        f"judged by whole programs, and {counts['portable'] + counts['pytorch']} are not covered: "
        f"{counts['portable']} that are portable, and {counts['pytorch']} about PyTorch's own API or choices."
    )
    yield ""
    yield (
        f"The ids are those of a catalogue made from PyTorch 2.13's documentation and tests: {sources}. "
        f"Laws beyond it: {beyond}."
    )
    yield from (
        "",
        "| family | promises | laws | by whole programs | portable, not covered | PyTorch's own, not covered |",
    )
    yield "|---|---|---|---|---|---|"
    for family, found in rows.items():
        own = Counter(kind for kind, _ in found)
        cells = [len(found), *(own[kind] for kind in ("law", "whole", "portable", "pytorch"))]
        yield f"| [{family}](#{family.lower()}) | {' | '.join(map(str, cells))} |"
    for family, found in rows.items():
        yield from ("", f"## {family}", "", "| id | promise | judged |", "|---|---|---|")
        yield from (row for _, row in found)


def tests_of_pytorch() -> dict[str, Any]:
    """PyTorch's own tests by area, with the laws that ask the same, or why none does: `docs/pytorch_tests.toml`."""
    return tomllib.loads((ROOT / "docs" / "pytorch_tests.toml").read_text("utf-8"))


def _tests() -> Iterator[str]:
    """The page that says of each of PyTorch's own tests which laws ask what it asks."""
    known = tests_of_pytorch()
    counts = {a: (len(t["covered"]), len(t.get("uncovered", {}))) for a, t in known["areas"].items()}
    covered, bare = (sum(pair) for pair in zip(*counts.values(), strict=True))
    yield from ("# PyTorch's own tests", "")
    yield (
        f"Of {covered + bare} [tests of PyTorch's]({known['source']}) about documented behaviour of autograd {covered} "
        "ask what laws ask, too: on drawn programs, and mostly of any engine. What is not counted: the profiler, "
        "gradcheck, forward mode, streams, and what is about the inner life of PyTorch's engine only."
    )
    yield from ("", "| area | tests | covered |", "|---|---|---|")
    yield from (f"| {area} | {sum(pair)} | {pair[0]} |" for area, pair in counts.items())
    for area, tests in known["areas"].items():
        yield from ("", f"## {area}", "", "| test | asked by |", "|---|---|")
        for test, laws in tests["covered"].items():
            links = (f"[{law}]({law}.md)" if law in LAWS else law for law in laws.split())
            yield f"| {test} | {', '.join(links)} |"
        yield from (f"| {test} | nobody: {why} |" for test, why in tests.get("uncovered", {}).items())


def _promises(family: str, listed: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """By id of a family: how it is covered (`law`, `whole`, or the scope of what is not), and its row of the table."""
    whole = "[by whole programs](index.md#laws-that-only-whole-programs-judge)"
    for number in range(1, listed["count"] + 1):
        identity = f"{family}-{number:02}"
        if identity in LAWS:
            yield "law", f"| {identity} | {LAWS[identity].sentence} | [law]({identity}.md) |"
        elif identity in PROMISES:
            yield "whole", f"| {identity} | {PROMISES[identity][0]} | {whole} |"
        else:
            scope, promise = listed[identity]["scope"], listed[identity]["promise"]
            said = [{"pytorch": "PyTorch's own"}.get(scope, ""), listed[identity].get("reason", "")]
            yield scope, f"| {identity} | {promise} | not covered: {'; '.join(filter(None, said))} |"


def _family(family: str) -> str:
    lines = [f"# {family}", "", _about(family, whole=True), "", "| law | level | promise |", "|---|---|---|"]
    laws = [law for law in LAWS.values() if law.family == family]
    lines += [f"| [{law.id}]({law.id}.md) | {law.level} | {law.sentence} |" for law in laws]
    return "\n".join(lines) + "\n"


def _about(family: str, whole: bool = False) -> str:
    """What a family is about, in the words of its module."""
    home = next(law.check.__module__ for law in LAWS.values() if law.family == family)
    said = (inspect.getdoc(import_module(home)) or "").removeprefix(f"{family}: ")
    return said if whole else said.split("\n\n")[0].split(". ")[0].replace("\n", " ").rstrip(".")


def _law(law: Law, known: list[tuple[str, Known]]) -> Iterator[str]:
    yield from (f"# {law.id}", "", f"**{law.sentence}**", "")
    yield f"- [source]({_url(law.source)}){law.source.removeprefix(_url(law.source)).replace('_', chr(92) + '_')}"
    yield f"- level `{law.level}`, family [{law.family}]({law.family}.md), `{law.name}`"
    if law.undocumented:
        yield "- undocumented: it is relied on, but no documentation promises it, and no level counts it"
    for capability in sorted(law.needs):
        own = (
            "a part of PyTorch's API, or a release"
            if capability.startswith("torch")
            else "an op of the table"
        )
        what = CAPABILITIES.get(capability, own)
        yield f"- needs `{capability}`: {what}"
    if law.level != "torch":
        yield f"- {_told(law)}"
    if law.after:
        yield f"- a breach may be explained by {', '.join(f'[{a}]({a}.md)' if a in LAWS else a for a in law.after)}"
    yield from ("", "## What is generated", "")
    yield from _generated(law)
    yield from ("", "## What is checked", "")
    yield from ("```python", textwrap.dedent(inspect.getsource(law.check)).rstrip(), "```", "")
    yield (
        "`got` is what the engine showed, `want` what the reference engine expects; on every program the suite also "
        "looks at what [all laws share](../oracle.md#what-is-looked-at-on-every-program)."
    )
    yield from ("", "## The faults that it kills", "")
    killed = [fault for fault in FAULTS.values() if law.id in fault.breaks]
    yield from (f"- `{fault.name}`: {fault.sentence}" for fault in killed)
    yield from ("", "## The engines that break it", "")
    if not known:
        yield "None of those that were judged: see the [findings](../findings/README.md)."
    for engine, entry in known:
        link = f" ([link]({entry.link}))" if entry.link.startswith("http") else ""
        yield from (f"### {engine}", "", f"{entry.reason}{link}", "")
        if entry.script:
            yield from ("```python", entry.script.strip(), "```", "")
    yield from ("", f"Try it: `gradlaws run --laws {law.id} --backend torch`", "")


def untold() -> list[tuple[str, str, list[str]]]:
    """What cannot be told to engines that differentiate functions: (what, why, laws)."""
    reasons = tomllib.loads((ROOT / "docs" / "functional.toml").read_text("utf-8"))["reasons"]
    return [(each["what"], each["why"], each["laws"].split()) for each in reasons]


def _told(law: Law) -> str:
    """Whether the law can be told to engines that differentiate functions."""
    for _, why, laws in untold():
        if law.id in laws:
            return f"not told to [engines that differentiate functions](../adapter.md): {why}"
    return "told to [engines that differentiate functions](../adapter.md), too"


def _generated(law: Law) -> Iterator[str]:
    if law.leaning is None:
        yield "An exhibit: no program can say this, so the check acts on the engine itself, on drawn shapes and values."
        return
    about = inspect.getdoc(law.leaning) or ""
    yield from (about.strip() or "Random programs.", "")
    yield from ("One of them, as it is drawn before anything is made small:", "")
    yield from ("```python", source(_drawn(law), {}), "```")


def _drawn(law: Law) -> Any:
    """The first program that comes out: the same in every build."""
    vocabulary = Vocabulary.of(ReferenceBackend())
    for first in range(256):
        try:
            with np.errstate(all="ignore"):
                return drawn(law, vocabulary, Random(f"{law.id} {first}").randbytes(SIZE))
        except DeadEnd:
            continue
    raise AssertionError(f"{law.id}: nothing can be drawn")


def _url(where: str) -> str:
    """The link of a source, which may name a test after it."""
    return where.split(" ")[0]


def filled(text: str) -> str:
    """A hand-written page with what comes from the code: `{{ name }}` is replaced."""
    for name, value in _values().items():
        text = text.replace("{{ " + name + " }}", value)
    return text


def _values() -> dict[str, str]:
    from gradlaws.commands.parser import COMMANDS

    examples = ROOT / "examples"
    return {
        "commands": "\n".join(f"| `gradlaws {name}` | {what} |" for name, what in COMMANDS.items()),
        "capabilities": "\n".join(f"| `{name}` | {what} |" for name, what in sorted(CAPABILITIES.items())),
        "untold": "\n".join(f"| {what} | {why} | {', '.join(laws)} |" for what, why, laws in untold()),
        "seen": "\n".join(f"| `{name}` | {what} |" for name, what in SEEN.items()),
        "relations": "\n".join(f"| `{name}` | {mark.means} |" for name, mark in MARKS.items()),
        "calls": "\n".join(f"| `{name}` | {calls.means} |" for name, calls in CALLS.items()),
        "adapter": (examples / "minigrad_adapter.py").read_text().strip(),
        "workflow": (examples / "gate.yml").read_text().strip(),
        "script": (examples / "gate.sh").read_text().strip(),
    }


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Fill in a page: called by MkDocs."""
    return filled(markdown)


def on_files(found: Any, config: Any) -> Any:
    """Add the pages: called by MkDocs."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        found.append(File.generated(config, path, content=text))
    return found
