"""The report as JUnit XML, as ordinary CI servers read it: a suite an engine, a case a law."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.reports.record_reader import LawResult
from gradlaws.reports.terminal import failure
from gradlaws.reports.view import View

#: What XML cannot hold, not even escaped.
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
FAILED = frozenset({Verdict.FAIL, Verdict.STALE, Verdict.UNKNOWN})
ERRORS = frozenset({Verdict.ERROR, Verdict.CRASH, Verdict.TIMEOUT})


def junit(views: Sequence[View]) -> str:
    """The XML. KNOWN, DECLARED and UNSUPPORTED are skipped cases; UNKNOWN is a failure, for nothing was shown."""
    root = ElementTree.Element("testsuites", name="gradlaws")
    for view in views:
        _suite(root, view)
    for total in ("tests", "failures", "errors", "skipped"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ElementTree.Element, view: View) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=f"gradlaws {view.name}")
    for result in view.ordered:
        case = _case(suite, f"{view.engine.name}.{result.family}", result.law, result.seconds)
        _said(case, result.verdict, _message(result), _text(result, view))
    for example in view.documented:
        case = _case(suite, f"{view.engine.name}.examples", example.name, 0.0)
        _said(case, example.verdict, example.message, example.message)
    if view.untried or not view.record.finished:
        case = _case(suite, f"{view.engine.name}.run", "complete", 0.0)
        text = f"the run was cut short; not tried: {', '.join(view.untried)}"
        ElementTree.SubElement(case, "error", message=text, type="INCOMPLETE")
    suite.set("tests", str(len(suite)))
    for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("time", f"{view.total.seconds:.3f}")
    suite.set("timestamp", view.record.started.removesuffix("Z"))


def _case(suite: ElementTree.Element, group: str, name: str, seconds: float) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=group, name=name, time=f"{seconds:.3f}")


def _said(case: ElementTree.Element, verdict: Verdict, message: str, text: str) -> None:
    if verdict in (Verdict.KNOWN, Verdict.DECLARED, Verdict.UNSUPPORTED):
        ElementTree.SubElement(case, "skipped", message=_clean(f"{verdict}: {message}"))
    elif verdict in FAILED | ERRORS:
        tag = "failure" if verdict in FAILED else "error"
        node = ElementTree.SubElement(case, tag, message=_clean(message.split("\n")[0]), type=str(verdict))
        node.text = _clean(text)


def _message(result: LawResult) -> str:
    needs = f"needs {', '.join(result.missing)}" if result.missing else ""
    return result.message or result.known or needs


def _text(result: LawResult, view: View) -> str:
    return failure(result, view.record.path) if result.verdict in FAILED | ERRORS else ""


def _clean(text: str) -> str:
    return FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
