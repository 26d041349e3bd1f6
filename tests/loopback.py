"""A harness without a process: requests are answered here, as text that somebody may tamper with."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import Any

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.remote.backend import RemoteBackend
from gradlaws.conformance.remote.harness import Harness, answer_in
from gradlaws.conformance.remote.server import introduced, ran

Tamper = Callable[[bytes], bytes]


def _untouched(line: bytes) -> bytes:
    return line


class Loopback(Harness):
    """Serves a backend of this process; `hello` is given the introduction as a line, `run` each trace."""

    def __init__(self, backend: Backend, hello: Tamper = _untouched, run: Tamper = _untouched) -> None:
        super().__init__("")
        self.backend = backend
        self.hello, self.run = hello, run

    def answers(self, verb: str, number: int, seconds: float, **fields: Any) -> Generator[Any, None, None]:
        sent = json.loads(json.dumps(fields))
        for k in range(number):
            if verb == "run":
                result: Any = ran(sent["programs"][k], self.backend)
                line = self.run(json.dumps({"id": 1, "result": result}).encode())
            else:
                line = self.hello(json.dumps({"id": 1, "result": introduced(self.backend)}).encode())
            yield answer_in(line, 1)


def looped(backend: Backend, hello: Tamper = _untouched, run: Tamper = _untouched) -> RemoteBackend:
    """A backend as it is seen through the protocol."""
    return RemoteBackend(Loopback(backend, hello, run))
