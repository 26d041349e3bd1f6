"""Whether entries of a list of known failures still say what is true, where nothing contradicts them."""

from __future__ import annotations

from collections.abc import Sequence

from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.entry import Known


def standing(entries: Sequence[Known], shown: Sequence[Known]) -> tuple[Verdict, str]:
    """KNOWN where a program or a script of the entries about a law shows the defect, else STALE, and why.

    A script that cannot run here says nothing, so the list stands.
    """
    unseen = [entry for entry in entries if entry not in shown]
    gone = [entry for entry in unseen if entry.reproduces() is False]
    if not gone and (shown or any(entry.script for entry in unseen)):
        return Verdict.KNOWN, ""
    first = (gone or unseen)[0].reason
    return Verdict.STALE, f"listed as a known failure, but nothing fails: take it off the list ({first})"
