"""What a law is judged with: how many programs, from which seed, and by what standard."""

from __future__ import annotations

from dataclasses import dataclass

from gradlaws.conformance.execution.judging_standard import Standard
from gradlaws.conformance.judgement.profiles import CI


@dataclass(frozen=True)
class Effort(Standard):
    """How hard to look; the standard to judge by is a part of it.

    examples: programs per law.
    seed:     chooses the programs; equal seeds give equal records.
    shrink:   seconds spent on making a failing program small.
    """

    examples: int = CI.examples
    seed: int = 0
    shrink: float = 2.0
