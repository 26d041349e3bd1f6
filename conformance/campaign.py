"""One run of the suite under pytest: what is tried on which backends, and what came of it."""

from __future__ import annotations

import faulthandler
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gradlaws.conformance.backend import CAPABILITIES, Backend
from gradlaws.conformance.checking import check
from gradlaws.conformance.examples import EXAMPLES
from gradlaws.conformance.journal import Journal
from gradlaws.conformance.judging import Effort
from gradlaws.conformance.known import KnownFailures, KnownFailuresError, about, load
from gradlaws.conformance.laws import LAWS, Law
from gradlaws.conformance.lines import header, result_line, wholes_of
from gradlaws.conformance.loading import BackendError, default, find
from gradlaws.conformance.promises import LISTABLE
from gradlaws.conformance.replaying import Replay, ReplayError, remember
from gradlaws.conformance.scripts import Example
from gradlaws.conformance.selection import Selection, SelectionError
from gradlaws.conformance.verdict import Result, Verdict
from gradlaws.conformance.wholes import WHOLE
from gradlaws.reports.merging import summed
from gradlaws.reports.reader import Record, parsed
from gradlaws.reports.record import Recorder, RecordError, footer, headed
from gradlaws.reports.terminal import causes, standing, table
from gradlaws.reports.view import views

#: The property of a test report under which its line of the record travels.
LINE = "gradlaws"


class CampaignError(Exception):
    """The options make no sense; the message says what to do."""


@dataclass(frozen=True)
class Case:
    """One test: a law, or a documented example, on a backend."""

    backend: Backend
    subject: Law | Example

    @property
    def id(self) -> str:
        """Backend, law id and name, for `-k`."""
        name = f"{self.subject.id}-{self.subject.name}"
        return f"{self.backend.name}-{name}"


class Campaign:
    """What a run is about."""

    def __init__(
        self, config: pytest.Config, backends: list[Backend], known: dict[str, KnownFailures]
    ) -> None:
        from gradlaws.conformance.plugin import PROFILES

        option = config.option
        self.backends = backends
        self.known = known
        self.level = option.level or "full"
        self.selection = Selection.of(self.level, option.laws, option.shard)
        self.profile = option.profile or "ci"
        examples, roving = PROFILES[self.profile]
        chosen = option.seed if option.seed is not None else random.randrange(2**31) if roving else 0
        workerinput = getattr(config, "workerinput", None)
        self.is_worker = workerinput is not None
        self.seed = chosen if workerinput is None else workerinput["gradlaws_seed"]
        self.effort = Effort(
            option.max_examples or examples,
            self.seed,
            strict=self.level == "torch",
            dialect=option.dialect or "declared",
        )
        self.cache: pytest.Cache | None = getattr(config, "cache", None)  # -p no:cacheprovider takes it away
        folder = None if self.cache is None else Path(self.cache.mkdir("gradlaws"))
        self.journal = Journal(folder, self.is_worker, config)
        self.replay = Replay.of(option.replay, self.cache) if option.replay else None
        self.timeout: float = option.law_timeout
        self.lines: list[dict[str, Any]] = []
        self.covered: list[dict[str, Any]] = []
        #: Called with each line as it comes; for those who show progress.
        self.told: Callable[[dict[str, Any]], None] = lambda line: None
        self.exit_code = int(pytest.ExitCode.INTERRUPTED)
        self._start = time.perf_counter()
        self.header_line = headed(header(backends, self.selection, self.effort, self.profile))
        self._recorder: Recorder | None = None
        if option.record is not None and not self.is_worker and not option.collectonly:
            self._recorder = Recorder(option.record, self.header_line)

    @classmethod
    def of(cls, config: pytest.Config) -> Campaign:
        """The campaign that the options describe; raises CampaignError."""
        try:
            names = config.option.backend or [default()]
            _consistent(config, names)
            backends = [find(name) for name in names]
            for backend in backends:
                problems = check(backend)
                if problems:
                    listed = "\n".join(f"    {problem}" for problem in problems)
                    raise CampaignError(
                        f"the adapter {backend.name!r} is not right yet; no law was tried. Mend these methods:\n"
                        f"{listed}"
                    )
            return cls(config, backends, _known(config, backends))
        except (BackendError, KnownFailuresError, RecordError, ReplayError, SelectionError) as error:
            raise CampaignError(str(error)) from error

    # -- what is tried ----------------------------------------------------------------------------------------

    def law_cases(self) -> list[Case]:
        """The laws of the level, on each backend."""
        laws = self.selection.laws()
        if self.replay is not None:
            laws = [LAWS[self.replay.law]] if self.replay.law in LAWS else []
        return [Case(backend, law) for backend in self.backends for law in laws]

    def whole_cases(self) -> list[Case]:
        """Whole programs, on each backend."""
        if self.replay is not None:
            wanted = [WHOLE] if self.replay.law == WHOLE.id else []
        else:
            wanted = wholes_of(self.selection)
        return [Case(backend, whole) for backend in self.backends for whole in wanted]

    def example_cases(self) -> list[Case]:
        """The documented examples, on each backend."""
        if self.replay is not None or self.selection.names:
            return []
        examples = self.selection.shared(list(EXAMPLES.values()))
        return [Case(backend, example) for backend in self.backends for example in examples]

    def header(self) -> list[str]:
        """Lines for the top of the run."""
        from gradlaws.conformance.plugin import PROFILES

        lines = []
        for backend in self.backends:
            lacking = sorted(set(CAPABILITIES) - backend.capabilities)
            has = len(CAPABILITIES) - len(lacking)
            lines.append(
                f"gradlaws: backend {backend.name} {backend.version()}, {has} of {len(CAPABILITIES)} capabilities"
                + (f" (without {', '.join(lacking)})" if lacking else "")
                + (
                    f", {len(self.known[backend.name])} known failures"
                    if len(self.known[backend.name])
                    else ""
                )
            )
            if backend.dialect.deviations:
                declared = ", ".join(f"{name}={value}" for name, value in backend.dialect.deviations.items())
                asked = " (judged as PyTorch all the same)" if self.effort.dialect == "torch" else ""
                lines.append(f"gradlaws: {backend.name} declares {declared}{asked}")
        count = len(self.law_cases()) // max(len(self.backends), 1)
        part = "" if self.selection.whole else f" of {len(self.selection.of_level())}"
        note = "" if self.effort.examples == PROFILES[self.profile][0] else " (--max-examples)"
        lines.append(
            f"gradlaws: level {self.level}, {count}{part} laws, profile {self.profile}: {self.effort.examples} "
            f"programs a law{note}, seed {self.seed}"
        )
        return lines

    @contextmanager
    def watched(self) -> Iterator[None]:
        """End this process if the block takes longer than --law-timeout; in worker processes only."""
        if not (self.is_worker and self.timeout):
            yield
            return
        faulthandler.dump_traceback_later(self.timeout, exit=True)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    # -- what came of it --------------------------------------------------------------------------------------

    def line_of(self, result: Result) -> dict[str, Any]:
        """The record's line about a result; a failing program is remembered for --replay."""
        backend = next(b for b in self.backends if b.name == result.backend)
        line = result_line(result, backend)
        finding = line["finding"]
        if finding is not None and finding["steps"] is not None:
            finding["replay"] = remember(self.cache, result.law, finding["steps"], self.effort)
        return line

    def note(self, report: pytest.TestReport) -> None:
        """Take a test's line from its report, or notice that its process died."""
        if self.is_worker:
            return
        if str(report.when) == "???":  # pytest-xdist: the worker is gone
            self._take(self._crash(report))
            return
        for name, value in report.user_properties:
            if name == LINE and report.when == "call":
                self._take(json.loads(str(value)))

    def _take(self, line: dict[str, Any] | None) -> None:
        if line is not None:
            self.covered.append(line.pop("covered", {}))  # told in sum, in the footer
            self.lines.append(line)
            if self._recorder is not None:
                self._recorder.add(line)
            self.told(line)

    def _crash(self, report: pytest.TestReport) -> dict[str, Any] | None:
        cases = (*self.law_cases(), *self.whole_cases())
        case = next((case for case in cases if f"[{case.id}]" in report.nodeid), None)
        if case is None or not isinstance(case.subject, Law):
            return None
        finding, lasted = self.journal.last_of(case.subject, case.backend)
        result = Result(case.subject.id, case.backend.name, Verdict.CRASH, finding=finding)
        said = str(report.longrepr).splitlines()
        result.message = f"the process died; {said[0] if said else ''}"
        if self.timeout and lasted >= self.timeout:
            result.verdict = Verdict.TIMEOUT
            result.message = f"not finished after {self.timeout:g} s (--law-timeout)"
        program = None if finding is None else finding.steps
        entry = self.known[case.backend.name].excuse(case.subject.id, program)
        if entry is not None:
            result.known = f"{entry.reason} ({entry.link})"
            result.message, result.verdict = f"{result.verdict}: {result.message}", Verdict.KNOWN
        return self.line_of(result)

    def record(self) -> Record:
        """What has come of the run so far."""
        end = footer(self.lines, self.exit_code, self._elapsed(), summed(self.covered))
        return parsed([self.header_line, *self.lines, end])

    def summarise(self, terminal: Any) -> None:
        """Print the table per family, the level reached, and the root causes."""
        if not self.lines or self.is_worker or self.replay is not None:
            return
        for view in views([self.record()]):
            if view.results or view.documented:
                terminal.section(f"gradlaws: {view.engine.name}", sep="-")
                for text in (*table(view), *standing(view), *causes(view)):
                    terminal.write_line(text)

    def _elapsed(self) -> float:
        return round(time.perf_counter() - self._start, 3)

    def close(self) -> None:
        """Complete the record."""
        self.journal.close()
        if self._recorder is not None:
            self._recorder.close(footer(self.lines, self.exit_code, self._elapsed(), summed(self.covered)))


def _consistent(config: pytest.Config, names: list[str]) -> None:
    option = config.option
    if len(set(names)) < len(names):
        raise CampaignError(f"--backend {max(names, key=names.count)} is given twice")
    if option.replay:
        idle = [
            "--" + name.replace("_", "-")
            for name in (
                "level",
                "laws",
                "shard",
                "dialect",
                "profile",
                "max_examples",
                "seed",
                "known_failures",
            )
            if getattr(option, name) is not None
        ]
        if idle:
            raise CampaignError(
                f"--replay runs one remembered program, so {', '.join(idle)} can have no effect: leave it out"
            )
        if len(names) > 1:
            raise CampaignError("--replay runs on one backend; give --backend once")


def _known(config: pytest.Config, backends: list[Backend]) -> dict[str, KnownFailures]:
    paths = config.option.known_failures
    if not paths:
        return {backend.name: about(backend) for backend in backends}
    if len(paths) > 1 and len(backends) != len(paths):
        raise CampaignError(
            f"{len(backends)} backends and {len(paths)} files of known failures: give one file a backend, in order"
        )
    found = [load(path, LISTABLE) for path in paths]
    return {
        backend.name: about(backend, found[k if len(found) > 1 else 0]) for k, backend in enumerate(backends)
    }
