"""A run leaves nothing behind, however long: programs go with their tensors, hooks and graphs."""

from __future__ import annotations

import gc
from collections import Counter

import pytest

from gradlaws.conformance.engines.discovery import find
from gradlaws.conformance.whole_programs.soak import Soak


def alive() -> Counter[str]:
    """How many objects there are of each class."""
    gc.collect()
    return Counter(type(thing).__qualname__ for thing in gc.get_objects())


@pytest.mark.parametrize("name", ["torch", "reference"])
def test_programs_leave_nothing_behind(name: str) -> None:
    if name == "torch":
        pytest.importorskip("torch")
    soak = Soak(find(name), 3)
    soak.run(programs=100)
    before = alive()
    soak.run(programs=300)
    grown = {kind: n for kind, n in (alive() - before).items() if n > 100}
    # What is left are caches of the suite, which have an end, and what an engine loads when it is first needed.
    assert grown.keys().isdisjoint({"Tensor", "UntypedStorage", "Watcher", "Node", "RemovableHandle"})
