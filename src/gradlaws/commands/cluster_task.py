"""One piece of work as a worker of a Dask cluster does it: gradlaws in a process of its own.

So an engine that ends its process ends no worker, and no engine is loaded into one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

#: Stands in arguments for the folder in which the work is done.
HERE = "{here}"
#: What is done in this process, for `interrupt`.
_RUNNING: set[int] = set()


@dataclass(frozen=True)
class Job:
    """A piece of work.

    arguments: of `gradlaws`, with `HERE` for the folder of its files.
    files:     what lies there, by name.
    output:    the name of the file that it writes there.
    folder:    where it runs, if there is such a folder on the machine: adapters are found there.
    what:      in words.
    """

    arguments: tuple[str, ...]
    output: str
    folder: str
    what: str
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """What came of a piece of work: exit code, the text of its file, and the end of what it said."""

    code: int
    text: str
    said: str


def do(job: Job) -> Done:
    """Do a piece of work."""
    with TemporaryDirectory(prefix="gradlaws-") as here:
        for name, text in job.files.items():
            Path(here, name).write_text(text, "utf-8")
        given = [argument.replace(HERE, here) for argument in job.arguments]
        with Path(here, "said").open("w+b") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "gradlaws.commands.leash", *given],
                cwd=job.folder if Path(job.folder).is_dir() else here,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
            with process:  # whose standard input is closed at the end
                _RUNNING.add(process.pid)
                try:
                    code = process.wait()
                finally:
                    _RUNNING.discard(process.pid)
                    with suppress(ProcessLookupError, PermissionError):
                        os.killpg(process.pid, signal.SIGKILL)  # whatever an engine has left
            said.seek(max(0, said.seek(0, os.SEEK_END) - 4000))
            told = said.read().decode("utf-8", "replace")
        output = Path(here, job.output)
        return Done(code, output.read_text("utf-8") if output.exists() else "", told)


def interrupt() -> None:
    """End whatever is done in this process in good order, with what it has."""
    for process in tuple(_RUNNING):
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGINT)
