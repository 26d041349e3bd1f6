"""The other end: a harness that serves an adapter written for this suite, over standard input and output."""

from __future__ import annotations

import json
import os
import sys
from typing import IO, Any

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.discovery import BackendError, find
from gradlaws.conformance.execution.planned_run import followed
from gradlaws.conformance.remote.messages import VERSION, error_out, program_in, trace_out

#: The exit code where there is no such adapter.
WRONG = 4
#: What is asked of this harness.
VERBS = ("hello", "run", "accepts")


def introduced(backend: Backend) -> dict[str, Any]:
    """What an engine has, in the words of the protocol."""
    has = backend.capabilities
    dtypes = [*["float64"] * ("float64" in has), *["float32"] * ("float32" in has)]
    dtypes += [*["int64", "bool"] * ("integer" in has), *["complex128"] * ("complex" in has)]
    kinks = dict(backend.dialect.kinks)
    dialect = {
        name: value for name, value in backend.dialect.departures.items() if not name.startswith("kinks of ")
    }
    return {
        "protocol": VERSION,
        "name": backend.name,
        "version": backend.version(),
        "verbs": [
            verb for verb in VERBS if verb != "accepts" or type(backend).accepts is not Backend.accepts
        ],
        "capabilities": sorted(has),
        "dialect": {**dialect, "kinks": kinks} if kinks else dialect,
        "ops": sorted(backend.ops()),
        "dtypes": dtypes,
        "spellings": dict(backend.spellings),
        "preamble": backend.preamble,
    }


def ran(sent: dict[str, Any], backend: Backend) -> dict[str, Any]:
    """The trace of a program, or what was raised outside of any step."""
    try:
        program, plan = program_in(sent)
        return trace_out(followed(program, plan, backend))
    except Exception as error:
        return {"error": error_out(error)}


def serve(backend: Backend, questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests, a line each, until there are no more."""

    def say(number: Any, **said: Any) -> None:
        answers.write(json.dumps({"id": number, **said}, separators=(",", ":")).encode() + b"\n")
        answers.flush()

    with backend.session():
        for line in questions:
            asked = json.loads(line)
            number, verb = asked["id"], asked["verb"]
            try:
                if verb == "hello":
                    say(number, result=introduced(backend))
                elif verb == "run":
                    for sent in asked["programs"]:
                        say(number, result=ran(sent, backend))
                elif verb == "accepts":
                    say(number, result=bool(backend.accepts(asked["op"], **asked["params"])))
                else:
                    say(
                        number, error={"class": "UnknownVerb", "text": f"{verb!r} is not served; {VERBS} are"}
                    )
            except Exception as error:
                say(number, error=error_out(error))


def own_streams() -> tuple[IO[bytes], IO[bytes]]:
    """(questions, answers): standard input and output, which nobody else gets hold of from here on.

    What the engine, or the adapter, prints goes to standard error.
    """
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    sys.stdout = sys.stderr
    return questions, answers


def served(adapter: str) -> int:
    """Serve the adapter of a name, or at `module:attribute`; the exit code of the process."""
    questions, answers = own_streams()
    try:
        backend = find(adapter)
    except BackendError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG
    serve(backend, questions, answers)
    return 0
