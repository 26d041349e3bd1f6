"""Renders the pages of findings: `python docs/findings/render.py engines/*.jsonl`, after `gradlaws engines`.

A page an engine, from its record, its scripts and its list of known failures; without records, the verdicts that
the pages show are kept.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from gradlaws.commands.environments import shipped
from gradlaws.conformance.known_failures.entry import CPP, JAVASCRIPT
from gradlaws.conformance.laws import LAWS
from gradlaws.reports.history import as_text, histories
from gradlaws.reports.record import Record, load
from gradlaws.reports.terminal import columns, covered, table
from gradlaws.reports.view import View, views

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE / "scripts"
KNOWN = HERE.parent.parent / "conformance" / "known_failures"
VERDICTS = re.compile(r"<!-- verdicts -->\n(.*?)<!-- end -->\n", re.DOTALL)


#: Engines in other languages, which `gradlaws engines` does not install: their version, and how they are judged.
HARNESSES = {
    "libtorch": ("2.13.0", "libtorch of PyTorch 2.13.0", "exec:build/harness"),
    "tfjs": ("4.22.0", "@tensorflow/tfjs 4.22.0", "exec:node examples/harness/tfjs/harness.js"),
}


def said(script: Path, key: str) -> str:
    """What a script says after `# key:`; empty if nothing."""
    found = re.search(rf"^# {key}: (.*)$", script.read_text("utf-8"), re.MULTILINE)
    return found.group(1) if found else ""


def sentence(script: Path) -> str:
    """What is wrong: the first line of the script."""
    return script.read_text("utf-8").split('"""')[1].strip()


def promise(law: str) -> str:
    """What a law says; some ids stand in the catalogue only."""
    return LAWS[law].sentence if law in LAWS else ""


def scripts(engine: str) -> list[Path]:
    """The scripts of an engine."""
    return sorted(SCRIPTS.glob(f"{engine}_*.py"))


def listed(engine: str) -> list[dict[str, str]]:
    """The entries with a script in the engine's list of known failures."""
    place = KNOWN / f"{engine}.toml"
    entries = tomllib.loads(place.read_text("utf-8")).get("known", []) if place.exists() else []
    return [entry for entry in entries if entry.get("script")]


def unfiled(engine: str) -> list[dict[str, str]]:
    """Those whose script is no file of its own."""
    texts = [script.read_text("utf-8") for script in scripts(engine)]
    return [e for e in listed(engine) if not any(e["script"].strip() in text for text in texts)]


def is_convention(entry: dict[str, str]) -> bool:
    """Whether an entry is about what the engine does on purpose, though no dialect has a word for it."""
    return entry["reason"].startswith("convention:")


def releases(entry: dict[str, str], otherwise: str = "") -> str:
    """Which releases of the engine an entry is about; `otherwise` where it names none."""
    return f"`{entry['versions']}`" if entry.get("versions") else otherwise


def plain(entry: dict[str, str]) -> str:
    """A reason without the note on where to look further, which is for those who read the list."""
    return entry["reason"].partition(" (no upstream issue")[0]


def fenced(script: str) -> str:
    """A script as a block, in its language."""
    language = (
        "cpp"
        if script.lstrip().startswith(CPP)
        else "javascript"
        if script.lstrip().startswith(JAVASCRIPT)
        else "python"
    )
    return f"```{language}\n{script.strip()}\n```\n"


def heading(engine: str) -> str:
    """Which release of the engine was judged, and how."""
    if engine in HARNESSES:
        _, release, backend = HARNESSES[engine]
        return (
            f'`{release}`, judged by `gradlaws run --backend "{backend}"`; see `examples/harness/{engine}/`.'
        )
    requirements = " ".join(shipped()[engine].requirements)
    level = " --level torch" * (shipped()[engine].backend == "torch")
    return f"`{requirements or 'comes with the suite'}`, judged by `gradlaws engines {engine}{level}`."


def verdicts(view: View) -> str:
    """What a record says, as a block of text."""
    record = view.record
    lines = [
        f"{view.engine.name} {view.engine.version}, {record.examples} programs a law, seed {record.seed}, "
        f"Python {record.python}",
        covered(view),
        *([] if record.finished else [f"The run was cut short: {len(view.untried)} laws were not tried."]),
        "",
        *table(view),
    ]
    return "\n```text\n" + "\n".join(line.rstrip() for line in lines) + "\n```\n\n"


def page(engine: str, shown: str) -> str:
    """The page of one engine."""
    parts = [
        f"# {engine}\n\n{heading(engine)}\n\n",
        f"## Verdicts\n\n<!-- verdicts -->\n{shown}<!-- end -->\n",
    ]
    defects = scripts(engine)
    if defects or listed(engine):
        parts.append(
            "\n## Defects\n\nEach script ends with an AssertionError as long as the defect is there"
            + (" (in C++, with a c10::Error).\n" if engine == "libtorch" else ".\n")
        )
    for script in defects:
        law, link = said(script, "law"), said(script, "link")
        parts.append(
            f"\n### {sentence(script)}\n\n{law}: {promise(law)}"
            + (f" Upstream: {link}" if link else "")
            + f"\n\n`scripts/{script.name}`\n\n```python\n{script.read_text('utf-8').strip()}\n```\n"
        )
    entries = unfiled(engine)
    for entry in sorted(entries, key=is_convention):
        if is_convention(entry) and entry == next(filter(is_convention, entries)):
            parts.append(
                "\n## Conventions\n\nDone on purpose, but no dialect has a word for it: listed as known.\n"
            )
        those = f" Releases: {releases(entry)}." if releases(entry) else ""
        parts.append(
            f"\n### {entry['law']}: {plain(entry)}\n\n{promise(entry['law'])} "
            f"Link: {entry['link']}{those}\n\n{fenced(entry['script'])}"
        )
    return "".join(parts)


def version_of(engine: str) -> str:
    """The release that was judged."""
    if engine in HARNESSES:
        return HARNESSES[engine][0]
    return ", ".join(r.partition("==")[2] for r in shipped()[engine].requirements[:1])


def index(engines: list[str]) -> str:
    """The page of all."""
    rows = ["| engine | version | what is wrong | law |", "| --- | --- | --- | --- |"]
    count = 0
    for engine in engines:
        version = version_of(engine)
        for script in scripts(engine):
            rows.append(
                f"| [{engine}]({engine}.md) | {version} | {sentence(script)} | {said(script, 'law')} |"
            )
            count += not said(script, "fixed")
        for entry in unfiled(engine):
            if not is_convention(entry):
                those = releases(entry, version)
                rows.append(f"| [{engine}]({engine}.md) | {those} | {plain(entry)} | {entry['law']} |")
                count += 1
    return (
        "# Findings\n\nWhat the suite found in released engines: the versions pinned in "
        "`conformance/adapters/environments.toml`, each judged by `gradlaws engines NAME`, and libraries in other "
        "languages, judged by a harness each. "
        f"{count} defects are shown here, each with a script of a few lines in the engine's own API that ends with an "
        "AssertionError as long as the defect is there. A defect is what contradicts the engine's own documentation, "
        "or no documentation can mean: a wrong value or shape, memory that is shared, an error where there is nothing "
        "wrong. What an engine does otherwise than PyTorch on purpose is a convention, declared by its adapter "
        "(`dialect`), and not listed. Where a defect is in some releases only, a specifier says in which.\n\n"
        + "\n".join(rows)
        + "\n"
    )


def releases_page(records: list[Record]) -> str:
    """What changed between releases of PyTorch, of which there is a record each."""
    return (
        "# Releases of PyTorch\n\nWhat changed between the releases that were judged, each by `gradlaws engines NAME "
        "--level torch`, law by law and then defect by defect: since when, until when. `gradlaws history engines` "
        "tells it from their records. Where an entry of the list has bounds that lie between two of these releases, "
        "its script was run on those between: [the entries](torch.md) have them.\n\n```text\n"
        + "\n".join(as_text(histories(records)))
        + "\n```\n"
    )


def main(places: list[Path]) -> None:
    """Write all pages."""
    records = {path.stem: load(path, partial=True) for path in places}
    found = {name: view for name, record in records.items() for view in views([record])}
    releases = [record for name, record in records.items() if shipped()[name].backend == "torch"]
    if len(releases) > 1:
        (HERE / "torch-releases.md").write_text(releases_page(releases), "utf-8")
    there = {place.stem for place in HERE.glob("*.md")} | set(found)
    engines = [
        name for name in sorted({*shipped(), *HARNESSES}) if scripts(name) or listed(name) or name in there
    ]
    for name in engines:
        place = HERE / f"{name}.md"
        kept = VERDICTS.search(place.read_text("utf-8")) if place.exists() else None
        shown = (
            verdicts(found[name])
            if name in found
            else kept.group(1)
            if kept
            else "\nThere is no record of a whole run yet.\n\n"
        )
        place.write_text(page(name, shown), "utf-8")
    (HERE / "README.md").write_text(index(engines), "utf-8")
    print("\n".join(columns([[name, f"{len(scripts(name))} scripts"] for name in engines])))


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
