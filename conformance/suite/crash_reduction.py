"""What ended a process, or did not end, is run again in processes of its own, and made small there."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exceptions import ProcessEnded
from gradlaws.conformance.execution.judging_standard import Standard
from gradlaws.conformance.execution.whole_program_run import watchful
from gradlaws.conformance.judgement.fresh_processes import LONGEST, FreshProcesses, FreshSubject
from gradlaws.conformance.judgement.recurrence import Recurrence
from gradlaws.conformance.judgement.reruns import FRESH, Reducer, Reduction, Small
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.laws import Law
from gradlaws.conformance.laws.breach import symptom_of
from gradlaws.conformance.whole_programs.run_item import WHOLE
from gradlaws.conformance.whole_programs.shrinker import fresh_shrinker

#: What runs programs in processes of their own.
FORK_SERVER = "gradlaws.conformance.suite.fresh_process_server"
#: Seconds for one program, and for all programs of a run.
EACH, ALL = 15.0, 60.0
#: Seconds after which a smaller program is taken not to end, where programs of its kind did not.
HUNG = 0.5


class PostMortem:
    """Examines programs that ended a process; only so many, since there may be one a law.

    left: seconds that are left for that.
    """

    def __init__(self, left: float = ALL) -> None:
        self.left = left

    def examine(
        self, law: Law, program: Program, backend: Backend, standard: Standard, known: KnownFailures,
        processes: FreshProcesses, limit: float,
    ) -> Small | None:  # fmt: skip
        """The smallest program found that ends its process as this one does; None where that is not known.

        limit: seconds that the law might take, if any were set.
        """
        if self.left <= 0 or not processes.know(backend):
            return None
        start, seconds = monotonic(), min(EACH, self.left)
        reducer: Reducer
        if law is WHOLE:
            reducer = fresh_shrinker(backend, seconds, standard, known, processes)
        else:
            subject = FreshSubject(
                law.id,
                backend,
                standard,
                processes,
                lambda p, e: known.excuse(law.id, p, symptom_of(e)) is not None,
            )
            reducer = Reduction(subject, seconds, runs=True)
        processes.seconds = min(LONGEST, limit or LONGEST)
        try:
            return self._small(program, reducer, processes)
        finally:
            processes.seconds = LONGEST
            self.left -= monotonic() - start

    def _small(self, program: Program, reducer: Reducer, processes: FreshProcesses) -> Small | None:
        confirmed = processes.seconds
        for form in (program, watchful(program)):  # it may have been looked at more closely when it happened
            error = reducer.error(form)
            if not processes.usable:
                return None
            if isinstance(error, ProcessEnded):
                break
        else:
            return Small(program, error or ProcessEnded(""), False, Recurrence(1, 1, 0, 1))
        if error.late:
            processes.seconds = min(HUNG, confirmed)
        small = reducer.reduce(form, error)
        processes.seconds = confirmed
        times = 1 if error.late else FRESH
        again = [
            found for _ in range(times) if isinstance(found := reducer.error(small.program), ProcessEnded)
        ]
        if not again:
            return Small(form, error, False, Recurrence(1, 1, 1, 1))
        return replace(small, error=again[0], recurrence=Recurrence(1, 1, len(again), times))
