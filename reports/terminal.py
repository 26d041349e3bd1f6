"""What the terminal shows: a failure that fits a screen, and a table per family at the end."""

from __future__ import annotations

from collections import Counter
from typing import Any

#: Verdicts by column of the summary, in order.
COLUMNS = ("PASS", "FAIL", "KNOWN", "UNSUPPORTED", "UNKNOWN", "other")


def failure(line: dict[str, Any]) -> str:
    """One failing law: what was seen, the sentence and its source, the program, and how to run just that."""
    finding = line["finding"] or {}
    parts = [f"{line['verdict']} {line['law']} on {line['backend']}"]
    blamed = finding.get("law", line["law"])
    if blamed != line["law"]:
        parts[0] += f": its programs break {blamed}"
    seen = line["message"]
    if finding.get("step") and f"`{finding['step']}`" not in seen:
        seen = f"after `{finding['step']}`: {seen}"
    sentence, source = (finding.get(key, line[key]) for key in ("sentence", "source"))
    parts += [seen, "", f"law:    {sentence}", f"source: {source}"]
    if finding.get("program"):
        parts += ["", "program:", *("    " + text for text in finding["program"].splitlines())]
    parts += ["", f"again:  {again(line)}"]
    return "\n".join(parts)


def again(line: dict[str, Any]) -> str:
    """The command that runs just this again."""
    finding = line["finding"] or {}
    if finding.get("replay"):
        return f"pytest --backend {line['given']} --replay {finding['replay']}"
    return f"pytest --backend {line['given']} -k {line['law']}"


def consequences(lines: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """(backend, law) of each failure that another failing law explains, with that law."""
    failing = {
        (line["backend"], line["law"])
        for line in lines
        if line["type"] == "result" and line["verdict"] == "FAIL"
    }
    found = {}
    for line in lines:
        if line["type"] != "result" or line["verdict"] != "FAIL":
            continue
        blamed = (line["finding"] or {}).get("law", line["law"])
        causes = (
            [blamed]
            if blamed != line["law"]
            else [c for c in line["after"] if (line["backend"], c) in failing]
        )
        if causes:
            found[line["backend"], line["law"]] = causes[0]
    return found


def summary(lines: list[dict[str, Any]], terminal: Any) -> None:
    """A table per backend: families against verdicts, with what was really run."""
    for backend in dict.fromkeys(line["backend"] for line in lines):
        own = [line for line in lines if line["backend"] == backend]
        terminal.section(f"gradlaws: {backend}", sep="-")
        for text in table(own):
            terminal.write_line(text)
        for (_, law), cause in sorted(consequences(own).items()):
            terminal.write_line(f"{law} fails as a consequence of {cause}")


def table(lines: list[dict[str, Any]]) -> list[str]:
    """The lines of the table for one backend."""
    results = [line for line in lines if line["type"] == "result"]
    examples = [line for line in lines if line["type"] == "example"]
    head = (
        "family",
        "laws",
        "pass",
        "fail",
        "known",
        "unsup",
        "unknown",
        "other",
        "programs",
        "assertions",
        "worst",
        "s",
    )
    rows = [
        _row(family, [r for r in results if r["family"] == family])
        for family in dict.fromkeys(r["family"] for r in results)
    ]
    if examples:
        rows.append(_row("examples", examples))
    if len(rows) > 1:
        rows.append(_row("all", lines))
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    return [
        "  ".join(
            cell.ljust(w) if k == 0 else cell.rjust(w)
            for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    ]


def _row(name: str, lines: list[dict[str, Any]]) -> tuple[str, ...]:
    verdicts = Counter(line["verdict"] if line["verdict"] in COLUMNS else "other" for line in lines)
    worst = max((line.get("worst", 0.0) for line in lines), default=0.0)
    return (
        name,
        str(len(lines)),
        *(str(verdicts[column]) if verdicts[column] else "." for column in COLUMNS),
        f"{sum(line.get('programs', 0) for line in lines):,}",
        f"{sum(line.get('assertions', 0) for line in lines):,}",
        f"{worst:.2g}" if worst else "exact",
        f"{sum(line.get('seconds', 0.0) for line in lines):.1f}",
    )
