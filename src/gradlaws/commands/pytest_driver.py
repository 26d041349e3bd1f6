"""Runs the suite under pytest without its user having to know: progress on a line, failures as they come.

pytest does the work (worker processes that contain crashes, the record, replay); its own output is put aside,
and shown only where pytest itself could not go on.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from _pytest.terminal import TerminalReporter

from gradlaws.commands import CommandError
from gradlaws.commands.progress import Progress
from gradlaws.conformance import plugin
from gradlaws.conformance.engines.exception_containment import interrupt
from gradlaws.conformance.suite.campaign import LINE, Campaign
from gradlaws.conformance.suite.option_types import count, time_limit
from gradlaws.conformance.suite.options import LAWS_OF
from gradlaws.conformance.suite.report_header import introduction
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.output_paths import check_file
from gradlaws.reports.record import load
from gradlaws.reports.terminal import report
from gradlaws.reports.view import View, views

#: Options of the pytest plugin that are handed on as they are.
OPTIONS = (
    "backend",
    "laws",
    "laws_of",
    "shard",
    "level",
    "dialect",
    "profile",
    "max_examples",
    "seed",
    "known_failures",
    "memory_limit",
    "store",
)


def declare(parser: ArgumentParser) -> None:
    """The options that say what is judged, by what and where; those of the pytest plugin."""
    add = parser.add_argument
    add(
        "--backend",
        action="append",
        metavar="NAME|module:attribute",
        help="engine to judge; repeatable. Default: torch where it is installed, else reference",
    )
    add("--laws", metavar="ID,...", help="only these laws or families, for example ACC,RET-13")
    add("--laws-of", metavar="VERSION|RECORD", help=LAWS_OF)
    add(
        "--dialect", choices=("declared", "torch"), help="judge by the adapter's conventions, or by PyTorch's"
    )
    add("--seed", type=int, metavar="N", help="chooses the programs; equal seeds give equal records")
    add("--known-failures", action="append", type=Path, metavar="FILE", help="what is known to fail (TOML)")
    add("--law-timeout", type=time_limit, metavar="SECONDS", help="a law that takes longer is a TIMEOUT")
    add(
        "--store",
        metavar="DIR|redis://HOST",
        help="keep failing programs there, and try first what failed before, here or elsewhere",
    )
    add(
        "--memory-limit",
        type=count,
        metavar="MiB",
        help="memory that a process may take beyond what it has once the engine is loaded (Linux); more costs the law "
        "that ran. Default: no limit",
    )
    add(
        "--workers",
        default="auto",
        metavar="N",
        help="processes, so that a crash ends one law and not the run; 0 for this process, auto (the default) "
        "for as many as there are cores, at most 8",
    )


def arguments(options: Namespace) -> list[str]:
    """The options of the pytest plugin that the parsed ones stand for."""
    given: list[str] = []
    for name in OPTIONS:
        value = getattr(options, name, None)
        values = value if isinstance(value, list) else [] if value is None else [value]
        given += [f"--{name.replace('_', '-')}={one}" for one in values]
    if options.law_timeout is not None:
        given.append(f"--law-timeout={options.law_timeout}")
    workers = min(os.cpu_count() or 1, 8) if options.workers == "auto" else _number(options.workers)
    return [*given, f"-n{workers}"]


def _number(text: str) -> int:
    if not text.isdecimal():
        raise CommandError(f"--workers {text}: write a number of processes, or auto")
    return int(text)


class _Driver:
    """The plugin that turns what pytest tells into progress."""

    def __init__(self, progress: Progress, aside: io.StringIO) -> None:
        self.progress = progress
        self.aside = aside
        #: What went wrong in the suite itself: tests that failed without a line for the record.
        self.broken: list[str] = []
        self.campaign: Campaign | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Put pytest's own output aside, and listen to the campaign."""
        standard = config.pluginmanager.getplugin("terminalreporter")
        if standard is not None:
            config.pluginmanager.unregister(standard)
            config.pluginmanager.register(TerminalReporter(config, file=self.aside), "terminalreporter")
        self.campaign = campaign = plugin.campaign_of(config)
        campaign.told = self.progress.line
        self.progress.total = len(campaign.cases)
        for text in introduction(campaign.options, campaign.cases):
            print(text, file=self.progress.out)
        if self.progress.live:
            self.progress.show("starting")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notice a test that ended without a verdict; a process that died has one."""
        told = any(name == LINE for name, _ in report.user_properties)
        if report.failed and not told and str(report.when) != "???":
            self.broken.append(f"{report.nodeid}\n{report.longreprtext}")


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """A polite request to end (SIGTERM, as CI sends it) leaves a valid record, as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def drive(given: list[str], record: Path) -> list[View] | int:
    """Run the suite with options of the plugin, and show the report.

    Returns the engines as the record has them, or the exit code of a run that did not begin.
    """
    check_file(record, "--record")
    progress, aside = Progress(sys.stdout, record), io.StringIO()
    fixed = [
        *("-p", "gradlaws.conformance.plugin", "--pyargs", "gradlaws.conformance"),
        *("-c", os.devnull, "--rootdir", str(Path.cwd()), "--noconftest"),
    ]
    driver = _Driver(progress, aside)
    os.environ.pop("PYTEST_ADDOPTS", None)  # meant for somebody else's tests
    with _terminated_as_interrupted(), TemporaryDirectory(prefix="gradlaws-") as folder:
        # Failures are replayed from the record, so nothing of pytest's has to stay in the working directory.
        places = ["-o", f"cache_dir={folder}", f"--record={record.absolute()}"]
        code = int(pytest.main([*fixed, *given, *places], plugins=[driver]))
    progress.end()
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        if code == pytest.ExitCode.NO_TESTS_COLLECTED:
            print("error: nothing was judged; the record has no result", file=sys.stderr)
            return Exit.UNKNOWN
        if code != pytest.ExitCode.USAGE_ERROR:  # of which pytest has told
            print(aside.getvalue(), file=sys.stderr)
        return code
    if driver.campaign is not None and driver.campaign.stopped:
        print(f"error: {driver.campaign.stopped}", file=sys.stderr)
    for broken in driver.broken:
        print(f"the suite itself broke, please report this: {broken}", file=sys.stderr)
    if driver.broken:
        return Exit.INTERNAL
    return told(record)


def told(record: Path) -> list[View]:
    """Show the report of a record; the engines as it has them."""
    shown = views([load(record)])
    print("\n" + "\n".join(report(shown)))
    print(f"record: {record}")
    return shown
