"""The matrix of faults and laws: what each planted fault breaks, and whom it is blamed on.

Few programs per cell, so an empty cell is no proof; `test_laws_catch_faults.py` proves the cells that faults name. The
matrix is written to pytest's cache, as Markdown, and the end of the run says where. A row tries all laws, so every
tenth is tried by default, and all where GRADLAWS_WHOLE_MATRIX is set.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from thinning import every

from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.laws import LAWS, PORTABLE

ROWS = every(20, [name for name, fault in FAULTS.items() if fault.engine == "reference"])


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str, record_property: Callable[[str, object], None]) -> None:
    """Some law notices the fault; a law that fails blames itself or another one that exists."""
    fault = FAULTS[name]
    engine = fault.make()
    cells: dict[str, str] = {}
    for law in (LAWS if "pytorch" in engine.capabilities else PORTABLE).values():
        result = judge(law, engine, Effort(5, shrink=0.0, strict=fault.strict), KnownFailures())
        if result.verdict is Verdict.FAIL and result.finding is not None:
            cells[law.id] = result.finding.law
        elif result.verdict is not Verdict.PASS:
            cells[law.id] = str(result.verdict)  # the engine broke, or nothing was left to assert
    for law_id in fault.breaks:  # the named cells are proven with more programs in test_laws_catch_faults.py
        cells.setdefault(law_id, law_id)
    record_property("fault row", json.dumps({"fault": name, "sentence": fault.sentence, "cells": cells}))
    assert cells
