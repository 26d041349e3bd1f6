"""A limit to the memory that an engine may take, beyond what the process has once the engine is loaded (Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

try:
    import resource
except ImportError:  # not POSIX
    resource = None  # type: ignore[assignment]

MIB = 1 << 20
#: Of the limit, what has to be free again after a law: with less, the next one would pay for this one.
LEFT = 0.5


def taken() -> int:
    """Bytes of address space that this process has; 0 where that is not known."""
    with suppress(OSError, ValueError), open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return 0


class MemoryLimit:
    """A limit of so many MiB beyond what the process has when this is made; 0 for none."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._base = taken() if limit else 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """A block in which allocating beyond the limit raises MemoryError, or whatever the engine makes of it."""
        if resource is None or not self._base:
            yield
            return
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = self._base + self.limit * MIB
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

    @property
    def exhausted(self) -> bool:
        """Whether too little is free again for what comes next."""
        return bool(self._base) and taken() > self._base + self.limit * MIB * (1 - LEFT)
