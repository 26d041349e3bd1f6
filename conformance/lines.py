"""The lines of a record, made from what was judged; their schema is in `gradlaws.reports.record`."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

import gradlaws
from gradlaws.conformance.backend import Backend
from gradlaws.conformance.examining import follow
from gradlaws.conformance.judging import Effort
from gradlaws.conformance.known import KnownFailures
from gradlaws.conformance.laws import Law
from gradlaws.conformance.laws.trial import Broken, EngineBroke
from gradlaws.conformance.promises import promise
from gradlaws.conformance.scripts import Example
from gradlaws.conformance.selection import Selection
from gradlaws.conformance.serial import dumped
from gradlaws.conformance.verdict import Result, Verdict
from gradlaws.conformance.wholes import WHOLE, law_of


def header(backends: Sequence[Backend], selection: Selection, effort: Effort, profile: str) -> dict[str, Any]:
    """What is known before anything is judged."""
    return {
        "gradlaws": gradlaws.__version__,
        "backends": [
            {
                "name": b.name,
                "version": b.version(),
                "capabilities": sorted(b.capabilities),
                "ops": sorted(b.ops()),
                "conventions": b.dialect.deviations,
            }
            for b in backends
        ],
        "seed": effort.seed,
        "profile": profile,
        "examples": effort.examples,
        "level": selection.level,
        "judged": effort.dialect,
        "laws": {law.id: law.level for law in (*selection.of_level(), *wholes_of(selection, all_of_it=True))},
        "tried": None if selection.whole else [law.id for law in (*selection.laws(), *wholes_of(selection))],
        "python": platform.python_version(),
        "platform": sys.platform,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def wholes_of(selection: Selection, all_of_it: bool = False) -> list[Law]:
    """What stands for whole programs among the laws of a run: they are about more than the core."""
    if selection.level == "core":
        return []
    return [WHOLE] if all_of_it else [] if selection.names else selection.shared([WHOLE])


def result_line(result: Result, backend: Backend) -> dict[str, Any]:
    """The verdict on a law."""
    law = law_of(result.law)
    assert law is not None, f"there is no law {result.law}"
    data = asdict(result)
    finding = data["finding"]
    if finding is not None and result.finding is not None:
        program = result.finding.steps
        if finding["law"] == EngineBroke.law:  # it raised, which breaks no law in particular
            finding["law"] = law.id
        sentence, link = promise(result.finding.law)
        if sentence:
            finding["sentence"], finding["source"] = sentence, link
        finding["steps"] = None if program is None else dumped(program)
        finding["replay"] = None if program is None else identity(law.id, finding["steps"])
    return {
        "type": "result",
        **data,
        "given": backend.given or backend.name,
        "verdict": str(result.verdict),
        "family": law.family,
        "level": law.level,
        "sentence": law.sentence,
        "source": law.source,
        "after": list(law.after),
        "missing": list(result.missing),
        "waived": list(result.waived),
    }


def identity(law: str, steps: list[dict[str, Any]]) -> str:
    """The short id under which a failing program is known."""
    return f"{law}-{hashlib.sha256(json.dumps([law, steps]).encode()).hexdigest()[:8]}"


def as_declared(example: Example, backend: Backend) -> bool:
    """Whether the engine does in this example what its dialect says instead."""
    try:
        with backend.session():
            follow(example.program, backend, backend.dialect)
    except (Broken, EngineBroke):
        return False
    return True


def example_line(
    example: Example,
    backend: Backend,
    known: KnownFailures,
    dialect: Literal["declared", "torch"] = "declared",
) -> dict[str, Any]:
    """Run a documented example: the verdict, and what it was about."""
    missing = example.missing(backend)
    with backend.session():
        breaches = [] if missing else list(example.breaches(backend))
    verdict = Verdict.UNSUPPORTED if missing else Verdict.FAIL if breaches else Verdict.PASS
    message = f"needs {', '.join(missing)}" if missing else breaches[0] if breaches else ""
    for law in example.laws if breaches else ():
        if (entry := known.excuse(law, example.program)) is not None:
            verdict, message = Verdict.KNOWN, f"{entry.law}: {entry.reason} ({entry.link})"
    waived = sorted({c for law in example.laws for c in backend.dialect.touching(law)})
    if breaches and waived and dialect == "declared" and as_declared(example, backend):
        verdict = Verdict.DECLARED
    return {
        "type": "example",
        "name": f"{example.id}-{example.name}",
        "backend": backend.name,
        "verdict": str(verdict),
        "message": message,
        "waived": waived if verdict is Verdict.DECLARED else [],
    }
