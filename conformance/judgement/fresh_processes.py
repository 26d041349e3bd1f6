"""Programs run in processes of their own, each of which runs one and ends, and what came of it.

A server imports each engine once, and forks for each program, so that a program costs milliseconds and meets an engine
that has done nothing yet. What ends a process, or does not end, is an answer like any other, so the shrinker can ask
there what it asks here. `gradlaws.conformance.suite.fresh_process_server` is the other side.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exceptions import EngineBroke, ProcessEnded, ReferenceBroke
from gradlaws.conformance.execution.judging_standard import Standard
from gradlaws.conformance.execution.oracle import by_itself
from gradlaws.conformance.judgement.definedness import Contents, contents, sound
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.serialization import dumped
from gradlaws.conformance.language.steps import Apply, InPlace
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.reference.outcomes import MustRaise

#: Seconds that the server may take to import the engine, and a program to end: thousands of times what it needs.
START, LONGEST = 60.0, 5.0
#: Beyond the time of a program: for the server to end it, and to say so.
SLACK = 5.0


class FreshProcesses:
    """Processes that run a program each.

    module:  what runs as the server.
    seconds: what a program may take.
    memory:  MiB that it may take beyond what the process begins with; 0 for any.
    usable:  whether there are any: False once the server could not be started, or went away.
    """

    def __init__(self, module: str, seconds: float = LONGEST, memory: int = 0) -> None:
        self.seconds = seconds
        self.memory = memory
        self.usable = hasattr(os, "fork")
        self._command: Sequence[str] = (sys.executable, "-m", module)
        self._server: subprocess.Popen[bytes] | None = None
        self._met: frozenset[str] = frozenset()

    def know(self, backend: Backend) -> bool:
        """Whether programs can be run on an engine: it must be known how it was asked for, and be of this process."""
        return self.usable and bool(backend.given) and backend.elsewhere is None

    def error(self, backend: Backend, law: str, program: Program, standard: Standard) -> Exception | None:
        """What is wrong with a program before a law, in a process of its own."""
        if not self.know(backend):
            return None
        if self._server is None:
            self._start()
        asked = {
            "given": backend.given,
            "law": law,
            "steps": dumped(program),
            "strict": standard.strict,
            "dialect": standard.dialect,
            "seconds": self.seconds,
            "memory": self.memory,
        }
        first, self._met = backend.given not in self._met, self._met | {backend.given}
        return _error(self._answer(asked, self.seconds + SLACK + START * first))

    def close(self) -> None:
        """End the server."""
        self.usable = False
        if self._server is not None:
            self._server.kill()
            self._server.communicate()
            self._server = None

    def _start(self) -> None:
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        try:
            self._server = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": paths},
                start_new_session=True,  # Ctrl-C is not meant for it
            )
        except OSError:
            self.close()
            return
        self._answer(None, START)

    def _answer(self, asked: dict[str, Any] | None, seconds: float) -> dict[str, Any]:
        """What the server says next; nothing, and the end of it, where it says nothing in time."""
        server = self._server
        if server is None or server.stdin is None or server.stdout is None:
            return {}
        with suppress(OSError, ValueError):
            if asked is not None:
                server.stdin.write(json.dumps(asked).encode() + b"\n")
                server.stdin.flush()
            if select.select([server.stdout], [], [], seconds)[0]:
                return dict(json.loads(server.stdout.readline()))
        self.close()
        return {}


def _error(answer: dict[str, Any]) -> Exception | None:
    """The exception that an answer tells of."""
    match answer:
        case {"ended": str(how), "kind": str(kind)}:
            return ProcessEnded(how, kind=(kind,))
        case {"broken": [law, thing, got, expected, index, kind]}:
            broken = Broken(law, thing, got, expected, index)
            broken.kind = tuple(kind)
            return broken
        case {"reference": str(text)}:
            return ReferenceBroke(text)
        case {"engine": [text, index, kind]}:
            return EngineBroke(text, index, tuple(kind))
    return None


class FreshSubject:
    """Programs that fail in fresh processes, for the shrinker; nothing of them runs on the engine here.

    law:     the id of the law that they are put before.
    listed:  whether a failure is another one, because it is on the list.
    form:    puts looks into a program before it runs.
    """

    def __init__(
        self,
        law: str,
        backend: Backend,
        standard: Standard,
        processes: FreshProcesses,
        listed: Callable[[Program, Exception], bool],
        form: Callable[[Program], Program] = lambda program: program,
    ) -> None:
        self.law = law
        self.backend = backend
        self.standard = standard
        self.processes = processes
        self.listed = listed
        self.form = form

    def error(self, program: Program) -> Exception | None:
        """What is wrong with a program, if anything, past what is listed."""
        error = self.processes.error(self.backend, self.law, self.form(program), self.standard)
        return None if error is None or self.listed(program, error) else error

    def sound(self, program: Program) -> bool:
        """Whether a program asks for nothing that is nowhere defined, as far as the reference can tell."""
        return sound(program, self.backend, self._expected)

    def contents(self, program: Program) -> Contents:
        """What the tensors of a program should hold when they are made."""
        return contents(program, self.backend, self._expected)

    def possible(self, program: Program) -> bool:
        """Whether each op has a result."""
        return possible(program, self.backend, self.standard)

    def _expected(self, program: Program, backend: Backend) -> Any:
        return by_itself(program, self.standard.conventions(backend))


def possible(program: Program, backend: Backend, standard: Standard) -> bool:
    """Whether each op of a program has a result, as far as the reference can tell."""
    trace = by_itself(program, standard.conventions(backend))
    ops = (moment.raised for moment in trace if isinstance(moment.step, Apply | InPlace))
    return all(raised is None or isinstance(raised, MustRaise) for raised in ops)
