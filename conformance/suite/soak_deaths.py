"""What ended the process of a soak, or did not end, is made small in processes of its own, and kept as a finding."""

from __future__ import annotations

from gradlaws.conformance.engines.exceptions import EngineBroke, ProcessEnded
from gradlaws.conformance.judgement.finding_builder import death_of, scripted
from gradlaws.conformance.judgement.fresh_processes import FreshProcesses
from gradlaws.conformance.judgement.reruns import Small
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.laws.breach import symptom_of
from gradlaws.conformance.suite.crash_reduction import PostMortem
from gradlaws.conformance.whole_programs.ledger import Settled
from gradlaws.conformance.whole_programs.run_item import WHOLE
from gradlaws.conformance.whole_programs.soak import Soak, found_by, program_of
from gradlaws.conformance.whole_programs.soak_file import Death


def keep_death(
    soak: Soak, death: Death, post_mortem: PostMortem, processes: FreshProcesses, limit: float
) -> None:
    """Keep the program of a soak that ended its process, as small as it can be made, and have the soak pass over it.

    It is kept as CRASH or TIMEOUT; where it does not end a process of its own it is kept whole, with what else it
    showed there. What is listed is counted.

    limit: seconds that a program may take; 0 for any.
    """
    soak.tally.passed.append(death.number)
    soak.tally.crashes += 1
    program = program_of(soak.backend, soak.seed, death.number, *soak.lengths, soak.known)
    error = ProcessEnded(death.said, kind=(ProcessEnded.LATE,) if death.late else ("signal",))
    listed = soak.known.excuse(EngineBroke.law, program, symptom_of(error))
    if listed is not None:
        soak.ledger.take(Settled(death.number, (listed.law,), True))
        return
    law = Verdict.TIMEOUT if death.late else Verdict.CRASH
    small = None
    if not soak.ledger.full(law):
        small = post_mortem.examine(WHOLE, program, soak.backend, soak.standard, soak.known, processes, limit)
    if small is None and soak.ledger.alike(law):
        soak.ledger.take(Settled(death.number, law=law))
        return
    spare = small is None
    if small is None:
        small = Small(program, error, False)
    elif not isinstance(small.error, ProcessEnded):
        found = soak.left(death.number, Small(small.program, small.error, False))
        soak.ledger.take(Settled(death.number, law=found.finding.law, found=found))
        small = Small(program, error, False, small.recurrence)
    finding = death_of(law, small.program, soak.backend, str(small.error))
    finding.recurrence = small.recurrence
    if small.recurrence is not None and small.recurrence.likely:
        finding.script = scripted(finding, small.error, soak.backend, soak.standard)
    found = found_by(death.number, small.program, finding)
    soak.ledger.take(Settled(death.number, law=law, found=found, spare=spare))
