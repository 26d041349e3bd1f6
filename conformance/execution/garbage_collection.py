"""Memory while many programs run: when cyclic garbage is collected."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collected_later(generation: int = 1) -> Iterator[None]:
    """Cyclic garbage waits until the end of the block: programs make little of it, and much that is not.

    generation: up to which one it is collected then, as in `gc.collect`.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
        gc.collect(generation)
