"""A finding as a script that anyone can run, without the suite."""

from __future__ import annotations

import re

from gradlaws.reports.record import Finding
from gradlaws.reports.record_line import in_plain

#: What can be asked of a variable as it stands in the script.
ASKED = re.compile(r"v\d+(\.(grad|requires_grad|is_leaf|retains_grad|shape|dtype))?")


def script(finding: Finding, engine: str) -> str:
    """The minimal program with what it needs to run, and what it shows; empty for what is no program."""
    if not finding.program:
        return ""
    lines = [
        f"# {finding.law}: {finding.sentence}",
        f"# {finding.source}",
        f"# On {engine}: {finding.thing} is {_line(finding.got)}, expected {_line(finding.expected)}",
    ]
    if finding.script:
        return "\n".join([*lines, in_plain(finding.script.rstrip())]) + "\n"
    if "torch." in finding.program:
        lines += ["import torch", ""]
    lines.append(_guarded(finding))
    if ASKED.fullmatch(finding.thing):
        lines += [
            "",
            f'print("{finding.thing} is", {finding.thing})',
            f"# expected: {_line(finding.expected)}",
        ]
    return "\n".join(lines) + "\n"


def _guarded(finding: Finding) -> str:
    """The program, its last step so that an error does not hide what there is to see."""
    body, _, last = finding.program.rpartition("\n")
    if last != finding.step or last.startswith((" ", "with ", "raise ")):
        return finding.program
    return f'{body}\ntry:\n    {last}\nexcept Exception as error:\n    print("raised", repr(error))'


def _line(text: str) -> str:
    return " ".join(text.split())
