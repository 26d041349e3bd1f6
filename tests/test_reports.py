"""What is reported follows from the record, and from nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from small_records import PASSING, Engine, edited, lines, result, written

from gradlaws.conformance.suite.selection import Selection
from gradlaws.reports.annotations import annotated
from gradlaws.reports.badge import badge
from gradlaws.reports.finding_script import script
from gradlaws.reports.formats import FORMATS, write_all
from gradlaws.reports.html import html
from gradlaws.reports.junit import junit
from gradlaws.reports.markdown import markdown
from gradlaws.reports.record import load, parsed
from gradlaws.reports.record_file import RecordError
from gradlaws.reports.view import State, View, views

BROKEN = PASSING | {"ACC-01": "FAIL", "RET-13": "UNSUPPORTED", "VAL-11": "KNOWN"}


def view(verdicts: object = PASSING, **more: object) -> View:
    return views([parsed(lines(verdicts, **more))])[0]  # type: ignore[arg-type]


# -- reading --------------------------------------------------------------------------------------------------


def test_a_record_is_read_back(tmp_path: Path) -> None:
    record = load(written(tmp_path / "r.jsonl", lines(BROKEN, seed=7)))
    assert (record.seed, record.finished, record.engines[0].name) == (7, True, "toy")
    by_law = {r.law: r for r in record.results}
    finding = by_law["ACC-01"].finding
    assert finding is not None
    assert (finding.thing, finding.got, finding.expected) == ("v0.grad", "[1.]", "[2.]")
    assert by_law["RET-13"].missing == ("retain_grad",)


def cut(path: Path) -> None:
    text = path.read_text().splitlines(keepends=True)
    path.write_text("".join(text[:-1]))


def cut_in_a_line(path: Path) -> None:
    path.write_text(path.read_text()[:-30])


def foreign(path: Path) -> None:
    path.write_text('{"tests": 3}\n')


def binary(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\xff\xfe")


def empty(path: Path) -> None:
    path.write_text("")


def newer(path: Path) -> None:
    edited(path, 0, schema=99)


def no_schema(path: Path) -> None:
    edited(path, 0, schema="one")


def misspelt(path: Path) -> None:
    edited(path, 1, verdict="PASSED")


def upgraded(path: Path) -> None:
    edited(path, 2, verdict="FAIL")


def emptied(path: Path) -> None:
    edited(path, 1, assertions=0)


def stripped(path: Path) -> None:
    edited(path, 1, programs=None)


def retyped(path: Path) -> None:
    edited(path, 1, seconds="long")


def doubled(path: Path) -> None:
    text = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*text[:2], *text[1:]]))


def glued(path: Path) -> None:
    path.write_text(path.read_text() * 2)


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (cut, "no footer, so the run was cut short"),
        (cut_in_a_line, "no footer, so the run was cut short"),
        (foreign, "line 1 is not a line of a record"),
        (binary, "is no text"),
        (empty, "is empty"),
        (newer, "schema 99 is newer"),
        (no_schema, "none of gradlaws"),
        (misspelt, "'PASSED' is no verdict"),
        (upgraded, "changed by hand"),
        (emptied, "passes without an assertion"),
        (stripped, "'programs' is missing"),
        (retyped, "'seconds' is 'long'"),
        (doubled, "not what its seal was put on"),
        (glued, "a second header"),
    ],
)
def test_a_record_that_cannot_be_trusted_is_refused(
    tmp_path: Path, harm: Callable[[Path], None], word: str
) -> None:
    path = written(tmp_path / "r.jsonl", lines(PASSING))
    harm(path)
    with pytest.raises(RecordError, match=re.escape(word)) as raised:
        load(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("harm", [cut, cut_in_a_line])
def test_what_there_is_of_a_truncated_record_can_be_reported(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    path = written(tmp_path / "r.jsonl", lines(PASSING))
    harm(path)
    record = load(path, partial=True)
    assert not record.finished
    assert len(record.results) == len(PASSING)


# -- levels and causes ----------------------------------------------------------------------------------------


def test_the_level_reached_is_the_strongest_claim_that_holds() -> None:
    whole = view()
    assert whole.reached is not None
    assert whole.reached.level == "full"
    assert [claim.state for claim in whole.claims] == [State.HOLDS, State.HOLDS, State.OPEN]
    assert view(PASSING, selection=Selection("torch")).claims[2].state is State.HOLDS


def test_a_failure_stands_in_the_way() -> None:
    broken = view(PASSING | {"ACC-12": "FAIL"})
    assert broken.reached is not None
    assert broken.reached.level == "core"
    (obstacle,) = broken.claims[1].obstacles
    assert (obstacle.law, obstacle.verdict) == ("ACC-12", "FAIL")


@pytest.mark.parametrize(
    ("verdict", "state"),
    [("UNSUPPORTED", State.PARTIAL), ("UNKNOWN", State.OPEN), ("CRASH", State.BROKEN)],
)
def test_what_is_not_kept_is_never_counted_as_kept(verdict: str, state: State) -> None:
    seen = view(PASSING | {"ACC-01": verdict})
    assert seen.reached is None
    assert seen.claims[0].state is state


def test_known_failures_are_named_beside_the_level() -> None:
    seen = view(PASSING | {"ACC-01": "KNOWN"})
    assert seen.reached is not None
    assert seen.reached.known == ("ACC-01",)
    assert "but for 1 known failure" in seen.reached.sentence


def test_a_law_that_was_not_tried_leaves_the_claim_open() -> None:
    some = {law: verdict for law, verdict in PASSING.items() if law != "ACC-01"}
    assert view(some).claims[0].state is State.OPEN
    assert view(some).untried == ("ACC-01",)
    assert view(PASSING, exit_code=2).reached is None


def test_failures_are_grouped_by_root_cause() -> None:
    broken = {
        "ACC-01": result("ACC-01", "FAIL", "toy"),
        "ACC-02": result("ACC-02", "FAIL", "toy"),  # comes after ACC-01
        "ZERO-01": result("ZERO-01", "FAIL", "toy", "ACC-01", ("exp",)),  # blames ACC-01
        "DET-01": result("DET-01", "FAIL", "toy", "DET-01", ("exp",)),
        "LEAF-12": result("LEAF-12", "FAIL", "toy", "VAL-03", ("exp",)),
        "LEAF-01": result("LEAF-01", "FAIL", "toy", "VAL-03", ("sqrt",)),
        "LEAF-02": result("LEAF-02", "FAIL", "toy", "VAL-03", ("abs", "sqrt")),
        "LEAF-03": result("LEAF-03", "FAIL", "toy", "VAL-03", ("sqrt", "sqrt")),
    }
    causes = {cause.laws: cause.law for cause in view(PASSING | broken).causes}
    assert causes == {
        ("ACC-01", "ZERO-01", "ACC-02"): "ACC-01",
        ("LEAF-01", "LEAF-03", "LEAF-02"): "VAL-03",
        ("LEAF-12",): "VAL-03",
        ("DET-01",): "DET-01",
    }


def test_declared_deviations_and_op_coverage_are_shown_in_every_form() -> None:
    made = lines(PASSING | {"ACC-01": "DECLARED"}, Engine(accumulation="overwrites"))
    made[-1]["ops"] = {"add": {"programs": 3, "dtypes": {"float64": 3}}, "exp": {"programs": 0, "dtypes": {}}}
    shown = views([parsed(made)])
    (declared,) = shown[0].declared
    assert (declared.convention, declared.value, declared.laws) == ("accumulation", "overwrites", ("ACC-01",))
    for name in ("text", "markdown", "html"):
        said = FORMATS[name][0](shown)
        assert "accumulation" in said
        assert "a backward overwrites .grad instead of adding to it" in said
        assert "but for 1 declared deviation" in said
        assert re.search(r"1 of \d+ that the engine has", said), name
    assert json.loads(badge(shown))["message"] == "full, 1 deviation"


# -- renderers ------------------------------------------------------------------------------------------------


def test_markdown_has_the_cause_and_its_program() -> None:
    said = markdown([view(BROKEN)])
    assert "#### ❌ ACC-01: A second backward adds" in said
    assert "```python" in said
    assert "<b>" not in said.split("```python")[0]
    table, _, rest = said.partition("## Gradient access")[2].partition("### ")
    assert {line.count("|") for line in table.splitlines() if line.startswith("|")} == {3}
    assert {line.count("|") for line in rest.splitlines() if line.startswith("|")} == {8}


def test_every_form_for_people_has_each_law_with_its_numbers() -> None:
    for name in ("laws", "markdown", "html"):
        said = FORMATS[name][0]([view(BROKEN)])
        for law in PASSING:
            assert law in said
        assert "A second backward adds to .grad instead of replacing it." in said
        assert "https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.grad.html" in said
        assert "0.25" in said


def test_junit_counts_add_up() -> None:
    root = ElementTree.fromstring(junit([view(BROKEN | {"DET-01": "UNKNOWN", "DET-02": "CRASH"})]))
    gate, suite = root
    assert (root.get("tests"), suite.get("tests")) == (str(len(PASSING) + 1), str(len(PASSING)))
    (decided,) = gate.iter("failure")
    assert (decided.get("message") or "").startswith(
        "gate: does not conform (exit code 1); toy 1.0: 1 FAIL: ACC-01"
    )
    assert [suite.get(key) for key in ("failures", "errors", "skipped")] == ["2", "1", "2"]
    (case,) = suite.findall("testcase[@name='ACC-01']")
    failure = case.find("failure")
    assert failure is not None
    assert "law:    A second backward adds" in (failure.text or "")


def test_junit_holds_whatever_an_engine_says() -> None:
    odd = result("ACC-01", "FAIL", "toy")
    odd.message = "\x00\x1b[31m ]]> & \ud800"
    ElementTree.fromstring(junit([view(PASSING | {"ACC-01": odd})]))


def test_an_annotation_a_root_cause() -> None:
    broken = view(BROKEN | {"ACC-02": "FAIL", "DET-01": "FAIL"})
    said = [line for line in annotated([broken]).splitlines() if line.startswith("::error")]
    assert len(said) == len(broken.causes) == 2
    assert "::notice title=1 known failure of toy 1.0::VAL-11" in annotated([broken])
    assert said[0].startswith("::error title=FAIL ACC-01 on toy 1.0::A second backward adds")
    assert "%0A" in said[0]


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.ids += [said["id"] or ""] if "id" in said else []
        self.links += [said["href"] or ""] if tag == "a" else []
        self.loaded += [said["src"] or ""] if "src" in said else []
        self.loaded += ["link"] if tag == "link" else []
        if tag not in ("meta", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing() -> None:
    bad = result("ACC-01", "FAIL", "toy")
    bad.message = "</script><script>alert(1)</script>"
    page = Page()
    text = html([view(BROKEN | {"ACC-01": bad}), view(PASSING, backend=Engine("other"))])
    page.feed(text)
    assert page.open == []
    assert page.loaded == []
    assert len(page.ids) == len(set(page.ids))
    inner = {link[1:] for link in page.links if link.startswith("#")}
    assert inner <= set(page.ids)
    assert "alert(1)</script>" not in text
    for law in PASSING:
        assert law in page.ids


def test_a_link_from_a_record_leads_to_the_web_or_nowhere() -> None:
    made = lines(PASSING)
    made[1]["source"] = "javascript:alert(1)"
    page = Page()
    page.feed(html(views([parsed(made)])))
    assert not [link for link in page.links if link.startswith("javascript")]


def test_a_script_runs_by_itself() -> None:
    finding = view(BROKEN).causes[0].finding
    assert finding is not None
    text = script(finding, "toy 1.0")
    compile(text, "script", "exec")
    assert text.startswith("# ACC-01: A second backward")
    assert 'print("v0.grad is", v0.grad)' in text


def test_all_files_are_written_or_a_message_says_why_not(tmp_path: Path) -> None:
    shown = [view(BROKEN)]
    made = write_all(tmp_path / "out", shown)
    assert sorted(path.name for path in made) == [
        "badge.json", "junit.xml", "report.html", "report.md", "report.txt",
    ]  # fmt: skip
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RecordError, match="cannot be written"):
        write_all(tmp_path / "file", shown)
    assert (tmp_path / "file").read_text() == "mine"
