"""One run of the suite under pytest: what comes of its cases, line by line, and the record of it."""

from __future__ import annotations

import faulthandler
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exception_containment import contained, listening
from gradlaws.conformance.engines.exceptions import EngineBroke, place_of
from gradlaws.conformance.engines.memory_limit import MemoryLimit
from gradlaws.conformance.engines.process_state import kept, starved
from gradlaws.conformance.engines.time_limit import LawTimeout, time_limit
from gradlaws.conformance.judgement.fresh_processes import FreshProcesses
from gradlaws.conformance.judgement.reruns import Small
from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.judgement.verdict import BREAKS
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.laws import Law
from gradlaws.conformance.suite.cases import Case, Cases
from gradlaws.conformance.suite.crash_journal import Journal
from gradlaws.conformance.suite.crash_reduction import FORK_SERVER, PostMortem
from gradlaws.conformance.suite.crash_verdict import broke, crashed, timed_out
from gradlaws.conformance.suite.record_lines import RecordLines, header, result_line
from gradlaws.conformance.suite.replay import remember
from gradlaws.conformance.suite.settings import Settings, SettingsError
from gradlaws.conformance.suite.tried_first import tried_first
from gradlaws.conformance.whole_programs.run_item import judge_any
from gradlaws.reports.output_paths import OutputPathError
from gradlaws.reports.record import Record, parsed, result_of
from gradlaws.reports.record_file import Recorder, RecordError, headed
from gradlaws.reports.terminal import causes, failure, standing, table
from gradlaws.reports.view import views

#: Seconds after which a worker process is ended in which a law does not end in time, and cannot be ended otherwise.
GRACE = 2.0
#: The property of a test report under which its line of the record travels.
LINE = "gradlaws"


def _exit_code(report: Any) -> int | None:
    """With which exit code the worker process of pytest-xdist ended that a report is about."""
    with suppress(Exception):  # that is nowhere promised
        return int(report.node.gateway._io.popen.wait(5))
    return None


class Campaign:
    """A run: its options, its cases, and the lines of its record so far."""

    def __init__(self, config: pytest.Config, options: Settings) -> None:
        """Begin the record; raises RecordError."""
        self.options = options
        self.cases = Cases(options)
        self.cache: pytest.Cache | None = getattr(config, "cache", None)  # -p no:cacheprovider takes it away
        folder = None if self.cache is None else Path(self.cache.mkdir("gradlaws"))
        self.journal = Journal(folder, options.is_worker, config)
        self.journal.given = lambda backend, law: tried_first(
            backend, law, options.known[backend.name], options.store
        )
        self._so_far = RecordLines()
        #: Called with each line as it comes; for those who show progress.
        self.told: Callable[[dict[str, Any]], None] = lambda line: None
        self.exit_code = int(pytest.ExitCode.INTERRUPTED)
        #: Why the run was ended early; empty if it was not, or by somebody else.
        self.stopped = ""
        self._memory = MemoryLimit(options.memory)
        self._fresh = FreshProcesses(FORK_SERVER, memory=options.memory)
        self._post_mortem = PostMortem()
        self._start = time.perf_counter()
        self.header_line = headed(
            header(options.backends, options.selection, options.effort, options.profile)
        )
        self._record: Path | None = config.option.record
        self._recorder: Recorder | None = None
        if self._record is not None and not options.is_worker and not config.option.collectonly:
            self._recorder = Recorder(self._record, self.header_line)

    @classmethod
    def of(cls, config: pytest.Config) -> Campaign:
        """The campaign that the options describe; raises SettingsError."""
        try:
            return cls(config, Settings.of(config))
        except (OutputPathError, RecordError) as error:
            raise SettingsError(str(error)) from error

    # -- judging ----------------------------------------------------------------------------------------------

    def judge(self, case: Case) -> Result:
        """The verdict on a law, or in whole programs; just of one program where it is replayed."""
        options, backend, law = self.options, case.backend, case.subject
        assert isinstance(law, Law)
        self.journal.begin(backend)
        try:
            with self.kept(), listening(options.is_worker), self._watched(), contained():
                if options.replay is not None:
                    return options.replay.judged(backend)
                known = options.known[backend.name]
                first = tried_first(backend, law.id, known, options.store)
                return judge_any(law, backend, options.effort, known, self.journal.write, self._fresh, first)
        except LawTimeout:
            return timed_out(
                case,
                self.journal.running(law, backend, options.effort.seed, options.known[backend.name]),
                options,
                self._examined,
            )
        except Exception as error:
            if not isinstance(error, EngineBroke) and not place_of(error, backend) and not starved(error):
                raise  # a mistake of ours
            return broke(case, error, options)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """A block in which memory is limited, and after which what processes share is as it was before.

        A worker process that would leave too little memory to others ends; in one process the run does, after this law.
        """
        try:
            with kept(), self._memory.held():
                yield
        finally:
            if self._memory.exhausted:
                why = f"the process kept more than half of {self.options.memory} MiB (--memory-limit)"
                if self.options.is_worker:
                    self.journal.last_words(why)
                    os._exit(1)
                self.stopped = (
                    f"{why}: too little for the next law; worker processes are ended instead (-n 2)"
                )

    def _examined(self, law: Law, program: Program, backend: Backend) -> Small | None:
        """A program that ended its process, made small."""
        options, processes = self.options, self._fresh
        known = options.known[backend.name]
        return self._post_mortem.examine(
            law, program, backend, options.effort, known, processes, options.timeout
        )

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """End the block if it takes longer than --law-timeout; in worker processes, if need be, with the process."""
        seconds = self.options.timeout
        with time_limit(seconds, LawTimeout):
            if not (self.options.is_worker and seconds):
                yield
                return
            faulthandler.dump_traceback_later(seconds + GRACE, exit=True)
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()

    def line_of(self, result: Result) -> dict[str, Any]:
        """The record's line about a result; failing programs are remembered for --replay, and in the store."""
        backend = next(b for b in self.options.backends if b.name == result.backend)
        line = result_line(result, backend)
        if result.finding is not None and result.finding.steps is not None:
            key = line["finding"]["replay"]
            remember(self.cache, key, result.law, result.finding, self.options.effort)
        if self.options.store is not None and result.verdict in BREAKS:
            for finding in (result.finding, *result.more):
                if finding is not None and finding.steps is not None:
                    self.options.store.remember(backend, result.law, finding.steps)
        return line

    def failure(self, line: dict[str, Any]) -> str:
        """What is said of a law that fails; run again from the record where pytest keeps no cache."""
        result = result_of(line)
        if self.cache is None and self._record is None and result.finding is not None:
            result = replace(
                result, finding=replace(result.finding, replay=None)
            )  # nothing remembers the program
        return failure(result, self._record if self.cache is None else None)

    # -- what came of it --------------------------------------------------------------------------------------

    def note(self, report: pytest.TestReport) -> None:
        """Take a test's line from its report, or notice that its process died."""
        if self.options.is_worker:
            return
        if str(report.when) == "???":  # pytest-xdist: the worker is gone
            case = self.cases.at(report.nodeid)
            if case is not None:
                assert isinstance(case.subject, Law)
                last = self.journal.last_of(
                    case.subject,
                    case.backend,
                    self.options.effort.seed,
                    self.options.known[case.backend.name],
                )
                self._take(
                    self.line_of(
                        crashed(
                            case, last, self.options, str(report.longrepr), _exit_code(report), self._examined
                        )
                    )
                )
            return
        for name, value in report.user_properties:
            if name == LINE and report.when == "call":
                self._take(json.loads(str(value)))

    def _take(self, line: dict[str, Any]) -> None:
        self._so_far.add(line)
        if self._recorder is not None:
            self._recorder.add(line)
        self.told(line)

    def record(self) -> Record:
        """What has come of the run so far."""
        return parsed([self.header_line, *self._so_far.lines, self._footer()])

    def summarise(self, terminal: Any) -> None:
        """Print the table per family, the level reached, and the root causes."""
        if not self._so_far.lines or self.options.is_worker or self.options.replay is not None:
            return
        for view in views([self.record()]):
            if view.results or view.documented:
                terminal.section(f"gradlaws: {view.engine.name}", sep="-")
                for text in (*table(view), *standing(view), *causes(view)):
                    terminal.write_line(text)

    def _footer(self) -> dict[str, Any]:
        return self._so_far.footer(self.exit_code, self._start)

    def close(self) -> None:
        """Complete the record."""
        self.journal.close()
        self._fresh.close()
        if self._recorder is not None:
            self._recorder.close(self._footer())
