"""Small records for tests of the reports, made by what makes the real ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.finding import Finding
from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Backward, Leaf, literal
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.suite.record_lines import header, result_line
from gradlaws.conformance.suite.selection import Selection
from gradlaws.conformance.whole_programs.run_item import WHOLE
from gradlaws.reports.record_file import Recorder, footer, headed, sealed

PASSING: dict[str, str | Result] = dict.fromkeys([*LAWS, WHOLE.id], "PASS")


def program(*ops: str) -> Program:
    """A leaf, these ops one after the other, a backward."""
    steps: list[Any] = [Leaf(literal([1.0]), True, outs=(0,))]
    steps += [Apply(op, (k,), (), outs=(k + 1,)) for k, op in enumerate(ops)]
    return Program((*steps, Backward((len(ops),))))


def result(law: str, verdict: str, backend: str, blamed: str = "", ops: tuple[str, ...] = ()) -> Result:
    """A result as judging gives it."""
    made = Result(law, backend, Verdict(verdict), 10, 20, worst=0.25, seconds=0.5)
    if verdict in ("FAIL", "ERROR", "CRASH", "TIMEOUT"):
        made.finding = Finding(
            blamed or law,
            "v0.grad",
            "[1.]",
            "[2.]",
            "v0.backward()",
            "v0 = torch.ones(1)\nv0.backward()",
            program(*ops),
        )
        made.message = "v0.grad is [1.], expected [2.] <b>|"
    if verdict == "KNOWN":
        made.known = "by design (https://example.org/1)"
    if verdict == "UNSUPPORTED":
        made.programs = made.assertions = 0
        made.missing = ("retain_grad",)
    if verdict == "DECLARED":
        made.waived = ("accumulation",)
    if verdict == "UNKNOWN":
        made.assertions = 0
    return made


class Engine(ReferenceBackend):
    """The reference engine under another name and version."""

    def __init__(self, name: str = "toy", version: str = "1.0", **conventions: Any) -> None:
        super().__init__()
        self.dialect = Dialect(**conventions)
        self.name, self._version = name, version

    def version(self) -> str:
        """Said at construction."""
        return self._version


def lines(
    verdicts: Mapping[str, str | Result],
    backend: Engine | None = None,
    selection: Selection | None = None,
    seed: int = 0,
    exit_code: int | None = None,
    **more: Any,
) -> list[dict[str, Any]]:
    """A record in which the laws have these verdicts; `more` goes into its header."""
    backend = backend or Engine()
    head = headed(header([backend], selection or Selection(), Effort(10, seed), "smoke")) | more
    body = [
        result_line(v if isinstance(v, Result) else result(law, v, backend.name), backend)
        for law, v in verdicts.items()
    ]
    code = int(any(line["verdict"] == "FAIL" for line in body)) if exit_code is None else exit_code
    return [head, *body, footer(body, code, 1.0)]


def written(path: Path, made: list[dict[str, Any]]) -> Path:
    """The record in a file, by the real writer."""
    recorder = Recorder(path, made[0])
    for line in made[1:-1]:
        recorder.add(line)
    recorder.close(made[-1])
    return path


def edited(path: Path, number: int, **changes: Any) -> Path:
    """The record with a line changed by hand; a key with the value None is taken out."""
    text = path.read_text().splitlines()
    line = json.loads(text[number]) | changes
    text[number] = json.dumps({key: value for key, value in line.items() if value is not None})
    made = [json.loads(line) for line in text]
    made[-1].pop("seal", None)
    path.write_text(sealed(made))  # by somebody who knows how: what the seal does not catch
    return path
