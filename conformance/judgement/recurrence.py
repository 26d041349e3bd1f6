"""How often a failure came back when its program ran again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recurrence:
    """How often a program failed of how many times that it ran: where it was found, and in fresh processes.

    The first time counts; a fresh process runs one program, and ends.
    """

    seen: int = 1
    tries: int = 1
    fresh_seen: int = 0
    fresh_tries: int = 0

    @property
    def here(self) -> bool:
        """Whether it failed whenever it ran where it was found."""
        return self.seen == self.tries

    @property
    def steady(self) -> bool:
        """Whether it failed whenever it ran."""
        return self.here and self.fresh_seen == self.fresh_tries

    @property
    def likely(self) -> bool:
        """Whether it can be expected to fail in a process that runs nothing else."""
        return self.fresh_seen == self.fresh_tries if self.fresh_tries else self.here

    @property
    def told(self) -> str:
        """What does not recur, in a line; empty where it always does."""
        if self.steady:
            return ""
        here, fresh = f"{self.seen} of {self.tries} tries", f"{self.fresh_seen} of {self.fresh_tries}"
        if not self.fresh_tries:
            return f"intermittent: seen in {here}"
        if self.here or self.fresh_seen == self.fresh_tries:
            return f"it depends on what ran before: seen in {here} in one process, and in {fresh} fresh ones"
        return f"intermittent: seen in {here} in one process, and in {fresh} fresh ones"
