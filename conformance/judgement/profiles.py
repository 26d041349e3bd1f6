"""How hard to look: the profiles of a run, by name. Imports nothing: every pytest run with the plugin reads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """A profile.

    examples: programs a law.
    roving:   whether each run draws a seed of its own.
    """

    examples: int
    roving: bool = False


SMOKE, CI, NIGHTLY = Profile(10), Profile(100), Profile(2000, roving=True)
PROFILES = {"smoke": SMOKE, "ci": CI, "nightly": NIGHTLY}
#: The profile of a run that names none.
USUAL = "ci"
#: What the options say of them.
HELP = f"how hard to look: {SMOKE.examples}, {CI.examples} (ci, the default) or {NIGHTLY.examples} programs a law"
