"""Declarations are proposed that fit what an engine does, and none for what is a defect."""

from __future__ import annotations

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.conventions import PYTORCH, Dialect
from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.judgement.convention_proposals import declaration, proposals
from gradlaws.conformance.judgement.effort import Effort


class Silent(ReferenceBackend):
    """Speaks a dialect, and declares nothing."""

    name = "silent"

    def __init__(self, speaks: Dialect) -> None:
        super().__init__(speaks)
        self.dialect = PYTORCH


def test_what_fits_is_proposed() -> None:
    speaks = Dialect(
        accumulation="overwrites",
        bare_root="any",
        intermediates="root",
        untracked_result="non-leaf",
        inplace="untracked targets",
        mixed_dtypes="refused",
        kinks={"relu": "right", "amax": "first"},
    )
    failing = ["ACC-01", "ROOT-01", "NONE-08", "LEAF-02", "INP-08", "VAL-04", "KINK-01", "KINK-12"]
    backend = Silent(speaks)
    found = proposals(backend, failing, Effort(10))
    assert backend.dialect == PYTORCH
    assert declaration(PYTORCH, found) == declaration(speaks)
    assert eval(declaration(speaks), {"Dialect": Dialect}) == speaks
    assert {law for proposal in found for law in proposal.laws} == set(failing)


def test_a_defect_is_no_convention() -> None:
    for law in ("VAL-01", "ACC-05", "RET-01"):
        fault = next(f for f in FAULTS.values() if f.breaks[0] == law)
        assert proposals(fault.make(), [law], Effort(10)) == []
