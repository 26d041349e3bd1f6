"""The short id under which a failing program is printed, remembered, recorded and replayed."""

from __future__ import annotations

import hashlib
import json

from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.serialization import dumped


def replay_id(law: str, program: Program) -> str:
    """The id of a program that fails before a law, as in `ACC-01-e2fdc759`: equal programs have equal ids."""
    return f"{law}-{hashlib.sha256(json.dumps([law, dumped(program)]).encode()).hexdigest()[:8]}"
