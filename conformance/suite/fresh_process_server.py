"""The other side of `gradlaws.conformance.judgement.fresh_processes`: imports engines, and forks for each program.

`python -m gradlaws.conformance.suite.fresh_process_server` says `{}` once it is there; then each line that it
is given asks for a program on an engine, and is answered by a line that says what came of it. It ends with its input.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import time
from contextlib import suppress
from typing import Any

import numpy as np

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.discovery import find
from gradlaws.conformance.engines.exception_containment import contained
from gradlaws.conformance.engines.exceptions import EngineBroke, ReferenceBroke, described
from gradlaws.conformance.engines.memory_limit import MemoryLimit
from gradlaws.conformance.execution.judging_standard import Standard
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.serialization import loaded
from gradlaws.conformance.language.training import Optimizer
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.laws.trial import Judge
from gradlaws.conformance.whole_programs.run_item import examine_any, law_of

#: Steps of which the first may have an engine import more than a program has time for.
TRAINING = {kind.__name__ for kind in (Optimizer, Checkpoint)}


def main() -> None:
    """Serve until the input ends."""
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nowhere, descriptor)  # what the engine prints is no answer
    known: set[str] = set()
    prepared: set[str] = set()
    answers.write(b"{}\n")
    answers.flush()
    for line in asked:
        question = json.loads(line)
        if question["given"] not in known:
            known.add(question["given"])
            find(question["given"])  # imports the engine
        if question["given"] not in prepared and not TRAINING.isdisjoint(
            s["step"] for s in question["steps"]
        ):
            prepared.add(question["given"])
            find(question["given"]).prepare()
        answers.write(json.dumps(answered(question)).encode() + b"\n")
        answers.flush()


def answered(question: dict[str, Any]) -> dict[str, Any]:
    """What comes of one program in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()  # what it leaves behind ends with it
        os.close(reading)
        with suppress(BaseException):
            random.seed(os.urandom(16))  # or whatever is left to chance comes out as the time before
            np.random.seed(random.getrandbits(32))
            os.write(writing, json.dumps(_judged(question, find(question["given"]))).encode() + b"\n")
            os._exit(0)
        os._exit(1)
    os.close(writing)
    said, status = _waited(reading, child, float(question["seconds"]))
    os.close(reading)
    if b"\n" in said:
        with suppress(ValueError):
            return dict(json.loads(said))
    if status is None:
        return {"ended": f"not finished after {question['seconds']:g} s", "kind": "late"}
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return {"ended": f"the process died, {name}", "kind": "signal"}
    code = os.waitstatus_to_exitcode(status)
    return {"ended": f"the process ended, exit code {code}", "kind": f"exit {code}"}


def _waited(reading: int, child: int, seconds: float) -> tuple[bytes, int | None]:
    """(what a process said, how it ended, None if it had to be ended); not beyond the time that it has."""
    said, status, readable = b"", None, True
    end = time.monotonic() + seconds
    while status is None and b"\n" not in said and time.monotonic() < end:
        if not readable:
            time.sleep(0.001)
        elif select.select([reading], [], [], 0.01)[0]:
            more = os.read(reading, 1 << 20)
            said, readable = said + more, bool(more)
        ended, code = os.waitpid(child, os.WNOHANG)
        status = code if ended else None
    while (
        status is not None and select.select([reading], [], [], 0)[0] and (more := os.read(reading, 1 << 20))
    ):
        said += more
    with suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    if status is None:
        os.waitpid(child, 0)
    return said, status


def _judged(question: dict[str, Any], backend: Backend) -> dict[str, Any]:
    """What is wrong with a program, as data."""
    law, program = law_of(question["law"]), loaded(question["steps"])
    assert law is not None
    standard = Standard(strict=question["strict"], dialect=question["dialect"])
    try:
        with backend.session(), MemoryLimit(question["memory"]).held(), contained():
            examine_any(law, program, backend, Judge(law.id), standard)
    except Broken as error:
        return {"broken": [error.law, error.thing, error.got, error.expected, error.index, error.kind]}
    except ReferenceBroke as error:
        return {"reference": str(error)}
    except EngineBroke as error:
        return {"engine": [str(error), error.index, list(error.kind)]}
    except Exception as error:
        return {"engine": [described(error), None, [type(error).__name__]]}
    return {}


if __name__ == "__main__":
    main()
