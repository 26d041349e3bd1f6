"""The report as JUnit XML, as ordinary CI servers read it: the decision, then a suite an engine, a case a law."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.gate import Decision, decide
from gradlaws.reports.record import LawResult
from gradlaws.reports.terminal import failure, head
from gradlaws.reports.view import View

#: What XML cannot hold, not even escaped.
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
FAILED = frozenset({Verdict.FAIL, Verdict.STALE, Verdict.UNKNOWN})
ERRORS = frozenset({Verdict.ERROR, Verdict.CRASH, Verdict.TIMEOUT})


def junit(views: Sequence[View], decision: Decision | None = None) -> str:
    """The XML. KNOWN, DECLARED and UNSUPPORTED are skipped cases; UNKNOWN is a failure, for nothing was shown."""
    decision = decision or decide(views)
    root = ElementTree.Element("testsuites", name="gradlaws")
    _gate(root, views, decision)
    for view in views:
        _suite(root, view)
    for total in ("tests", "failures", "errors", "skipped"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _gate(root: ElementTree.Element, views: Sequence[View], decision: Decision) -> None:
    """The decision as a case; its text is what every report begins with."""
    suite = ElementTree.SubElement(root, "testsuite", name="gradlaws gate")
    case = _case(suite, "gradlaws.gate", "decision", 0.0)
    text = _clean("\n".join(head(views, decision)))
    if decision.code == Exit.CONFORMS:
        ElementTree.SubElement(case, "system-out").text = text
    else:
        message = _clean("; ".join([decision.headline, *decision.scant, *decision.reasons]))
        tag = "failure" if decision.code == Exit.FAILS else "error"
        ElementTree.SubElement(case, tag, message=message, type="GATE").text = text
    _totals(suite)


def _totals(suite: ElementTree.Element) -> None:
    suite.set("tests", str(len(suite)))
    for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))


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
    _totals(suite)
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
    blamed = f"{result.broken}: " if result.broken != result.law else ""
    return f"{blamed}{result.message}" if result.message else result.known or needs


def _text(result: LawResult, view: View) -> str:
    return failure(result, view.record.path) if result.verdict in FAILED | ERRORS else ""


def _clean(text: str) -> str:
    return FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
