"""An engine in another process, as a backend: it is asked what it is, and runs whole programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, NoReturn

from gradlaws.conformance.engines.backend import CAPABILITIES, Backend
from gradlaws.conformance.engines.capabilities import NotClaimed
from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.engines.exceptions import EngineBroke, Unavailable
from gradlaws.conformance.execution.planned_run import Plan, plan_of_law, plan_of_whole
from gradlaws.conformance.execution.trace import Trace
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.ops import INPLACE, TABLE
from gradlaws.conformance.remote.harness import Harness
from gradlaws.conformance.remote.harness_check import problems
from gradlaws.conformance.remote.messages import program_out
from gradlaws.conformance.remote.schema import introduction
from gradlaws.conformance.remote.trace_reader import Misspoken, Reader
from gradlaws.conformance.remote.unclaimed import unclaimed

#: Seconds for a program, and the variable that allows more; to introduce itself the process has as long as an import.
SECONDS, VARIABLE = 30.0, "GRADLAWS_ANSWER_SECONDS"
START = 600.0
#: Capabilities that are said by the dtypes that an engine has.
BY_DTYPE = {
    "float32": ("float32",),
    "float64": ("float64",),
    "complex": ("complex128", "float64"),
    "integer": ("int64", "bool"),
}


def connected(command: str) -> RemoteBackend:
    """The engine that a command starts; raises Unavailable, saying what it did instead of introducing itself."""
    if not command.strip():
        raise Unavailable('write the command behind `exec:`, for example "exec:node my_harness.js"')
    try:
        return RemoteBackend(Harness(command))
    except (EngineBroke, ValueError) as error:
        raise Unavailable(f"{command!r} did not introduce itself: {error}") from error


class RemoteBackend(Backend):
    """An engine that a harness speaks for. None of its methods can be called: it takes whole programs."""

    def __init__(self, harness: Harness) -> None:
        said = introduction(harness.ask("hello", START))
        self.name, self._version = said["name"], said["version"]
        self.dialect = _dialect(said.get("dialect", {}))
        self._ops = [op for op in said["ops"] if op in TABLE or op in INPLACE]
        self.spellings = dict(said.get("spellings", {}))
        self.preamble = said.get("preamble", "")
        self._choosy = "accepts" in said["verbs"]
        has = set(said["capabilities"]) & set(CAPABILITIES) - BY_DTYPE.keys() - {"calls"}
        has.update(name for name, dtypes in BY_DTYPE.items() if set(dtypes) <= set(said["dtypes"]))
        self._has = frozenset(has)
        self._accepted: dict[str, bool] = {}
        self.elsewhere = self._engine = RemoteEngine(harness, self)

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """What the process said that its engine can do."""
        return self._has

    def version(self) -> str:
        """What the process said."""
        return str(self._version)

    def ops(self) -> Iterable[str]:
        """The ops of the table that the process named."""
        return self._ops

    def accepts(self, op: str, **params: Any) -> bool:
        """What the process says of an op with these parameters; asked once of each."""
        if not self._choosy:
            return True
        key = f"{op} {sorted(params.items())!r}"
        if key not in self._accepted:
            self._accepted[key] = self._engine.accepts(op, params)
        return self._accepted[key]

    def _uncallable(self, *_: Any, **__: Any) -> NoReturn:
        raise NotClaimed("an engine in another process takes whole programs, not single calls")

    tensor = numpy = apply = backward = grad = _uncallable


def _dialect(said: dict[str, Any]) -> Dialect:
    try:
        return Dialect(**said)
    except TypeError as error:
        raise Misspoken(f"dialect: {error}") from error


class RemoteEngine:
    """Runs programs in the engine's process."""

    def __init__(self, harness: Harness, backend: Backend) -> None:
        self._harness = harness
        self._backend = backend
        self._reader = Reader(backend.capabilities)

    @property
    def seconds(self) -> float:
        """Seconds that a program may take."""
        with suppress(ValueError):
            return min(max(0.1, float(os.environ.get(VARIABLE, ""))), 1e6)
        return SECONDS

    def observed(self, program: Program) -> Trace:
        """The trace of a program."""
        return self.followed(program, plan_of_law(program, self._backend.dialect))

    def watched(self, program: Program) -> Trace:
        """The trace of a whole program."""
        return self.followed(program, plan_of_whole(program))

    def followed(self, program: Program, plan: Plan) -> Trace:
        """The trace of a program that is looked at by a plan."""
        [trace] = self._traces([program], [plan])
        if isinstance(trace, Exception):
            raise trace
        return trace

    def many(
        self, programs: Sequence[Program], whole: bool, before: Callable[[int], None]
    ) -> list[Trace | Exception]:
        """The traces of many programs, or what was raised instead."""
        dialect = self._backend.dialect
        plans = [plan_of_whole(p) if whole else plan_of_law(p, dialect) for p in programs]
        return self._traces(programs, plans, before)

    def _traces(
        self,
        programs: Sequence[Program],
        plans: Sequence[Plan],
        before: Callable[[int], None] = lambda number: None,
    ) -> list[Trace | Exception]:
        sent = [program_out(program, plan) for program, plan in zip(programs, plans, strict=True)]
        found: list[Trace | Exception] = []
        while len(found) < len(sent):
            start = len(found)
            answers = self._harness.answers("run", len(sent) - start, self.seconds, programs=sent[start:])
            try:
                while len(found) < len(sent):
                    k = len(found)
                    before(k)
                    found.append(self._trace(next(answers), programs[k], plans[k]))
            except EngineBroke as error:
                found.append(error.with_traceback(None))
            finally:
                answers.close()
        return found

    def _trace(self, answer: Any, program: Program, plan: Plan) -> Trace | Exception:
        try:
            return self._reader.trace(answer, program, plan)
        except Misspoken as error:
            return Misspoken(f"{error}{self._harness.tail()}")
        except Exception as error:  # what the engine raised outside of any step
            return error

    def accepts(self, op: str, params: dict[str, Any]) -> bool:
        """Whether the engine has an op with these parameters."""
        answer = self._harness.ask("accepts", self.seconds, op=op, params=params)
        if not isinstance(answer, bool):
            raise Misspoken(f"accepts: {answer!r:.80}, expected true or false")
        return answer

    def unclaimed(self) -> list[tuple[str, str]]:
        """What the process does not claim and could: (capability, what it would have to answer to)."""
        return list(unclaimed(self._backend))

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the process: (what was tried, what is wrong with the answer)."""
        return problems(self._backend, self._asked, self._reader.trace)

    def _asked(self, program: Program, plan: Plan) -> Any:
        return self._harness.ask("run", self.seconds, programs=[program_out(program, plan)])
