"""The history of engines as a static site: pages of engines, laws and findings, whose addresses stay.

    index.html
    engines/ENGINE.html          its releases, what each changed, its defects; #VERSION-LAW is one verdict
    laws/LAW.html                who keeps it, by release
    findings/ENGINE-LAW-HASH.html  one defect: since when, until when, and a script that shows it

Layout is in `page/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gradlaws.conformance.judgement.verdict import BREAKS, Verdict
from gradlaws.reports.history import Defect, EngineHistory, plain_name, spans
from gradlaws.reports.page_templates import source, templates
from gradlaws.reports.record import LawResult
from gradlaws.reports.wording import plural, short

#: How a cell of a table of verdicts is coloured.
COLOURS = {
    **dict.fromkeys(BREAKS, "broken"),
    Verdict.PASS: "kept",
    Verdict.KNOWN: "known",
    Verdict.DECLARED: "declared",
    Verdict.UNSUPPORTED: "unsupported",
    Verdict.UNKNOWN: "unknown",
}
FOLDERS = ("engines", "laws", "findings")


def write(histories: Sequence[EngineHistory], folder: Path) -> int:
    """Write the site into a folder, which is made; how many pages there are. Raises OSError."""
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "style.css").write_text(source("page.css") + source("history.css"), "utf-8")
    count = 0
    for name, text in pages(histories):
        (folder / name).write_text(text, "utf-8")
        count += 1
    return count


def pages(histories: Sequence[EngineHistory]) -> Iterator[tuple[str, str]]:
    """The pages, by their place in the site."""
    environment = templates()
    environment.filters.update(plain=plain_name, short=short)
    environment.globals.update(plural=plural, spans=spans, colours=COLOURS)
    by_law = _by_law(histories)
    yield (
        "index.html",
        environment.get_template("history_index.html.jinja").render(
            root="", histories=histories, laws=by_law
        ),
    )
    engine, law, finding = (
        environment.get_template(f"history_{kind}.html.jinja") for kind in ("engine", "law", "finding")
    )
    for history in histories:
        yield f"engines/{plain_name(history.name)}.html", engine.render(root="../", history=history)
        for defect in history.defects:
            yield (
                f"findings/{defect.name}.html",
                finding.render(root="../", defect=defect, history=history, laws=by_law),
            )
    for name, result in by_law.items():
        yield (
            f"laws/{name}.html",
            law.render(root="../", law=result, histories=histories, defects=_of(histories, name)),
        )


def _by_law(histories: Sequence[EngineHistory]) -> dict[str, LawResult]:
    """A result of each law, for what the law says: the last that there is."""
    return {
        law: next(r for r in reversed(results) if r is not None)
        for history in histories
        for law, results in history.laws.items()
    }


def _of(histories: Sequence[EngineHistory], law: str) -> list[Defect]:
    return [defect for history in histories for defect in history.defects if defect.law == law]
