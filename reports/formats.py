"""The forms in which a report comes, and the files that they make."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from gradlaws.reports.annotations import annotated
from gradlaws.reports.badge import badge
from gradlaws.reports.gate import Decision, decide
from gradlaws.reports.html import html
from gradlaws.reports.junit import junit
from gradlaws.reports.markdown import markdown
from gradlaws.reports.record_file import RecordError
from gradlaws.reports.terminal import laws, report
from gradlaws.reports.view import View


class Form(Protocol):
    """What renders engines, and the decision on them: the gate's own, without options, where none is given."""

    def __call__(self, views: Sequence[View], decision: Decision | None = None) -> str:
        """The text."""


def text(views: Sequence[View], decision: Decision | None = None) -> str:
    """As on the terminal."""
    return "\n".join(report(views, decision or decide(views))) + "\n"


def law_by_law(views: Sequence[View], decision: Decision | None = None) -> str:
    """Every law, for a terminal."""
    return "\n".join(line for view in views for line in (f"----- {view.name} -----", *laws(view), "")) + "\n"


#: A form of the report: what makes it, and the file that a directory of reports has it in.
FORMATS: dict[str, tuple[Form, str]] = {
    "text": (text, "report.txt"),
    "laws": (law_by_law, ""),
    "markdown": (markdown, "report.md"),
    "html": (html, "report.html"),
    "junit": (junit, "junit.xml"),
    "badge": (badge, "badge.json"),
    "annotations": (annotated, ""),
}


def write(path: Path, content: str) -> None:
    """Write a file whole or not at all; raises RecordError."""
    path = path.resolve()  # a link stays one
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(exist_ok=True)
        part.write_text(content, "utf-8")
        os.replace(part, path)
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error.strerror}") from error


def write_all(folder: Path, views: Sequence[View], decision: Decision | None = None) -> list[Path]:
    """All forms that are files, in a directory; raises RecordError."""
    made = []
    for render, name in FORMATS.values():
        if name:
            write(folder / name, render(views, decision))
            made.append(folder / name)
    return made
