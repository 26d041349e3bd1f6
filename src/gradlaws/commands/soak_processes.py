"""Runs a soak in a process of its own, and another one after a program that ended it or did not end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gradlaws.commands import CommandError
from gradlaws.conformance.engines import preparation
from gradlaws.conformance.engines.exceptions import plain
from gradlaws.conformance.engines.watchdog import Watch
from gradlaws.reports.exit_codes import Exit

#: Seconds between two looks at the process, and for it to end when it has said that it does.
TICK, PATIENCE = 0.1, 5.0
#: Bytes for a tally.
SIZE = 1 << 16


class Slate:
    """What the process of a soak leaves behind, however it ends.

    number: of the program that runs; -1 before the first.
    code:   the exit code of a soak that has come to its end; -1 before.
    tally:  how far it has come; empty before the first batch has ended.
    """

    def __init__(self, context: Any) -> None:
        self._numbers = context.Array("q", (-1, -1), lock=False)
        self._tally = context.Array("c", SIZE, lock=False)

    @property
    def number(self) -> int:
        """See above."""
        return int(self._numbers[0])

    @number.setter
    def number(self, number: int) -> None:
        self._numbers[0] = number

    @property
    def code(self) -> int:
        """See above."""
        return int(self._numbers[1])

    @code.setter
    def code(self, code: int) -> None:
        self._numbers[1] = code

    @property
    def tally(self) -> bytes:
        """See above."""
        return bytes(self._tally.value)

    @tally.setter
    def tally(self, tally: bytes) -> None:
        if len(tally) < SIZE:
            self._tally.value = tally


def supervised(soak: Callable[[Namespace, Slate], int], options: Namespace) -> int:
    """The exit code of a soak in a process of its own.

    What ended one is noted in the file, for the next one to look into.
    """
    from gradlaws.conformance.whole_programs.soak_file import Death, SoakFile

    context = multiprocessing.get_context("spawn")
    start, seconds = time.monotonic(), options.seconds
    while True:
        if seconds is not None:
            options.seconds = max(0.01, seconds - (time.monotonic() - start))
        slate = Slate(context)
        reading, writing = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(soak, options, slate, writing))
        child.start()
        writing.close()
        signal.signal(signal.SIGTERM, lambda *_, child=child: child.terminate())
        watch = Watch(reading.fileno(), preparation.limit())
        late = _watched(child, slate, watch, options.program_timeout)
        reading.close()
        if slate.code >= 0:
            return slate.code
        code = child.exitcode or 0
        how = late or f"the process ended, exit code {code}"
        if code < 0 and not late:
            how = f"the process died, {signal.Signals(-code).name}"
        if slate.number < 0:
            during = f"{watch.what} ended it: " if watch.what and not late else ""
            raise CommandError(f"{during}{how}; no program was tried")
        SoakFile(options.file).died(Death(slate.number, how, bool(late)), slate.tally)
        told = "TIMEOUT" if late else "CRASH"
        print(f"\n{told}: program {slate.number:,}: {how}; going on without it", file=sys.stderr)


def _watched(child: Any, slate: Slate, watch: Watch, limit: float) -> str:
    """Wait until a process has ended; what did not end in time, where it had to be ended."""
    late = ""
    state, since = (slate.number, slate.code), time.monotonic()
    while child.is_alive():
        try:
            watch.listen(TICK)
        except KeyboardInterrupt:
            continue  # the child has been told, too, and ends in good order
        now = time.monotonic()
        if state != (slate.number, slate.code):
            state, since = (slate.number, slate.code), now
        late = watch.late
        if slate.code >= 0:
            if now - since > PATIENCE:
                child.kill()  # something that the engine left holds it back
        elif limit and slate.number >= 0 and now - since > limit:
            late = f"not finished after {limit:g} s"
        if late:
            child.kill()
            break
    child.join()
    return late


def _child(soak: Callable[[Namespace, Slate], int], options: Namespace, slate: Slate, writing: Any) -> None:
    from gradlaws.conformance.whole_programs.soak_file import SoakFileError

    preparation.told_to(os.dup(writing.fileno()))
    try:
        code = soak(options, slate)
    except (CommandError, SoakFileError) as error:
        print(f"error: {plain(str(error))}", file=sys.stderr)
        code = Exit.USAGE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = Exit.UNKNOWN
    except Exception:
        traceback.print_exc()
        code = Exit.INTERNAL
    with suppress(Exception):
        sys.stdout.flush()
    slate.code = code
