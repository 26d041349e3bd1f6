"""The process that an engine lives in: started, spoken to line by line, ended, and started again."""

from __future__ import annotations

import atexit
import json
import os
import selectors
import shlex
import signal
import subprocess
from collections.abc import Generator
from contextlib import suppress
from time import monotonic
from typing import Any

from gradlaws.conformance.engines import process_state
from gradlaws.conformance.engines.exceptions import ProcessEnded, plain
from gradlaws.conformance.remote.messages import VERSION
from gradlaws.conformance.remote.trace_reader import Misspoken

#: Bytes that one answer may have, and bytes of standard error that are kept.
LONGEST, KEPT = 256 << 20, 8 << 10
#: Lines of standard error that are shown, and characters of each.
LINES, WIDTH = 8, 200
#: Seconds that a process has to end after its standard input was closed.
PARTING = 1.0
#: Waits for pipes without a file descriptor of its own.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


class Harness:
    """A process that is sent a line of JSON, and answers with one. It is started when it is first asked something.

    command: what is run, without a shell: words as a shell would split them.
    """

    def __init__(self, command: str) -> None:
        self.command = command
        self._words = shlex.split(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._selector = _Selector()
        self._said = bytearray()  # on standard output, beyond the last line that was read
        self._told = bytearray()  # on standard error: the end of it
        self._number = 0
        #: How often a process was started.
        self.starts = 0

    @property
    def running(self) -> bool:
        """Whether there is a process, started by this one, that can be asked."""
        return self._process is not None and self._owner == os.getpid()

    def ask(self, verb: str, seconds: float, **fields: Any) -> Any:
        """What the process answers to a request of this verb; raises as `answers` does."""
        return next(iter(self.answers(verb, 1, seconds, **fields)))

    def answers(self, verb: str, number: int, seconds: float, **fields: Any) -> Generator[Any, None, None]:
        """The answers to a request that is answered by so many lines; each has so many seconds.

        Raises ProcessEnded where the process ends, or does not answer in time, Misspoken where its answer is none, and
        passes on whatever interrupts the wait. After each of these it is gone, and the next request starts another.
        """
        if not self.running:
            self._start()
        self._number += 1
        request = {"protocol": VERSION, "id": self._number, "verb": verb, **fields}
        left = memoryview(json.dumps(request, separators=(",", ":")).encode() + b"\n")
        done = 0
        try:
            for _ in range(number):
                line, left = self._exchange(left, seconds)
                answer = answer_in(line, self._number)
                done += 1
                yield answer
        except Misspoken as error:
            self._drain()
            message = f"{error}{self.tail()}"
            self.end()
            raise Misspoken(message) from None
        finally:
            if done < number:
                self.end()

    def _start(self) -> None:
        self._process = None  # one of the process that this one was forked from is that one's
        self._selector = _Selector()
        self._said.clear()
        self._told.clear()
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(
                self._words, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
            )
        except (OSError, ValueError) as error:
            raise ProcessEnded(
                f"{plain(self.command)!r} cannot be started: {error}", kind=("start",)
            ) from error
        self._process, self._owner = process, os.getpid()
        self.starts += 1
        atexit.register(self.close)
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            process_state.OWN.add(stream.fileno())
        assert process.stdout is not None
        assert process.stderr is not None
        self._selector.register(process.stdout, selectors.EVENT_READ, "said")
        self._selector.register(process.stderr, selectors.EVENT_READ, "told")

    def _exchange(self, left: memoryview, seconds: float) -> tuple[bytes, memoryview]:
        """(the next line, what is left of the request): writes and reads at once, so that no full pipe blocks both."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        end, searched, asking = monotonic() + seconds, 0, bool(left)
        if asking:
            self._selector.register(process.stdin, selectors.EVENT_WRITE, "asked")
        while (at := self._said.find(b"\n", searched)) < 0:
            searched = len(self._said)
            if searched > LONGEST:
                raise Misspoken(f"an answer of more than {LONGEST >> 20} MiB")
            ready = self._selector.select(max(0.0, end - monotonic()))
            if monotonic() >= end:
                self._drain()
                raise ProcessEnded(f"no answer after {seconds:g} s{self.tail()}", kind=(ProcessEnded.LATE,))
            for key, _ in ready:
                if key.data == "asked":
                    left = self._write(left)
                elif not self._read(key.fileobj, key.data) and key.data == "said":
                    raise ProcessEnded(*self._last_words())
            if asking and not left:
                self._selector.unregister(process.stdin)
                asking = False
        if asking:
            raise Misspoken(f"an answer before the question was read: {_excerpt(self._said[:at])}")
        line = bytes(self._said[:at])
        del self._said[: at + 1]
        return line, left

    def _write(self, left: memoryview) -> memoryview:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            return left[os.write(self._process.stdin.fileno(), left[: 1 << 16]) :]
        except BlockingIOError:
            return left
        except OSError:  # nobody reads: what it has said, or how it ended, tells more
            return left[len(left) :]

    def _read(self, stream: Any, name: str) -> bool:
        try:
            more = os.read(stream.fileno(), 1 << 20)
        except BlockingIOError:
            return True
        if not more:
            with suppress(KeyError, ValueError):
                self._selector.unregister(stream)
        elif name == "said":
            self._said += more
        else:
            self._told = (self._told + more)[-KEPT:]
        return bool(more)

    def _drain(self) -> None:
        """Read what is there on standard error by now."""
        if self._process is not None and self._process.stderr is not None:
            stream, end = self._process.stderr, monotonic() + 0.2
            with suppress(OSError, ValueError):
                while self._read(stream, "told") and monotonic() < end and self._selector.select(0.02):
                    pass

    def _last_words(self) -> tuple[str, int | None, tuple[str, ...]]:
        """How a process ended that closed its standard output: what is said of it, no step, and the kind."""
        assert self._process is not None
        self._drain()
        try:
            code = self._process.wait(PARTING)
        except subprocess.TimeoutExpired:
            return f"the process closed its standard output{self.tail()}", None, ("closed",)
        if code < 0:
            with suppress(ValueError):
                return f"the process died, {signal.Signals(-code).name}{self.tail()}", None, ("signal",)
        return f"the process ended, exit code {code}{self.tail()}", None, (f"exit {code}",)

    def tail(self) -> str:
        """The last lines of standard error, to go behind a message; empty where there are none."""
        lines = bytes(self._told).decode("utf-8", "replace").splitlines()
        shown = [plain(line[:WIDTH]) for line in lines if line.strip()][-LINES:]
        return (
            "".join(["; its standard error ends with:", *(f"\n    {line}" for line in shown)])
            if shown
            else ""
        )

    def close(self) -> None:
        """Let the process end by itself, which it does since its standard input is closed; else end it."""
        process = self._process
        if process is not None and self.running and process.stdin is not None:
            with suppress(OSError, subprocess.TimeoutExpired):
                process_state.OWN.discard(process.stdin.fileno())
                process.stdin.close()
                process.wait(PARTING)
        self.end()

    def end(self) -> None:
        """End the process, if there is one, and whatever it has started."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        atexit.unregister(self.close)
        self._selector.close()
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None and not stream.closed:
                process_state.OWN.discard(stream.fileno())
                with suppress(OSError):
                    stream.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(PARTING)


def answer_in(line: bytes, number: int) -> Any:
    """The result of an answer to request `number`; raises Misspoken."""
    try:
        answer = json.loads(line, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise Misspoken(
            f"said on standard output what is no JSON: {_excerpt(line)}; standard output is for answers alone, and "
            f"standard error for everything else"
        ) from None
    if not isinstance(answer, dict):
        raise Misspoken(f"an answer is {_excerpt(line)}, expected an object")
    if answer.get("id") != number or type(answer["id"]) is not int:
        raise Misspoken(f"an answer has id {answer.get('id')!r:.40}, the request had {number}")
    if "error" in answer:
        error = answer["error"]
        if not isinstance(error, dict) or not all(isinstance(error.get(k), str) for k in ("class", "text")):
            raise Misspoken(f"error: {_excerpt(line)}, expected an object with `class` and `text`")
        raise Misspoken(f"refused the request: {plain(error['class'][:100])}: {plain(error['text'][:500])}")
    if "result" not in answer:
        raise Misspoken(f"an answer without `result` and `error`: {_excerpt(line)}")
    return answer["result"]


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _excerpt(line: bytes | bytearray) -> str:
    text = bytes(line[:120]).decode("utf-8", "replace")
    return f"`{plain(text)}`" + ("..." if len(line) > 120 else "")
