"""The other side of `preparation`: hears what a process prepares, and notices where that does not end.

Run as a script it watches over the process that started it, which it hears on its standard input: where nothing else
helps, it says so and ends it. It imports nothing of ours, so that it costs some milliseconds.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

#: The environment variable that says how many seconds a preparation may take.
VARIABLE = "GRADLAWS_START_TIMEOUT"
#: Seconds after which a process is ended that could not be interrupted; and after which it is killed.
GRACE, PATIENCE = 2.0, 1.0
#: What ends the process; it has no handler in Python, and nobody else uses it. Its number is the exit code for wrong
#: usage, which is what `exit` makes of it.
SIGNAL = signal.SIGILL


class Watch:
    """What a process says that it prepares, a line each, and an empty one when that has ended.

    what: what is being prepared; empty for nothing.
    open: whether there may be more to hear.
    """

    def __init__(self, reading: int, limit: float) -> None:
        self.what = ""
        self.open = True
        self.limit = limit
        self._reading = reading
        self._since = time.monotonic()
        self._said = b""

    def listen(self, seconds: float) -> None:
        """Wait for more for so many seconds at most."""
        if not self.open:
            time.sleep(seconds)
        elif select.select([self._reading], [], [], seconds)[0]:
            more = os.read(self._reading, 4096)
            self.open, self._said = bool(more), self._said + more
            *lines, self._said = self._said.split(b"\n")
            if lines:
                self.what, self._since = lines[-1].decode("utf-8", "replace"), time.monotonic()

    @property
    def late(self) -> str:
        """What did not end in time, in a sentence; empty where nothing is late."""
        if not self.what or time.monotonic() - self._since <= self.limit + GRACE:
            return ""
        return f"{self.what} did not end within {self.limit:g} s ({VARIABLE}=SECONDS allows more)"


def main(limit: float) -> None:
    """Watch over the process that started this one, until it ends."""
    watch, watched = Watch(0, limit), os.getppid()
    while watch.open:
        watch.listen(0.5 if watch.what else 3600)
        if watch.late and os.getppid() == watched:
            print(f"\nerror: {watch.late}; no law was tried", file=sys.stderr, flush=True)
            os.kill(watched, SIGNAL)
            time.sleep(PATIENCE)
            if os.getppid() == watched:
                os.kill(watched, signal.SIGKILL)
            return
    if watch.what:
        print(f"\nerror: {watch.what} ended the process; no law was tried", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]))
