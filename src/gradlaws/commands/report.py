"""Render a record, or several side by side, and decide on a release.

The record is what `gradlaws run` or `pytest --record FILE` wrote; several may come from several engines, releases
or machines. The exit code is the gate's.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gradlaws.commands import gate_options
from gradlaws.reports.formats import FORMATS, write
from gradlaws.reports.output_paths import check_file
from gradlaws.reports.record import load
from gradlaws.reports.view import views

EXAMPLE = """
gradlaws report gradlaws.jsonl
gradlaws report gradlaws.jsonl --format laws          # law by law
gradlaws report torch.jsonl tinygrad.jsonl --format html --output engines.html
gradlaws report gradlaws.jsonl --require-level full --baseline last.jsonl --fail-on regressed"""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("records", nargs="+", type=Path, metavar="RECORD", help="a record; several are shown side by side")
    add("--format", choices=tuple(FORMATS), default="text", help="what to print (default: text)")
    add("--output", type=Path, metavar="FILE", help="where to put it, instead of printing it")
    add("--partial", action="store_true", help="report what there is of a record that was cut short")
    gate_options.declare(parser)


def execute(options: Namespace) -> int:
    """Render, write, decide."""
    before = gate_options.baseline(options)
    if options.output is not None:
        check_file(options.output, "--output")
    shown = views(load(path, options.partial) for path in options.records)
    rendered = FORMATS[options.format][0](shown, gate_options.decided(shown, before, options))
    if options.output is not None:
        write(options.output, rendered)
        print(f"written: {options.output}")
    elif options.format in ("text", "laws") or not (options.report or options.github):
        print(rendered, end="" if rendered.endswith("\n") else "\n")
    return gate_options.conclude(shown, before, options)
