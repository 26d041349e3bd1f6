"""A harness without a process: requests are answered here, as text that somebody may tamper with."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import Any

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.remote.backend import RemoteBackend
from gradlaws.conformance.remote.harness import Harness, answer_in
from gradlaws.conformance.remote.server import introduced, ran


class Loopback(Harness):
    """Serves a backend of this process; `tampered` is given each answer of `run` as a line."""

    def __init__(self, backend: Backend, tampered: Callable[[bytes], bytes] = lambda line: line) -> None:
        super().__init__("")
        self.backend = backend
        self.tampered = tampered

    def answers(self, verb: str, number: int, seconds: float, **fields: Any) -> Generator[Any, None, None]:
        sent = json.loads(json.dumps(fields))
        for k in range(number):
            if verb == "run":
                result: Any = ran(sent["programs"][k], self.backend)
                line = self.tampered(json.dumps({"id": 1, "result": result}).encode())
            else:
                line = json.dumps({"id": 1, "result": introduced(self.backend)}).encode()
            yield answer_in(line, 1)


def looped(backend: Backend, tampered: Callable[[bytes], bytes] = lambda line: line) -> RemoteBackend:
    """A backend as it is seen through the protocol."""
    return RemoteBackend(Loopback(backend, tampered))
