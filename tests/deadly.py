"""Engines that end their process, or do not end, in one op."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from typing import Any

from hostile import hang_deeply

from gradlaws.conformance.adapters.reference import ReferenceBackend


def deadly(act: Callable[[], Any], name: str) -> type[ReferenceBackend]:
    class Deadly(ReferenceBackend):
        def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
            if op == "exp":
                act()
            return super().apply(op, *inputs, **params)

    Deadly.name = name
    return Deadly


Aborts = deadly(os.abort, "aborts-in-exp")
Exits = deadly(lambda: os._exit(0), "exits-in-exp")
Faults = deadly(lambda: ctypes.string_at(0), "faults-in-exp")
Hangs = deadly(lambda: time.sleep(3600), "hangs-in-exp")
HangsDeeply = deadly(hang_deeply, "hangs-deeply-in-exp")
"""It holds the lock of the interpreter meanwhile."""
