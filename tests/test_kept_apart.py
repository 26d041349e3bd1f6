"""Lists of known failures: ops that are kept apart, and planted faults in the place of deviations."""

from __future__ import annotations

import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.judgement.draws import vocabulary_of
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.entry import KnownFailuresError
from gradlaws.conformance.known_failures.toml_parser import parsed
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.whole_programs.soak import program_of

#: An op that breaks whatever is computed with it, and a fault's name in the place of a deviation's.
BROKEN_EXP = """
[[known]]
law = "VAL-01"
also = ["*"]
reason = "for a test"
link = "https://example.org"
ops = ["exp"]
seen = ["numbers"]
script = "assert False"
"""
ENTRY_OF_A_FAULT = """
[[known]]
law = "REQ-11"
reason = "for a test"
link = "https://example.org"
deviation = "{}"
"""


def test_an_op_that_is_kept_apart_is_drawn_for_the_laws_of_its_entry_alone() -> None:
    known = parsed(
        BROKEN_EXP.replace('also = ["*"]', "apart = true").replace('ops = ["exp"]', 'ops = ["exp", "add_"]'),
        "mine.toml",
    )
    engine = ReferenceBackend()
    assert "exp" in vocabulary_of(LAWS["VAL-01"], engine, known).ops
    assert not {"exp", "add_"} & vocabulary_of(LAWS["VAL-02"], engine, known).ops
    assert "add_" in vocabulary_of(LAWS["INP-08"], engine, known).ops  # which is about writes in place
    programs = [program_of(engine, 3, n, known=known) for n in range(40)]
    assert all(getattr(step, "op", "") not in ("exp", "add_") for program in programs for step in program)


def test_calls_of_an_op_can_be_kept_apart() -> None:
    known = parsed(BROKEN_EXP.replace('also = ["*"]', 'apart = true\ncalls = ["0-d"]'), "mine.toml")
    vocabulary = vocabulary_of(LAWS["VAL-02"], ReferenceBackend(), known)
    assert "exp" in vocabulary.ops
    assert vocabulary.accepts("exp", ((2,),))
    assert not vocabulary.accepts("exp", ((),))


@pytest.mark.parametrize("added", ['apart = true\nmodes = ["no_grad"]', 'calls = ["0-d"]', "apart = 1"])
def test_what_is_kept_apart_are_ops(added: str) -> None:
    with pytest.raises(KnownFailuresError, match="apart"):
        parsed(BROKEN_EXP.replace('also = ["*"]', added), "mine.toml")


def test_a_planted_fault_of_the_engine_is_a_deviation() -> None:
    text = ENTRY_OF_A_FAULT.format("graph-outlives-flag")
    known, engine = parsed(text, "mine.toml"), FAULTS["graph-outlives-flag"].make()
    assert judge(LAWS["REQ-11"], engine, Effort(100, shrink=0.0), known).verdict is Verdict.KNOWN
    with pytest.raises(KnownFailuresError, match="no deviation"):
        parsed(
            ENTRY_OF_A_FAULT.format("bare-scalars"), "mine.toml"
        )  # what speaks to the engine is faulty there
