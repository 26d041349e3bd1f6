"""What `run` and `report` have in common: the gate, and where reports go."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from gradlaws.commands import CommandError
from gradlaws.reports.annotations import annotated
from gradlaws.reports.formats import FORMATS, write_all
from gradlaws.reports.gate import Decision, decide
from gradlaws.reports.markdown import markdown
from gradlaws.reports.output_paths import check_file, check_folder
from gradlaws.reports.record import LEVELS, load
from gradlaws.reports.record_difference import Difference, as_markdown, as_text, compare
from gradlaws.reports.record_file import RecordError
from gradlaws.reports.view import View, views


def declare(parser: ArgumentParser) -> None:
    """The options of the gate."""
    gate = parser.add_argument_group("gate")
    gate.add_argument("--require-level", choices=LEVELS, help="fail unless this claim holds")
    gate.add_argument(
        "--fail-on",
        choices=("failed", "regressed"),
        default="failed",
        help="fail if any law does (the default), or only if one has become worse than in the baseline",
    )
    gate.add_argument("--baseline", type=Path, metavar="RECORD", help="the record of the last release")
    out = parser.add_argument_group("output")
    out.add_argument(
        "--report", type=Path, metavar="DIR", help="write report.html, .md and .txt, junit.xml, badge.json"
    )
    out.add_argument(
        "--github",
        action="store_true",
        help="in GitHub Actions: annotations, and the report in the summary of the step",
    )


def baseline(options: Namespace) -> list[View]:
    """The views of the baseline; raises CommandError, also where options make no sense or reports cannot be written."""
    if options.fail_on == "regressed" and options.baseline is None:
        raise CommandError("--fail-on regressed needs --baseline RECORD, the record to compare with")
    if options.report is not None:
        check_folder(options.report, "--report", [name for _, name in FORMATS.values() if name])
    if options.github and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        check_file(Path(summary), "GITHUB_STEP_SUMMARY")
    return [] if options.baseline is None else views([load(options.baseline)])


def decided(shown: Sequence[View], before: Sequence[View], options: Namespace) -> Decision:
    """What the gate decides by its options; raises RecordError where the baseline judges another engine."""
    differences: list[Difference] | None = compare(before, shown) if before else None
    if options.fail_on == "regressed":
        return decide(shown, options.require_level, differences)
    return decide(shown, options.require_level, baseline=differences or [])


def conclude(shown: Sequence[View], before: Sequence[View], options: Namespace) -> int:
    """Write the reports, say what the gate decides; the exit code."""
    decision = decided(shown, before, options)
    if decision.differences:
        print("\n".join(as_text(decision.differences)))
    if options.report is not None:
        made = write_all(options.report, shown, decision)
        print(f"reports: {', '.join(str(path) for path in made)}")
    if options.github:
        print(annotated(shown, decision), end="")
        _summarise(markdown(shown, decision) + "\n".join(as_markdown(decision.differences)))
    print(decision.sentence)
    sys.stdout.flush()
    return decision.code


def _summarise(text: str) -> None:
    place = os.environ.get("GITHUB_STEP_SUMMARY")
    if not place:
        print("--github: GITHUB_STEP_SUMMARY is not set, so the summary is left out", file=sys.stderr)
        return
    try:
        with Path(place).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise RecordError(f"{place}: cannot be written: {error.strerror}") from error
