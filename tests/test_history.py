"""The history of engines over releases: since when what is so, as text and as a site whose links lead somewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from small_records import PASSING, Engine, lines, result, written

from gradlaws.commands.parser import main
from gradlaws.conformance.known_failures.toml_parser import shipped
from gradlaws.reports.history import as_text, histories, spans
from gradlaws.reports.history_site import write
from gradlaws.reports.record import parsed

VERSIONS = ("1.2", "1.9", "1.10", "2.0")


def engine(version: str, name: str = "toy") -> Engine:
    return Engine(name, version)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("PPPP", {"P": "in all releases"}),
        ("FPPP", {"F": "up to 1.2", "P": "from 1.9 on"}),
        ("PFPP", {"F": "in 1.9"}),
        ("PFFP", {"F": "from 1.9 to 1.10"}),
        ("PF-F", {"F": "from 1.9 on"}),  # nothing is known of one between
        ("----", {}),
    ],
)
def test_releases_that_are_alike_are_one_span(values: str, words: dict[str, str]) -> None:
    found = spans([None if v == "-" else v for v in values], VERSIONS)
    said = {str(span.value): span.releases for span in found}
    assert {key: said[key] for key in words} == words
    assert len(said) <= len(set(values) - {"-"})


def test_a_law_and_a_defect_are_told_since_when_and_until_when() -> None:
    fails = {**PASSING, "ACC-01": "FAIL"}
    records = [
        parsed(lines(fails if v in ("1.9", "1.10") else PASSING, engine(v))) for v in reversed(VERSIONS)
    ]
    (history,) = histories(records)
    assert history.versions == VERSIONS  # of versions, not of texts or of days
    text = "\n".join(as_text([history]))
    assert "ACC-01     PASS up to 1.2, FAIL from 1.9 to 1.10, PASS from 2.0 on" in text
    (defect,) = history.defects
    assert defect.seen == (False, True, True, False)
    assert "v0.backward()" in defect.script


def test_a_known_failure_is_a_defect_where_an_entry_excused_something() -> None:
    entry = next(e for e in shipped("torch").entries if e.script and not e.broad)
    seen = result(entry.law, "KNOWN", "torch")
    seen.known = f"{entry.reason} ({entry.link})"
    untried = {law: verdict for law, verdict in PASSING.items() if law not in (entry.law, "WHOLE-01")}
    verdicts = ({**PASSING, entry.law: seen}, PASSING, untried)
    records = [parsed(lines(v, engine(f"2.{k}", "torch"))) for k, v in enumerate(verdicts)]
    (history,) = histories(records)
    found = next(d for d in history.defects if d.title == entry.reason)
    assert found.listed
    assert found.seen == (True, False, None)
    assert found.script == entry.script


def test_of_several_records_of_a_release_the_last_that_came_to_its_end_counts() -> None:
    whole = parsed(lines({**PASSING, "ACC-01": "FAIL"}, engine("1.0"), started="2026-01-01T00:00:00Z"))
    cut = parsed(lines(PASSING, engine("1.0"), exit_code=2, started="2026-01-02T00:00:00Z"))
    (history,) = histories([whole, cut])
    assert [str(r.verdict) for r in history.laws["ACC-01"] if r] == ["FAIL"]


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("a", "link"):
            self.links.append(given.get("href") or "")
        if given.get("id"):
            self.ids.add(str(given["id"]))


def test_every_link_of_the_site_leads_somewhere(tmp_path: Path) -> None:
    records = [
        parsed(lines({**PASSING, "ACC-01": "FAIL" if k else "PASS"}, engine(version, name)))
        for name in ("toy", "other <engine>")
        for k, version in enumerate(VERSIONS)
    ]
    count = write(histories(records), tmp_path)
    pages = {page: Links() for page in tmp_path.rglob("*.html")}
    assert len(pages) == count
    for page, links in pages.items():
        text = page.read_text("utf-8")
        assert "<engine>" not in text
        assert "<b>|" not in text  # what a record says is text
        links.feed(text)
    for page, links in pages.items():
        for link in links.links:
            if not re.match(r"https?:", link):
                place, _, anchor = link.partition("#")
                there = (page.parent / place).resolve() if place else page
                assert there.is_file(), f"{page.name}: {link}"
                assert not anchor or anchor in pages[there].ids, f"{page.name}: {link}"


def test_the_command_reads_a_folder_and_writes_a_site(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in VERSIONS[:2]:
        written(tmp_path / f"{version}.jsonl", lines(PASSING, engine(version)))
    assert main(["history", str(tmp_path), "--site", str(tmp_path / "site")]) == 0
    assert "from 2 records" in capsys.readouterr().out
    assert (tmp_path / "site" / "index.html").is_file()


@pytest.mark.parametrize(("folder", "said"), [("nowhere", "is no folder"), ("", "holds no record")])
def test_a_folder_without_records_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str, said: str
) -> None:
    assert main(["history", str(tmp_path / folder)]) == 4
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
