"""Work spread over a Dask cluster, here or elsewhere: https://distributed.dask.org."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from gradlaws.commands import CommandError, cluster_task
from gradlaws.commands.cluster_task import Done, Job
from gradlaws.reports.exit_codes import Exit

HELP = (
    "spread the work over so many processes of this machine, or over the Dask cluster at an address, such as "
    "tcp://scheduler:8786 (pip install 'gradlaws[cluster]')"
)
#: Seconds between two looks at what is done, and for what is interrupted to end.
TICK, PATIENCE = 0.5, 30.0


class Cluster:
    """A Dask cluster that does jobs.

    interrupted: whether somebody wanted it to end.
    """

    def __init__(self, client: Any, own: bool) -> None:
        self._client = client
        self._own = own
        self.interrupted = False

    @property
    def slots(self) -> int:
        """How many jobs it does at a time."""
        return max(1, sum(int(n) for n in self._client.nthreads().values()))

    def spread(
        self, jobs: Iterable[Job], took: Callable[[Job, Done | None], None], tick: Callable[[], None]
    ) -> None:
        """Do jobs, as many at a time as there are slots; they are taken from `jobs` as late as can be.

        took: called with each job that is done, in the order in which they are; None where it is lost: the worker that
              did it was, and that of another try.
        tick: called about twice a second.

        Raises CommandError where a job cannot be done at all.
        """
        waiting, running = iter(jobs), dict[Any, tuple[Job, int]]()
        with self._listening():
            while True:
                while not self.interrupted and len(running) < self.slots:
                    if (job := next(waiting, None)) is None:
                        break
                    running[self._start(job)] = job, 1
                if not running or self._given_up():
                    break
                for future in self._ended(list(running)):
                    job, tries = running.pop(future)
                    done = self._result(future, job)
                    if done is None and tries == 1 and self._own and not self.interrupted:
                        print(f"\n{job.what}: who did it was lost; done again", file=sys.stderr)
                        running[self._start(job)] = job, 2
                    else:
                        took(job, done)
                tick()

    def _start(self, job: Job) -> Any:
        return self._client.submit(cluster_task.do, job, pure=False, retries=0)

    @staticmethod
    def _ended(futures: list[Any]) -> list[Any]:
        from distributed import wait

        with suppress(TimeoutError):
            return list(wait(futures, timeout=TICK, return_when="FIRST_COMPLETED").done)
        return []

    def _result(self, future: Any, job: Job) -> Done | None:
        from distributed import KilledWorker

        try:
            done = future.result()
        except KilledWorker:
            return None
        except Exception as error:
            raise CommandError(f"{job.what}: a worker of the cluster cannot do it: {error!r}") from error
        assert isinstance(done, Done)
        if done.code == Exit.USAGE:
            said = done.said.strip().splitlines() or ["nothing is known of it"]
            raise CommandError(f"{job.what}: {said[-1].removeprefix('error: ')}")
        return done if done.code in (Exit.CONFORMS, Exit.FAILS, Exit.UNKNOWN) else None

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Take an interrupt for a wish to end with what there is; a second one ends at once."""

        def heard(*_: object) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True

        before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
        self._since = 0.0
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _given_up(self) -> bool:
        """Whether what was interrupted does not end; interrupts what runs, once."""
        if not self.interrupted:
            return False
        if not self._since:
            self._since = time.monotonic()
            self._client.run(cluster_task.interrupt, on_error="ignore")
        return time.monotonic() - self._since > PATIENCE


@contextmanager
def cluster(place: str) -> Iterator[Cluster]:
    """The cluster at an address, or one of so many processes of this machine; raises CommandError."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise CommandError(f"--dask {place}: needs Dask: pip install 'gradlaws[cluster]'") from error
    if place.isdecimal() and int(place) < 1:
        raise CommandError(
            f"--dask {place}: write a number of processes above 0, or the address of a scheduler"
        )
    own = place.isdecimal()
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # of what is lost we tell ourselves
    # Workers ignore the interrupts of a terminal: what they do is ended in good order by `Cluster`.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A lost worker's job is done again by us, once.
    settings = {"distributed.scheduler.allowed-failures": 0} if own else {}
    with dask.config.set(settings):
        local = None
        try:
            if own:
                local = LocalCluster(
                    n_workers=int(place),
                    threads_per_worker=1,
                    memory_limit=0,
                    dashboard_address=os.environ.get("GRADLAWS_DASHBOARD", "127.0.0.1:0"),
                    silence_logs=logging.CRITICAL,
                )
            client = Client(local or place, timeout="10s")
        except (OSError, ValueError, TimeoutError) as error:
            raise CommandError(f"--dask {place}: there is no Dask scheduler: {error}") from error
        finally:
            signal.signal(signal.SIGINT, before)
        try:
            if not own:
                client.wait_for_workers(1, timeout=60)
            print(f"Dask: {client.dashboard_link}", file=sys.stderr)
            yield Cluster(client, own)
        except TimeoutError as error:
            raise CommandError(f"--dask {place}: no worker has come within a minute") from error
        finally:
            client.close()
            if local is not None:
                local.close()
